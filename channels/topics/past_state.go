package topics

import (
	"cmp"
	"encoding/json"
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

// savedBroadcast is a broadcast in the state file. Text is kept as bytes, since
// JSON within JSON does not tell null from nothing.
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

// Save calls write for each topic.
func (p *Past) Save(write func(v any) error) error {
	for _, saved := range p.collect() {
		if err := write(saved); err != nil {
			return err
		}
	}
	return nil
}

func (p *Past) collect() []savedPast {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]savedPast, 0, len(p.byTopic))
	for key, of := range p.byTopic {
		saved := savedPast{Topic: key.Name, Private: key.Private, Last: of.newest, Lost: of.lost}
		for _, b := range of.kept {
			saved.Kept = append(saved.Kept, savedBroadcast{
				Number: b.Number, At: b.At, Sender: b.Sender, Relay: b.Relay, Opaque: b.Opaque,
				Event: b.Event, Encoding: b.Encoding, Payload: b.Payload, Meta: b.Meta,
			})
		}
		all = append(all, saved)
	}
	return all
}

// Restore takes back the past of one topic.
func (p *Past) Restore(line json.RawMessage) error {
	var saved savedPast
	if err := json.Unmarshal(line, &saved); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	of := &topicPast{newest: saved.Last, lost: saved.Lost}
	for _, s := range saved.Kept {
		if s.ID != "" {
			continue // the log has it
		}
		p.add(of, said{Number: s.Number, At: s.At, Sender: s.Sender, Broadcast: protocol.Broadcast{
			Relay: s.Relay, Opaque: s.Opaque, Event: s.Event, Encoding: s.Encoding, Payload: s.Payload, Meta: s.Meta,
		}})
	}
	p.byTopic[Key{Name: saved.Topic, Private: saved.Private}] = of
	p.number = max(p.number, saved.Last)
	p.inUse.Store(true)
	return nil
}

// Restored puts what was taken back, topic by topic, in the order of all.
func (p *Past) Restored() {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortFunc(p.order, func(a, b noted) int { return cmp.Compare(a.number, b.number) })
}

// Clear forgets everything.
func (p *Past) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.byTopic)
	p.order, p.bytes = nil, 0
}
