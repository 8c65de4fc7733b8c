package channels

import (
	"testing"
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// at is a standing of one history.
func at(lsn wal.LSN) changelog.Standing {
	return changelog.Standing{History: changelog.History{System: "1", Slot: "walcast"}, Position: wal.Position{LSN: lsn}}
}

func of(client string) bookmarkKey { return bookmarkKey{Client: client, Topic: "realtime:room"} }

// visited is a client that came, proved that it has everything up to lsn, and left.
func visited(s *bookmarks, client string, lsn wal.LSN, now time.Time) {
	owner := &channel{}
	b, _ := s.take(of(client), fingerprint{}, owner, now)
	b.start(owner, at(1))
	b.prove(owner, at(lsn), 0)
	s.release(b, owner, now)
}

func TestBookmarksAreBoundedAndWhatIsDroppedIsNotTakenForNew(t *testing.T) {
	for _, test := range []struct {
		name         string
		limit, bytes int
		want         []memory // of clients a, b, c and of one that never came
	}{
		{"number", 2, 1 << 20, []memory{forgotten, remembered, remembered, forgotten}},
		{"bytes", 10, 900, []memory{forgotten, remembered, remembered, forgotten}},
		{"room for all", 3, 1 << 20, []memory{remembered, remembered, remembered, fresh}},
	} {
		s := newBookmarks(test.limit, test.bytes, time.Hour)
		for i, client := range []string{"a", "b", "c"} {
			visited(s, client, 10, noon.Add(time.Duration(i)*time.Second))
		}
		for i, client := range []string{"a", "b", "c", "d"} {
			if _, got := s.take(of(client), fingerprint{}, &channel{}, noon.Add(time.Minute)); got != test.want[i] {
				t.Errorf("%s: client %s is %v; want %v", test.name, client, got, test.want[i])
			}
		}
		if s.size != 0 || s.away.Len() != 0 {
			t.Errorf("%s: %d bookmarks of %d bytes are away when everybody is here", test.name, s.away.Len(), s.size)
		}
	}
}

func TestBookmarksExpire(t *testing.T) {
	s := newBookmarks(10, 1<<20, time.Hour)
	visited(s, "a", 10, noon)
	if _, got := s.take(of("a"), fingerprint{}, &channel{}, noon.Add(time.Hour+time.Second)); got != fresh {
		t.Errorf("after its time the client is %v; want fresh", got)
	}
	if len(s.byKey) != 1 {
		t.Errorf("%d bookmarks are left; want that of the client alone", len(s.byKey))
	}
}

func TestBlindnessEnds(t *testing.T) {
	s := newBookmarks(10, 1<<20, time.Hour)
	s.blind = noon
	for i, want := range []memory{forgotten, fresh} {
		now := noon.Add(time.Duration(2*i-1) * time.Second)
		if _, got := s.take(of(now.String()), fingerprint{}, &channel{}, now); got != want {
			t.Errorf("a client at %s is %v; want %v", now, got, want)
		}
	}
}

func TestWhatAnEarlierRunHasLeftHoldsForTheSameBindingsOnly(t *testing.T) {
	for _, test := range []struct {
		name     string
		bindings fingerprint
		blind    time.Time
		want     memory
	}{
		{"same after a kill", fingerprint{1}, noon.Add(time.Hour), remembered},
		{"changed after a kill: perhaps before it", fingerprint{2}, noon.Add(time.Hour), forgotten},
		{"changed after a stop", fingerprint{2}, time.Time{}, fresh},
	} {
		s := newBookmarks(10, 1<<20, time.Hour)
		b := &bookmark{bookmarkKey: of("a"), bindings: fingerprint{1}, proven: at(10), kept: true, left: noon}
		s.byKey[b.bookmarkKey] = b
		s.store(b)
		s.blind = test.blind
		if _, got := s.take(of("a"), test.bindings, &channel{}, noon); got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
}

func TestOnlyTheOwnerProves(t *testing.T) {
	s := newBookmarks(10, 1<<20, time.Hour)
	first, second := &channel{}, &channel{}
	b, _ := s.take(of("a"), fingerprint{}, first, noon)
	b.start(first, at(1))
	if got, known := s.take(of("a"), fingerprint{}, second, noon); got != b || known != remembered {
		t.Fatalf("a second session found %p, %v; want %p, remembered", got, known, b)
	}
	b.prove(first, at(10), 0)
	s.release(b, first, noon)
	s.discard(b, first)
	if b.proven != at(1) || b.owner != second || s.byKey[of("a")] != b {
		t.Errorf("the first session still moved the bookmark to %v, of %p", b.proven, b.owner)
	}
}

func TestABookmarkFollowsItsChannelToAnotherSubject(t *testing.T) {
	s := newBookmarks(10, 1<<20, time.Hour)
	owner := &channel{}
	b, _ := s.take(of("a"), fingerprint{}, owner, noon)
	b.start(owner, at(1))
	s.rename(b, owner, "authenticated", "u1")
	s.release(b, owner, noon)
	if _, got := s.take(of("a"), fingerprint{}, &channel{}, noon); got != fresh {
		t.Errorf("the former subject is %v; want fresh", got)
	}
	key := of("a")
	key.Role, key.Sub = "authenticated", "u1"
	if _, got := s.take(key, fingerprint{}, &channel{}, noon); got != remembered {
		t.Errorf("the new subject is %v; want remembered", got)
	}
}

func TestFingerprintsTellWhatIsSelectedNotWhereItResumes(t *testing.T) {
	a := protocol.Binding{Event: "INSERT", Schema: "public", Table: "a"}
	b := protocol.Binding{Event: "*", Schema: "public", Table: "b", Filter: "id=eq.1"}
	resumed := a
	resumed.ResumeFrom, resumed.Raw = "0/1:0", []byte("{}")
	want := fingerprintOf([]protocol.Binding{a, b})
	for name, same := range map[string][]protocol.Binding{"order": {b, a}, "resume": {resumed, b}} {
		if fingerprintOf(same) != want {
			t.Errorf("bindings that differ in %s have another fingerprint", name)
		}
	}
	filtered := a
	filtered.Filter = "id=eq.2"
	for name, other := range map[string][]protocol.Binding{"fewer": {a}, "filter": {filtered, b}, "twice": {a, a, b}} {
		if fingerprintOf(other) == want {
			t.Errorf("%s: other bindings have the same fingerprint", name)
		}
	}
}

func TestALedgerKeepsTheOldestPingsOfASlowClient(t *testing.T) {
	s := &Session{ledger: &ledger{}}
	first := s.Mark()
	for range 3 * markLimit {
		s.Mark()
	}
	last := s.Mark()
	if n := len(s.ledger.marks); n != markLimit {
		t.Errorf("%d pings are noted; want %d", n, markLimit)
	}
	if s.ledger.settle(first); len(s.ledger.marks) != markLimit-1 {
		t.Error("the oldest ping was forgotten")
	}
	if s.ledger.settle("forged"); len(s.ledger.marks) != markLimit-1 {
		t.Error("a pong that answers no ping had an effect")
	}
	if s.ledger.settle(last); len(s.ledger.marks) != 0 {
		t.Error("a pong has not settled the pings before its own")
	}
}
