package topics

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"walcast/protocol"
)

// savedPast is a topic's past in the state file.
type savedPast struct {
	Topic      string
	Private    bool
	Last, Lost uint64
	Kept       []savedBroadcast
}

// savedNewest is newest in the state file.
type savedNewest struct {
	Number uint64
	Floor  uint64
	Newest []byte // the slots in use, each with its number
}

// savedBroadcast is a broadcast in the state file. JSON texts are saved as
// bytes: as JSON values, null and nothing would be the same.
type savedBroadcast struct {
	Number   uint64
	At       time.Time
	Sender   string `json:",omitempty"`
	ID       string `json:",omitempty"` // of a message from SQL, which earlier versions kept
	Relay    []byte
	Opaque   []byte
	Event    string
	Encoding protocol.Encoding
	Payload  []byte
	Meta     []byte
}

// Name is the key of a topic's past in the state file.
func (p *Past) Name() string { return "Past" }

// Save calls write once for all topics, then for each topic whose broadcasts
// are kept.
func (p *Past) Save(write func(v any) error) error {
	if !p.inUse.Load() {
		return nil
	}
	newest, topics := p.collect()
	if err := write(newest); err != nil {
		return err
	}
	for _, saved := range topics {
		if err := write(saved); err != nil {
			return err
		}
	}
	return nil
}

func (p *Past) collect() (savedNewest, []savedPast) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]savedPast, 0, len(p.byTopic))
	for key, of := range p.byTopic {
		saved := savedPast{Topic: key.Name, Private: key.Private, Last: p.number, Lost: of.lost}
		for _, b := range of.kept {
			saved.Kept = append(saved.Kept, savedBroadcast{
				Number: b.Number, At: b.At, Sender: b.Sender, Relay: b.Relay, Opaque: b.Opaque,
				Event: b.Event, Encoding: b.Encoding, Payload: b.Payload, Meta: b.Meta,
			})
		}
		all = append(all, saved)
	}
	return p.newest.saved(p.number), all
}

// Restore takes back a line that Save has written. An earlier version did not
// write the line for all topics: then nothing is known of topics that have no
// line of their own.
func (p *Past) Restore(line json.RawMessage) error {
	var saved struct {
		savedPast
		savedNewest
	}
	if err := json.Unmarshal(line, &saved); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse.Store(true)
	hasOwn := p.number > p.base
	mixed := hasOwn && saved.Number > p.base
	p.number = max(p.number, saved.Number, saved.Last)
	if !hasOwn {
		p.base = p.number
	}
	if saved.Topic != "" {
		p.restore(saved.savedPast)
		return nil
	}
	err := p.newest.restore(saved.savedNewest)
	if mixed { // a clock was put back, and the numbers of both runs do not compare
		p.newest.floor, p.own = p.number, nil
	}
	return err
}

// restore takes back the broadcasts of one topic. It has no members yet.
func (p *Past) restore(saved savedPast) {
	of := p.begin(protocol.Topic{Name: saved.Topic, Private: saved.Private})
	if of == nil {
		return
	}
	of.lost = saved.Lost
	p.store(of, p.began)
	for _, s := range saved.Kept {
		if s.ID != "" {
			continue // the log has it
		}
		p.add(of, said{Number: s.Number, At: s.At, Sender: s.Sender, Broadcast: protocol.Broadcast{
			Relay: s.Relay, Opaque: s.Opaque, Event: s.Event, Encoding: s.Encoding, Payload: s.Payload, Meta: s.Meta,
		}})
	}
}

// Reset forgets what was restored, as the file has changed since. What this run has
// broadcast comes after what is restored now.
func (p *Past) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own = p.byTopic
	p.releaseAll()
	p.byTopic = map[protocol.Topic]*topicPast{}
	p.forgetAll()
	p.newest.reset(uint64(p.began.UnixMicro()), p.base)
}

// Restored is called after the last Restore. It puts the broadcasts of all
// topics in their order, and drops what is too much or too old.
func (p *Past) Restored() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, of := range p.byTopic {
		p.continued(of, p.own[key])
	}
	p.own = nil
	if p.nodes != nil {
		p.doubt()
	}
	slices.SortFunc(p.order, func(a, b noted) int { return cmp.Compare(a.number, b.number) })
	p.trim(p.began)
}

// doubt takes all topics for such that other nodes have broadcast to before this run, so
// that who was here then is told.
func (p *Past) doubt() {
	if p.number == p.base { // no broadcast of this run has it
		p.number++
		p.base++
	}
	p.newest.floor = max(p.newest.floor, p.base)
	for _, of := range p.byTopic {
		of.lost = max(of.lost, p.base)
	}
}

// continued has the broadcasts of a topic go on with this run's own, as far as they
// were kept.
func (p *Past) continued(of, own *topicPast) {
	base, newest := p.base, p.newest.of(of.key)
	switch {
	case newest <= base: // there are none
	case own == nil || p.newest.floor > base:
		of.lost = newest
	default:
		if own.lost > base {
			of.lost = own.lost
		}
		for _, b := range own.kept {
			if b.Number > base {
				p.add(of, b)
			}
		}
	}
}

// Clear forgets everything. From now on it is known again what is broadcast.
func (p *Past) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse.Store(true)
	p.forgetAll()
	p.own, p.base = nil, p.number
	p.newest = newNewest(p.number)
}

// forgetAll forgets all topics, also those with members.
func (p *Past) forgetAll() {
	p.releaseAll()
	clear(p.byTopic)
	p.away.Init()
	p.names, p.order, p.bytes = 0, nil, 0
}

// releaseAll has broadcasts of other nodes come only to topics with members here.
func (p *Past) releaseAll() {
	if p.nodes == nil {
		return
	}
	for key := range p.byTopic {
		p.release(key)
	}
}

// slotBytes is the size of a slot in the state file.
const slotBytes = 2 + 8

func (n *newest) saved(number uint64) savedNewest {
	s := savedNewest{Number: number, Floor: n.floor}
	for slot, number := range n.slots {
		if number > n.floor {
			s.Newest = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(s.Newest, uint16(slot)), number)
		}
	}
	return s
}

// restore takes in what was saved, beside what this run has noted itself.
func (n *newest) restore(s savedNewest) error {
	if len(s.Newest)%slotBytes != 0 {
		return errors.New("numbers of newest broadcasts are damaged")
	}
	n.floor = s.Floor
	if n.slots == nil {
		n.slots = make([]uint64, newestSlots)
	}
	for rest := s.Newest; len(rest) > 0; rest = rest[slotBytes:] {
		slot := &n.slots[binary.BigEndian.Uint16(rest)]
		*slot = max(*slot, binary.BigEndian.Uint64(rest[2:]))
	}
	return nil
}
