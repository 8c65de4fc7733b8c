package presence

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var graceful = RoomsConfig{Grace: time.Minute}

func TestWhoIsBackWithinTheGraceTimeWasNeverAway(t *testing.T) {
	inLobby(t, graceful, func(l *lobby) {
		watcher, ann := l.enter(MemberConfig{Watches: true}), l.appear(MemberConfig{Key: "ann"}, `{"n":1}`)
		watcher.wantHeard("state", "+ann:1")
		ann.Leave(true)
		l.pass(30 * time.Second)
		again := l.appear(MemberConfig{Key: "ann"}, `{"n":1}`)
		l.pass(time.Hour)
		watcher.wantHeard()
		again.Leave(false)
		watcher.wantHeard("-ann:1") // leaving on purpose ends it at once
	})
}

func TestWhoIsNotBackIsGoneAfterTheGraceTime(t *testing.T) {
	inLobby(t, graceful, func(l *lobby) {
		watcher, ann := l.enter(MemberConfig{Watches: true}), l.appear(MemberConfig{Key: "ann"}, `{"n":1}`)
		nameless := l.appear(MemberConfig{}, `{"n":2}`)
		bystander := l.enter(MemberConfig{Key: "bob", Watches: true})
		watcher.heard()
		for _, g := range []*guest{ann, nameless, bystander} {
			g.Leave(true)
		}
		if got := watcher.heard(); len(got) != 1 || !strings.HasSuffix(got[0], ":2") || got[0][0] != '-' {
			t.Errorf("heard %q; want that the one left whose key its client does not know", got)
		}
		l.pass(57 * time.Second)
		watcher.wantHeard() // takes a second, too
		watcher.wantHeard("-ann:1")
		watcher.Leave(true)
		l.wantRooms(0)
	})
}

func TestARoomGoesWithTheLastGraceTime(t *testing.T) {
	inLobby(t, graceful, func(l *lobby) {
		l.appear(MemberConfig{Key: "ann"}, `{"n":1}`).Leave(true)
		l.pass(59 * time.Second)
		l.wantRooms(1)
		l.pass(time.Second)
		l.wantRooms(0)
		l.appear(MemberConfig{Key: "ann", Client: "tab"}, `{"n":1}`).Leave(true)
		l.enter(MemberConfig{Key: "ann", Client: "tab"}).Untrack()
		l.wantRooms(0)
		l.wantGrace(0)
		if n := len(l.rooms.flusher.timed); n != 0 {
			t.Errorf("%d rooms that are gone have a time; want none", n)
		}
	})
}

// wantGrace compares how many members are in their grace time.
func (l *lobby) wantGrace(want int) {
	l.Helper()
	b := &l.rooms.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.members != want || want == 0 && b.bytes != 0 || b.bytes > graceBytes {
		l.Errorf("%d members of %d bytes in their grace time; want %d", b.members, b.bytes, want)
	}
}

func TestTabsOfOneKeyComeBackEachAsItself(t *testing.T) {
	for name, client := range map[string]func(string) string{
		"known by a client_id": func(id string) string { return id },
		"not known":            func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			inLobby(t, graceful, func(l *lobby) {
				watcher := l.enter(MemberConfig{Watches: true})
				payload := map[string]string{"a": `{"n":0}`, "b": `{"n":1}`, "c": `{"n":2}`}
				var tabs []*guest
				for _, id := range []string{"a", "b", "c"} {
					tabs = append(tabs, l.appear(MemberConfig{Key: "ann", Client: client(id)}, payload[id]))
				}
				watcher.wantHeard("state", "+ann:0", "+ann:1", "+ann:2")
				for _, tab := range tabs {
					tab.Leave(true)
				}
				for _, id := range []string{"c", "a", "b"} { // in another order
					l.appear(MemberConfig{Key: "ann", Client: client(id)}, payload[id])
				}
				watcher.wantHeard()
				l.wantGrace(0)
			})
		})
	}
}

func TestAnotherDeviceIsNotTakenForTheOneThatIsAway(t *testing.T) {
	inLobby(t, graceful, func(l *lobby) {
		watcher := l.enter(MemberConfig{Watches: true})
		l.appear(MemberConfig{Key: "ann", Client: "phone"}, `{"n":"phone"}`).Leave(true)
		watcher.wantHeard("state", "+ann:phone")
		l.appear(MemberConfig{Key: "ann", Client: "laptop"}, `{"n":"laptop"}`)
		l.appear(MemberConfig{Key: "ann", Client: "phone"}, `{"n":"phone"}`)
		watcher.wantHeard("+ann:laptop")
	})
}

func TestWhatWasTrackedLastIsPresentInTheGraceTime(t *testing.T) {
	config := RoomsConfig{Grace: time.Minute, Rate: Rate{Events: 1, Window: time.Hour}}
	inLobby(t, config, func(l *lobby) {
		watcher, ann := l.enter(MemberConfig{Watches: true}), l.appear(MemberConfig{Key: "ann"}, `{"n":1}`)
		watcher.wantHeard("state", "+ann:1")
		ann.track(`{"n":2}`) // above the rate
		ann.Leave(true)
		l.appear(MemberConfig{Key: "ann"}, `{"n":2}`)
		watcher.wantHeard("+ann:2", "-ann:1")
	})
}

// A client that comes back only to leave has left, though it has tracked nothing
// since.
func TestWhoComesBackAndLeavesIsGone(t *testing.T) {
	for _, watches := range []bool{true, false} {
		inLobby(t, graceful, func(l *lobby) {
			watcher := l.enter(MemberConfig{Watches: true})
			l.appear(MemberConfig{Key: "ann", Client: "tab"}, `{"n":1}`).Leave(true)
			watcher.wantHeard("state", "+ann:1")
			back := l.enter(MemberConfig{Key: "ann", Client: "tab", Watches: watches})
			back.Untrack()
			back.Leave(false)
			watcher.wantHeard("-ann:1")
		})
	}
}

func TestMembersInTheirGraceTimeAreBounded(t *testing.T) {
	inLobby(t, graceful, func(l *lobby) {
		const others = graceBytes - 3*memberBytes
		l.useGrace(0, others)
		payload := `{"n":"` + strings.Repeat("x", memberBytes-100) + `"}`
		for i := range 5 {
			l.appear(MemberConfig{Key: fmt.Sprint("ann ", i)}, payload).Leave(true)
		}
		l.wantGrace(2)
		l.useGrace(0, -others)
		l.pass(time.Minute)
		l.wantGrace(0)
		l.useGrace(graceMembers, 0)
		l.appear(MemberConfig{Key: "ann"}, `{"n":1}`).Leave(true)
		l.wantGrace(graceMembers)
	})
}

// useGrace takes up what members in their grace time may, as if in other rooms.
func (l *lobby) useGrace(members, bytes int) {
	b := &l.rooms.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members += members
	b.bytes += bytes
}
