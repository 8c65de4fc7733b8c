package presence

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"walcast/protocol"
)

func TestAMemberHearsWhoIsPresentAndThenWhatChanges(t *testing.T) {
	inLobby(t, RoomsConfig{}, func(l *lobby) {
		ann := l.appear(MemberConfig{Key: "ann", Watches: true}, `{"n":1}`)
		ann.wantHeard("state", "+ann:1")
		watcher := l.enter(MemberConfig{Watches: true})
		watcher.wantHeard("state", "=ann:1")
		ann.track(`{"n":2}`)
		watcher.wantHeard("+ann:2", "-ann:1")
		ann.track(`{"n":2}`) // changes nothing
		ann.Untrack()
		ann.wantHeard("+ann:2", "-ann:1", "-ann:2")
		watcher.wantHeard("-ann:2")
		ann.track(`{"n":3}`)
		ann.Leave(false)
		watcher.wantHeard() // it came and went before anybody was told
	})
}

// TestADiffIsOneFrameForAll checks the very bytes: a state has its channel's
// join_ref, a diff has none and is shared.
func TestADiffIsOneFrameForAll(t *testing.T) {
	inLobby(t, RoomsConfig{}, func(l *lobby) {
		first := l.enter(MemberConfig{Watches: true, Address: protocol.Address{JoinRef: `"7"`}})
		second := l.enter(MemberConfig{Watches: true})
		old := l.enter(MemberConfig{Watches: true, Address: protocol.Address{Version: protocol.V1}})
		l.enter(MemberConfig{Key: "ann"}).Track(json.RawMessage(`{"n":1}`), false)
		l.awaitFlush()
		a, b, c := first.take(), second.take(), old.take()
		if len(a) != 2 || len(b) != 2 || len(c) != 2 {
			t.Fatalf("%d, %d and %d frames; want the state and a diff each", len(a), len(b), len(c))
		}
		if got, want := string(a[0].Payload()), `["7",null,"realtime:crowd","presence_state",{}]`; got != want {
			t.Errorf("state = %s; want %s", got, want)
		}
		want := `[null,null,"realtime:crowd","presence_diff",{"joins":{"ann":{"metas":[{"phx_ref":`
		if got := string(a[1].Payload()); !strings.HasPrefix(got, want) {
			t.Errorf("diff = %s; want %s…", got, want)
		}
		if a[1] != b[1] || b[1] == c[1] {
			t.Error("diffs: want one frame for each version, shared by its members")
		}
	})
}

func TestWhoNeitherWatchesNorTracksIsInNoRoom(t *testing.T) {
	inLobby(t, RoomsConfig{Grace: time.Minute}, func(l *lobby) {
		silent := l.enter(MemberConfig{Key: "ann"})
		silent.Untrack()
		l.wantRooms(0)
		silent.Track(json.RawMessage(`{"n":1}`), false)
		l.wantRooms(1)
		silent.wantHeard()
		silent.track(`{"n":2}`) // a member that tracks takes part
		silent.wantHeard("state", "=ann:1", "+ann:2", "-ann:1")
		silent.Leave(false)
		silent.Leave(true)
		l.wantRooms(0)
		if held, _ := silent.Track(json.RawMessage(`{"n":3}`), true); held {
			t.Error("Track after Leave is held back; want nothing done")
		}
		silent.wantHeard()
		l.wantRooms(0)
	})
}

func TestAMemberWatchesWhileItMay(t *testing.T) {
	inLobby(t, RoomsConfig{}, func(l *lobby) {
		watcher := l.enter(MemberConfig{})
		watcher.Watches(false)
		l.wantRooms(0)
		watcher.Watches(true)
		watcher.Watches(true)
		ann := l.appear(MemberConfig{Key: "ann"}, `{"n":1}`)
		watcher.wantHeard("state", "+ann:1")
		watcher.Watches(false)
		ann.track(`{"n":2}`)
		watcher.wantHeard()
		watcher.Watches(true)
		watcher.wantHeard("state", "=ann:2")
	})
}

