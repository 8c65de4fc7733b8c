package channels

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// savedPast is a topic's past in the state file.
type savedPast struct {
	Topic      string
	Private    bool
	Last, Lost uint64
	System     string `json:",omitempty"` // of the history of Relayed
	Relayed    string `json:",omitempty"`
	Kept       []savedHeard
}

// savedHeard is a broadcast in the state file. Text is kept as bytes, since JSON
// within JSON does not tell null from nothing.
type savedHeard struct {
	Number   uint64
	At       time.Time
	Sender   string `json:",omitempty"`
	ID       string `json:",omitempty"`
	Relay    []byte
	Opaque   []byte
	Event    string
	Encoding protocol.Encoding
	Payload  []byte
	Meta     []byte
}

// save calls write for each topic.
func (p *pasts) save(write func(savedPast) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, of := range p.byTopic {
		saved := savedPast{Topic: key.name, Private: key.private, Last: of.last, Lost: of.lost}
		if !of.relayed.Position.IsZero() {
			saved.System, saved.Relayed = of.relayed.History.System, of.relayed.Position.String()
		}
		for _, h := range of.kept {
			saved.Kept = append(saved.Kept, savedHeard{
				Number: h.Number, At: h.At, Sender: h.Sender, ID: h.ID, Relay: h.Relay, Opaque: h.Opaque,
				Event: h.Event, Encoding: h.Encoding, Payload: h.Payload, Meta: h.Meta,
			})
		}
		if err := write(saved); err != nil {
			return err
		}
	}
	return nil
}

// restore takes back what save has written.
func (p *pasts) restore(saved savedPast) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := &past{last: saved.Last, lost: saved.Lost, saved: true}
	if saved.Relayed != "" {
		position, err := wal.ParsePosition(saved.Relayed)
		if err != nil {
			return err
		}
		of.relayed = changelog.Standing{History: changelog.History{System: saved.System}, Position: position}
	}
	for _, s := range saved.Kept {
		h := heard{Number: s.Number, At: s.At, Sender: s.Sender, ID: s.ID, Broadcast: protocol.Broadcast{
			Relay: json.RawMessage(s.Relay), Opaque: s.Opaque, Event: s.Event, Encoding: s.Encoding,
			Payload: s.Payload, Meta: json.RawMessage(s.Meta),
		}}
		p.add(of, h)
	}
	p.byTopic[topicKey{name: saved.Topic, private: saved.Private}] = of
	p.number = max(p.number, saved.Last)
	p.inUse.Store(true)
	return nil
}

// restored puts what was taken back, topic by topic, in the order of all.
func (p *pasts) restored() {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortFunc(p.order, func(a, b kept) int { return cmp.Compare(a.number, b.number) })
}

// clear forgets everything.
func (p *pasts) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.byTopic)
	p.order, p.bytes = nil, 0
}
