package channels

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/presence"
	"walcast/protocol"
)

// follower is an Outbox that does with presence what a client does: it starts
// from presence_state and applies the diffs.
type follower struct {
	mu    sync.Mutex
	came  []*protocol.Frame          // not read yet: Push must be quick
	state map[string]map[string]bool // refs by key
	fault string
}

type metas map[string]struct {
	Metas []struct {
		Ref string `json:"phx_ref"`
	}
}

func (f *follower) Close(int, string) {}

func (f *follower) Push(frame *protocol.Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.came = append(f.came, frame)
}

// apply does what a client does with a frame.
func (f *follower) apply(frame *protocol.Frame) {
	var parts [5]json.RawMessage
	f.read(frame.Payload(), &parts)
	switch string(parts[3]) {
	case `"presence_state"`:
		f.state = map[string]map[string]bool{}
		var state metas
		f.read(parts[4], &state)
		f.join(state)
	case `"presence_diff"`:
		var diff struct{ Joins, Leaves metas }
		f.read(parts[4], &diff)
		if f.state == nil {
			f.fault = "a diff before the state"
			return
		}
		f.join(diff.Joins)
		f.leave(diff.Leaves)
	}
}

func (f *follower) read(raw []byte, to any) {
	if err := json.Unmarshal(raw, to); err != nil {
		f.fault = err.Error()
	}
}

func (f *follower) join(m metas) {
	for key, one := range m {
		if f.state[key] == nil {
			f.state[key] = map[string]bool{}
		}
		for _, meta := range one.Metas {
			f.state[key][meta.Ref] = true
		}
	}
}

func (f *follower) leave(m metas) {
	for key, one := range m {
		for _, meta := range one.Metas {
			if !f.state[key][meta.Ref] {
				f.fault = fmt.Sprintf("%s left %s, which it did not have", key, meta.Ref)
			}
			delete(f.state[key], meta.Ref)
		}
		if len(f.state[key]) == 0 {
			delete(f.state, key)
		}
	}
}

func (f *follower) sees() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, frame := range f.came {
		f.apply(frame)
	}
	f.came = nil
	encoded, _ := json.Marshal(f.state) // maps encode sorted
	return f.fault + string(encoded)
}

// TestFiveHundredMembersAgreeOnWhoIsPresent lets 500 members join, track, change
// and leave at random, some by dying. In the end all that are left see the same,
// which is what is there.
func TestFiveHundredMembersAgreeOnWhoIsPresent(t *testing.T) {
	agree(t, DefaultConfig(), 500)
}

// TestMembersWithAGraceTimeAgreeOnWhoIsPresent lets those who died come back in
// time, as often as not, or as somebody else with their key.
func TestMembersWithAGraceTimeAgreeOnWhoIsPresent(t *testing.T) {
	config := DefaultConfig()
	config.PresenceGrace = 20 * time.Millisecond
	config.PresenceRate = presence.Rate{Events: 2, Window: 20 * time.Millisecond}
	agree(t, config, 200)
}

func agree(t *testing.T, config Config, members int) {
	f := newFixture(t, config)
	left := make([]*follower, members)
	signed := token(t, "anon", "", time.Hour)
	var wait sync.WaitGroup
	for i := range members {
		wait.Go(func() { left[i] = f.roam(i, members, signed) })
	}
	wait.Wait()
	deadline := time.Now().Add(4 * patient)
	differs := func(one *follower) bool { return one != nil && one.sees() != present(f.hub) }
	for ; slices.ContainsFunc(left, differs) || f.hub.beat.haunts(); <-time.After(time.Millisecond) {
		if time.Now().Before(deadline) {
			continue
		}
		i := slices.IndexFunc(left, differs)
		if i < 0 {
			t.Fatal("a ghost does not go")
		}
		t.Fatalf("a member sees other presences than there are (-there +seen):\n%s", cmp.Diff(present(f.hub), left[i].sees()))
	}
	if want := present(f.hub); !strings.Contains(want, "k1") {
		t.Errorf("nobody is present: %s", want)
	}
}

// roam is a member's life; it returns what is left of it, nil for nothing.
func (f *fixture) roam(i, members int, signed string) (one *follower) {
	const steps = 8
	t, random := f.T, rand.New(rand.NewPCG(1, uint64(i)))
	var session *Session
	for n := range steps {
		if session == nil {
			client := ""
			if random.IntN(2) == 0 {
				client = fmt.Sprint("tab ", i)
			}
			one = &follower{}
			session = f.hub.Open(one, Identity{Version: protocol.V2, Token: signed, ClientID: client})
			handle(t, session, protocol.EventJoin, fmt.Sprintf(`{"config":{"presence":{"key":"k%d"}}}`, i%(members*3/5)))
		}
		switch random.IntN(6) {
		case 0, 1, 2:
			handle(t, session, protocol.EventPresence, fmt.Sprintf(`{"type":"presence","event":"track","payload":{"n":%d}}`, n))
		case 3:
			handle(t, session, protocol.EventPresence, `{"type":"presence","event":"untrack"}`)
		case 4:
			handle(t, session, protocol.EventLeave, `{}`)
			fallthrough
		case 5: // the socket dies
			session.Close()
			session, one = nil, nil
		}
	}
	if session != nil {
		t.Cleanup(session.Close)
	}
	return one
}

// haunts reports whether anybody has a ghost.
func (b *beat) haunts() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ghosts > 0 || b.ghostBytes != 0
}

// handle sends an event on the topic of the crowd.
func handle(t *testing.T, s *Session, event, payload string) {
	s.Handle(t.Context(), protocol.Message{
		JoinRef: `"1"`, Ref: `"2"`, Topic: "realtime:crowd", Event: event, Payload: []byte(payload),
	})
}

// present is who is present, in the form of sees.
func present(h *Hub) string {
	f := follower{state: map[string]map[string]bool{}}
	var state metas
	f.read(h.Present("crowd", false), &state)
	f.join(state)
	return f.sees()
}
