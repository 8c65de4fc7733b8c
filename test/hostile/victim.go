package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"walcast/test/program"
)

// What the victim receives beside rows.
const (
	broadcasts = "broadcasts"
	presence   = "presence"
)

// lobby is a topic where a friend of the victim speaks and is present.
const lobby = "lobby"

// topicsEach is how many channels have the same bindings: topics are spread over
// shards, and an attack may reach only one of these.
const topicsEach = 5

// How often something happens that the victim must hear of.
const (
	rowEvery      = 15 * time.Millisecond
	speakEvery    = 50 * time.Millisecond
	presenceEvery = 500 * time.Millisecond
)

// victim is a user who does nobody any harm, with a friend, and knows what it has
// to receive. The owner of the database writes the rows.
type victim struct {
	address string
	streams map[key]*stream
	joins   map[string]map[string]any // the config of each topic
	ready   chan string               // topics that are joined, and whose bindings are checked

	mu     sync.Mutex
	faults []string
}

func newVictim(address string) *victim {
	v := &victim{address: address, streams: map[key]*stream{}, joins: map[string]map[string]any{}, ready: make(chan string, 100)}
	add := func(topic string, config map[string]any, names ...string) {
		v.joins[topic] = config
		for _, name := range names {
			v.streams[key{topic, name}] = &stream{name: name, newest: name == presence}
		}
	}
	for i := range topicsEach {
		add(fmt.Sprintf("victim-%d", i), bindings(bind(openTable, ""), bind(ownTable, "")), openTable, ownTable)
		add(fmt.Sprintf("asking-%d", i), bindings(bind(askedTable, "")), askedTable)
	}
	add(lobby, map[string]any{}, broadcasts, presence)
	return v
}

// key names a stream: what comes on a topic.
type key struct{ topic, name string }

// begin returns the next number of all streams of a name.
func (v *victim) begin(name string) (number int) {
	for k, s := range v.streams {
		if k.name == name {
			number = s.begin()
		}
	}
	return number
}

// done notes that what has the number was committed, or sent, just now.
func (v *victim) done(name string, number int) {
	at := time.Now()
	for k, s := range v.streams {
		if k.name == name {
			s.done(number, at)
		}
	}
}

// received notes a number that has come on a topic.
func (v *victim) received(topic, name string, number int, at time.Time) {
	s := v.streams[key{strings.TrimPrefix(topic, "realtime:"), name}]
	if s == nil {
		v.blame("the victim gets %s on %s", name, topic)
		return
	}
	s.take(number, at)
}

func (v *victim) blame(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.faults) < 10 {
		v.faults = append(v.faults, fmt.Sprintf(format, args...))
	}
}

// listen is the victim's session, until ctx is done.
func (v *victim) listen(ctx context.Context) {
	s, err := caller{address: v.address, token: token(victimUser)}.dial(ctx)
	if err != nil {
		v.blame("the victim cannot connect: %v", err)
		return
	}
	defer s.close()
	for topic, config := range v.joins {
		if _, err := s.join(topic, config); err != nil {
			v.blame("the victim cannot join: %v", err)
			return
		}
	}
	var beating sync.WaitGroup
	beating.Go(func() { s.heartbeat(ctx) })
	for {
		f, err := s.next()
		if err == nil {
			err = v.take(f, time.Now())
		}
		if err != nil {
			if ctx.Err() == nil {
				v.blame("the victim's session ended: %v", err)
				s.close()
			}
			break
		}
	}
	beating.Wait()
}

// take notes what a frame says. An error ends the session.
func (v *victim) take(f frame, at time.Time) error {
	switch f.event {
	case "postgres_changes":
		return v.row(f, at)
	case "broadcast":
		return v.spoken(f, at)
	case "presence_diff":
		return v.present(f, at)
	case "system", "phx_reply":
		return v.told(f)
	case "phx_error", "phx_close":
		v.blame("the victim's channel %s gets %s", f.topic, f.event)
	}
	return nil
}

func (v *victim) row(f frame, at time.Time) error {
	var p struct {
		Data struct {
			Table  string
			Record struct{ ID int }
		}
	}
	if err := json.Unmarshal(f.payload, &p); err != nil {
		return fmt.Errorf("read row: %w", err)
	}
	v.received(f.topic, p.Data.Table, p.Data.Record.ID, at)
	return nil
}

func (v *victim) spoken(f frame, at time.Time) error {
	var p struct{ Payload struct{ N int } }
	if err := json.Unmarshal(f.payload, &p); err != nil {
		return fmt.Errorf("read broadcast: %w", err)
	}
	v.received(f.topic, broadcasts, p.Payload.N, at)
	return nil
}

func (v *victim) present(f frame, at time.Time) error {
	var p struct {
		Joins map[string]struct{ Metas []struct{ N int } }
	}
	if err := json.Unmarshal(f.payload, &p); err != nil {
		return fmt.Errorf("read presence: %w", err)
	}
	for _, metas := range p.Joins {
		for _, m := range metas.Metas {
			if m.N > 0 {
				v.received(f.topic, presence, m.N, at)
			}
		}
	}
	return nil
}

// told is an answer or what the server says of a channel: as the victim harms
// nobody, it must be told nothing but success.
func (v *victim) told(f frame) error {
	var p struct{ Status, Message string }
	if err := json.Unmarshal(f.payload, &p); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	switch {
	case p.Status != "ok":
		v.blame("the victim's channel %s is told %.300s", f.topic, f.payload)
	case f.event == "system" || f.topic == "realtime:"+lobby:
		v.ready <- f.topic
	}
	return nil
}

// befriend is the friend: broadcasts and presence in the lobby, until ctx is done.
func (v *victim) befriend(ctx, speaking context.Context) {
	s, err := caller{address: v.address, token: token(speakerUser)}.dial(ctx)
	if err != nil {
		v.blame("the friend cannot connect: %v", err)
		return
	}
	defer s.close()
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			if _, err := s.next(); err != nil {
				if ctx.Err() == nil {
					v.blame("the friend's session ended: %v", err)
				}
				return
			}
		}
	})
	reading.Go(func() { s.heartbeat(ctx) })
	if err := v.speak(speaking, s); err != nil {
		v.blame("the friend cannot speak: %v", err)
	}
	<-ctx.Done() // a member that leaves is no longer present
	reading.Wait()
}

func (v *victim) speak(ctx context.Context, s *socket) error {
	ref, err := s.join(lobby, map[string]any{"presence": map[string]any{"key": "friend"}})
	if err != nil {
		return err
	}
	due := time.Now()
	for program.Wait(ctx, speakEvery) {
		message := map[string]any{"type": "broadcast", "event": "word", "payload": map[string]any{"n": v.number(broadcasts)}}
		if _, err := s.send(ref, "realtime:"+lobby, "broadcast", message); err != nil {
			return err
		}
		if time.Now().Before(due) {
			continue
		}
		due = time.Now().Add(presenceEvery)
		message = map[string]any{"type": "presence", "event": "track", "payload": map[string]any{"n": v.number(presence)}}
		if _, err := s.send(ref, "realtime:"+lobby, "presence", message); err != nil {
			return err
		}
	}
	return nil
}

// number is the next of a stream, which is sent now.
func (v *victim) number(name string) int {
	n := v.begin(name)
	v.done(name, n)
	return n
}