func TestWhatIsAboveTheRateIsHeldBackAndTheLastOneCounts(t *testing.T) {
	inLobby(t, RoomsConfig{Rate: Rate{Events: 1, Window: 10 * time.Second}}, func(l *lobby) {
		watcher, ann := l.enter(MemberConfig{Watches: true}), l.enter(MemberConfig{Key: "ann"})
		for i, payload := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`} {
			if held, _ := ann.Track(json.RawMessage(payload), false); held != (i > 0) {
				t.Errorf("Track(%s) held back = %t; want %t", payload, held, i > 0)
			}
		}
		watcher.wantHeard("state", "+ann:1")
		l.pass(10 * time.Second)
		watcher.wantHeard("+ann:3", "-ann:1")
		ann.Track(json.RawMessage(`{"n":4}`), false)
		ann.Untrack()
		l.pass(time.Minute)
		watcher.wantHeard("-ann:3")
		ann.Track(json.RawMessage(`{"n":5}`), false)
		ann.Track(json.RawMessage(`{"n":6}`), false)
		ann.Leave(false)
		l.pass(time.Minute)
		watcher.wantHeard()
	})
}

// TestAPayloadThatIsOvertakenIsNotWaitedFor: the next one passed at once, before
// the one that was held back was looked at.
func TestAPayloadThatIsOvertakenIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lobby{t, NewRooms(RoomsConfig{Rate: Rate{Events: 1, Window: time.Second}}, nil)} // does not run
		ann := l.enter(MemberConfig{Key: "ann"})
		for range 2 {
			ann.Track(json.RawMessage(`{"n":1}`), false)
		}
		<-time.After(2 * time.Second)
		if held, _ := ann.Track(json.RawMessage(`{"n":2}`), false); held {
			t.Fatal("held back; want that it passes")
		}
		if got := l.rooms.flusher.attend(time.Now()); got != time.Hour {
			t.Errorf("the next is due in %s; want that nothing is", got)
		}
	})
}

func TestAStormIsFewDiffs(t *testing.T) {
	const members = 1_000
	inLobby(t, RoomsConfig{}, func(l *lobby) {
		watcher := l.enter(MemberConfig{Watches: true})
		for range members { // 100 ms
			<-time.After(100 * time.Microsecond)
			l.enter(MemberConfig{}).Track(nil, false)
		}
		l.awaitFlush()
		frames, joins := watcher.take(), 0
		for _, f := range frames[1:] {
			_, payload := l.event(f)
			joins += len(decode[diffView](l, payload).Joins)
		}
		if joins != members || len(frames) > 20 {
			t.Errorf("%d joins in %d frames; want %d in 20 at most", joins, len(frames), members)
		}
	})
}

// TestHeldPayloadsAreTrackedDuringAStorm: a flush each few milliseconds is no
// reason to leave what is due until it is over.
func TestHeldPayloadsAreTrackedDuringAStorm(t *testing.T) {
	inLobby(t, RoomsConfig{Rate: Rate{Events: 1, Window: 100 * time.Millisecond}}, func(l *lobby) {
		watcher, ann := l.enter(MemberConfig{Watches: true}), l.appear(MemberConfig{Key: "ann"}, `{"n":1}`)
		ann.track(`{"n":2}`)
		for range 1_000 {
			<-time.After(time.Millisecond)
			l.enter(MemberConfig{Key: "others"}).Track(nil, false)
		}
		synctest.Wait()
		frames := watcher.take()
		told := func(f *protocol.Frame) bool { return strings.Contains(string(f.Payload()), `"n":2`) }
		for i, f := range frames {
			if told(f) && i < len(frames)/2 {
				return
			}
		}
		t.Errorf("none of the first half of %d frames has what was held back for 100 ms", len(frames))
	})
}

func TestRoomsOfOneNameArePublicOrPrivate(t *testing.T) {
	inLobby(t, RoomsConfig{}, func(l *lobby) {
		l.appear(MemberConfig{Key: "ann"}, `{"n":1}`)
		l.awaitFlush()
		if got := string(l.rooms.State(l.Context(), crowded)); !strings.Contains(got, `"ann":{"metas":[`) {
			t.Errorf("State = %s; want ann", got)
		}
		if got := string(l.rooms.State(l.Context(), protocol.Topic{Name: crowded.Name, Private: true})); got != "{}" {
			t.Errorf("State of the private topic = %s; want {}", got)
		}
	})
}

// TestAMemberMayLeaveWhileItTracks as when its token expires in the middle.
func TestAMemberMayLeaveWhileItTracks(t *testing.T) {
	inLobby(t, RoomsConfig{Rate: Rate{Events: 1, Window: time.Millisecond}}, func(l *lobby) {
		var wait sync.WaitGroup
		for range 500 {
			g := l.enter(MemberConfig{Key: "ann", Client: "tab"})
			wait.Go(func() {
				for range 3 {
					g.track(`{"n":1}`)
					g.track(`{"n":2}`)
					g.Untrack()
				}
			})
			wait.Go(func() { g.Leave(false) })
		}
		wait.Wait()
		l.awaitFlush()
		l.wantRooms(0)
	})
}
