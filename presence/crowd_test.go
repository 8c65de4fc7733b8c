package presence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/protocol"
)

// TestFiveHundredMembersAgreeOnWhoIsPresent lets 500 members enter, track, change
// and leave at random, some by dying. In the end all that are left see the same,
// which is what is there.
func TestFiveHundredMembersAgreeOnWhoIsPresent(t *testing.T) {
	agree(t, RoomsConfig{Rate: Rate{Events: 20, Window: time.Second}}, 500)
}

// TestMembersWithAGraceTimeAgreeOnWhoIsPresent lets those who died come back in
// time, as often as not, or as somebody else with their key.
func TestMembersWithAGraceTimeAgreeOnWhoIsPresent(t *testing.T) {
	agree(t, RoomsConfig{Grace: 20 * time.Millisecond, Rate: Rate{Events: 2, Window: 20 * time.Millisecond}}, 200)
}

func agree(t *testing.T, config RoomsConfig, members int) {
	inLobby(t, config, func(l *lobby) {
		left := make([]*guest, members)
		var wait sync.WaitGroup
		for i := range members {
			wait.Go(func() { left[i] = l.roam(i, members) })
		}
		wait.Wait()
		l.pass(time.Minute)
		l.wantGrace(0)
		want := refsIn(decode[view](l, l.rooms.State(l.Context(), crowded)))
		if len(want["k1"]) == 0 {
			l.Errorf("nobody is present: %v", want)
		}
		left = slices.DeleteFunc(left, func(one *guest) bool { return one == nil })
		reads := &reader{l, map[*protocol.Frame]diffView{}}
		for _, one := range left {
			if diff := cmp.Diff(want, reads.sees(one)); diff != "" {
				l.Fatalf("a member sees other presences than there are (-there +seen):\n%s", diff)
			}
		}
		for _, one := range left {
			one.Leave(false)
		}
		l.wantRooms(0)
	})
}

// roam has a member track, change and leave at random; it returns the member, nil
// if it has left.
func (l *lobby) roam(i, members int) (one *guest) {
	const steps = 8
	random := rand.New(rand.NewPCG(1, uint64(i)))
	for n := range steps {
		<-time.After(time.Duration(random.IntN(10_000)) * time.Microsecond)
		if one == nil {
			client := ""
			if random.IntN(2) == 0 {
				client = fmt.Sprint("tab ", i)
			}
			one = l.enter(MemberConfig{Key: fmt.Sprintf("k%d", i%(members*3/5)), Client: client, Watches: true})
		}
		switch random.IntN(6) {
		case 0, 1, 2:
			one.track(fmt.Sprintf(`{"n":%d}`, n))
		case 3:
			one.Untrack()
		case 4:
			one.Untrack()
			one.Leave(false)
			one = nil
		case 5: // the socket dies
			one.Leave(true)
			one = nil
		}
	}
	return one
}

// refsOf is the refs of the metas that are present, by key.
type refsOf map[string]map[string]bool

func refsIn(v view) refsOf {
	out := refsOf{}
	for key, one := range v {
		out.join(key, one)
	}
	return out
}

func (r refsOf) join(key string, one *metasOf) {
	if r[key] == nil {
		r[key] = map[string]bool{}
	}
	for _, meta := range one.Metas {
		r[key][meta["phx_ref"].(string)] = true
	}
}

// leave reports whether all of the metas were there.
func (r refsOf) leave(key string, one *metasOf) (all bool) {
	all = true
	for _, meta := range one.Metas {
		ref := meta["phx_ref"].(string)
		all = all && r[key][ref]
		delete(r[key], ref)
	}
	if len(r[key]) == 0 {
		delete(r, key)
	}
	return all
}

// reader reads diffs, each once for all members that got it.
type reader struct {
	*lobby
	diffs map[*protocol.Frame]diffView
}

// sees is the state of a client that starts from presence_state and applies
// the diffs.
func (r *reader) sees(g *guest) (state refsOf) {
	r.Helper()
	for _, f := range g.take() {
		diff, known := r.diffs[f]
		if !known {
			event, payload := r.event(f)
			if event == protocol.EventPresenceState {
				state = refsIn(decode[view](r, payload))
				continue
			}
			diff = decode[diffView](r, payload)
			r.diffs[f] = diff
		}
		if state == nil {
			r.Fatalf("a diff before the state: %v", diff)
		}
		for key, one := range diff.Joins {
			state.join(key, one)
		}
		for key, one := range diff.Leaves {
			if !state.leave(key, one) {
				r.Fatalf("%s left as %v, which a member did not have", key, one)
			}
		}
	}
	return state
}
