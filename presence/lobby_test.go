package presence

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"walcast/protocol"
)

// lobby is running rooms in fake time.
type lobby struct {
	*testing.T
	rooms *Rooms
}

var crowded = protocol.Topic{Name: "realtime:crowd"}

// inLobby plays a story while rooms run.
func inLobby(t *testing.T, config RoomsConfig, story func(*lobby)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lobby{t, NewRooms(config, nil)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.rooms.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run = %v; want nil", err)
			}
		}()
		story(l)
	})
}

// pass lets fake time pass, and what is due happen.
func (l *lobby) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// awaitFlush lets the time pass that a flush takes.
func (l *lobby) awaitFlush() { l.pass(time.Second) }

// guest is a member with its outbox.
type guest struct {
	*lobby
	*Member
	mu     sync.Mutex
	frames []*protocol.Frame
}

func (g *guest) Push(f *protocol.Frame) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.frames = append(g.frames, f)
}

// take returns the frames that came since the last time.
func (g *guest) take() []*protocol.Frame {
	g.mu.Lock()
	defer g.mu.Unlock()
	frames := g.frames
	g.frames = nil
	return frames
}

// enter has a member of the crowd enter.
func (l *lobby) enter(c MemberConfig) *guest {
	g := &guest{lobby: l}
	c.Address = protocol.Address{
		Version: cmp.Or(c.Address.Version, protocol.V2), Topic: crowded.Name, JoinRef: cmp.Or(c.Address.JoinRef, `"1"`),
	}
	c.Outbox = g
	g.Member = l.rooms.Member(crowded, c)
	g.Settle(l.Context())
	g.Watches(c.Watches)
	return g
}

// appear has a member enter and track.
func (l *lobby) appear(c MemberConfig, payload string) *guest {
	g := l.enter(c)
	g.track(payload)
	return g
}

func (g *guest) track(payload string) { g.Track(json.RawMessage(payload), true) }

// event is the event and the payload of a frame of vsn 2.0.0.
func (l *lobby) event(f *protocol.Frame) (event string, payload json.RawMessage) {
	l.Helper()
	var parts [5]json.RawMessage
	if err := json.Unmarshal(f.Payload(), &parts); err != nil {
		l.Fatalf("frame %s: %v", f.Payload(), err)
	}
	if err := json.Unmarshal(parts[3], &event); err != nil {
		l.Fatalf("frame %s: %v", f.Payload(), err)
	}
	return event, parts[4]
}

// heard is what the frames say that came since the last time, once all is
// quiet: "=key:n" for a meta of a state, "+key:n" for one that joined,
// "-key:n" for one that left; each frame's sorted.
func (g *guest) heard() (said []string) {
	g.Helper()
	g.awaitFlush()
	for _, f := range g.take() {
		event, payload := g.event(f)
		if event == protocol.EventPresenceState {
			said = append(said, "state")
			said = append(said, spell("=", decode[view](g, payload))...)
			continue
		}
		diff := decode[diffView](g, payload)
		said = append(said, spell("+", diff.Joins)...)
		said = append(said, spell("-", diff.Leaves)...)
	}
	return said
}

func spell(sign string, of view) (said []string) {
	for key, one := range of {
		for _, meta := range one.Metas {
			said = append(said, fmt.Sprint(sign, key, ":", meta["n"]))
		}
	}
	slices.Sort(said)
	return said
}

// wantHeard compares what a member heard since the last time.
func (g *guest) wantHeard(want ...string) {
	g.Helper()
	if got := g.heard(); !slices.Equal(got, want) {
		g.Errorf("heard %q; want %q", got, want)
	}
}

// wantRooms compares how many rooms there are.
func (l *lobby) wantRooms(want int) {
	l.Helper()
	l.rooms.mu.Lock()
	defer l.rooms.mu.Unlock()
	if got := len(l.rooms.rooms); got != want {
		l.Errorf("%d rooms; want %d", got, want)
	}
}
