package resume

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"walcast/replication/changelog"
)

// pair are two servers of one database that know of each other.
func pair(t *testing.T) (a, b *run) {
	dir := t.TempDir()
	a, b = start(t, filepath.Join(dir, "a"), changelog.CodeSlotMissing), start(t, filepath.Join(dir, "b"), changelog.CodeSlotMissing)
	a.Meet("b", true, noon, noon.Add(time.Hour))
	b.Meet("a", true, noon, noon.Add(time.Hour))
	return a, b
}

// tell brings to one server what another announces.
func tell(from, to *run, now time.Time) (messages int) {
	for {
		clients, due := from.Announcement(now)
		if !due {
			return messages
		}
		messages++
		to.Elsewhere(clients, now)
	}
}

func TestAClientThatAnotherServerKnowsIsToldOnceAndANewOneIsNot(t *testing.T) {
	a, b := pair(t)
	known(t, a.Clients, of("early"), Known{}).Leave(noon)
	known(t, a.Clients, of("here"), Known{})
	tell(a, b, noon)
	known(t, b.Clients, of("new"), Known{})
	known(t, b.Clients, Key{Client: "here", Topic: "realtime:room", Private: true}, Known{}) // is not what a knows
	for _, name := range []string{"early", "here"} {
		moved := known(t, b.Clients, of(name), Known{Memory: Forgotten})
		moved.prove(0, at(3), 0)
		moved.Leave(noon)
		known(t, b.Clients, of(name), Known{Memory: Remembered, Proven: at(3)})
	}
	if topics, bytes := b.elsewhere(); topics != 0 || bytes != 0 {
		t.Errorf("%d topics of %d bytes are elsewhere when all have come here", topics, bytes)
	}
}

func TestAClientThatGoesBackAndForthIsToldWhereItWasNot(t *testing.T) {
	a, b := pair(t)
	onA := known(t, a.Clients, of("c"), Known{})
	onA.prove(0, at(2), 0)
	onA.Leave(noon)
	tell(a, b, noon)
	onB := known(t, b.Clients, of("c"), Known{Memory: Forgotten})
	onB.prove(0, at(3), 0)
	onB.Discard()
	known(t, b.Clients, of("c"), Known{}) // it was done with the topic, and nobody has seen it since
	tell(b, a, noon)
	known(t, a.Clients, of("c"), Known{Memory: Remembered, Proven: at(2)}).Leave(noon) // a goes on where it was
	tell(a, b, noon)
	b.Take(of("c"), Fingerprint{1}, Found{}, noon)
	tell(b, a, noon)
	if _, got := a.Take(of("c"), Fingerprint{2}, Found{}, noon); got.Memory != Forgotten {
		t.Errorf("with other bindings, after it was elsewhere, the client is %v; want forgotten", got.Memory)
	}
}

func TestASubjectThatATokenChangesIsAnnounced(t *testing.T) {
	a, b := pair(t)
	tell(a, b, noon)
	known(t, a.Clients, of("c"), Known{}).Rename("authenticated", "u1")
	tell(a, b, noon)
	renamed := of("c")
	renamed.Role, renamed.Sub = "authenticated", "u1"
	known(t, b.Clients, renamed, Known{Memory: Forgotten})
}

func TestAnnouncementsAreCutAndOneAnswersWhoBegins(t *testing.T) {
	a, b := pair(t)
	a.records.limit = 1 << 20
	if n := tell(a, b, noon); n != 1 {
		t.Errorf("%d messages of nobody; want 1: the answer to a server that begins", n)
	}
	for i := range 2500 {
		known(t, a.Clients, of(fmt.Sprint(i)), Known{}).Leave(noon)
	}
	for _, again := range []bool{false, true} {
		if n := tell(a, b, noon); n != 3 {
			t.Errorf("again %t: %d messages of 2500 clients; want 3", again, n)
		}
		if topics, _ := b.elsewhere(); topics != 2500 {
			t.Errorf("again %t: %d topics are elsewhere; want 2500", again, topics)
		}
		if isNew := a.Meet("b", true, noon, noon.Add(time.Hour)); isNew {
			t.Error("a server that begins anew is taken for a new one")
		}
	}
	a.AnnounceAll()
	if clients, due := a.Announcement(noon); !due || len(clients) != announceLimit {
		t.Errorf("after one was lost: %d clients, due %t; want all again", len(clients), due)
	}
}

func TestNothingIsAnnouncedToNobody(t *testing.T) {
	a := start(t, "", changelog.CodeSlotMissing)
	known(t, a.Clients, of("early"), Known{})
	if clients, due := a.Announcement(noon); due {
		t.Errorf("without others %d clients are announced", len(clients))
	}
	a.Meet("b", true, noon, noon.Add(time.Minute))
	a.Announcement(noon)
	a.Expire(noon.Add(time.Minute))
	known(t, a.Clients, of("late"), Known{})
	if clients, due := a.Announcement(noon.Add(time.Minute)); due {
		t.Errorf("after the other has gone %d clients are announced", len(clients))
	}
	if isNew := a.Meet("b", false, noon.Add(time.Minute), noon.Add(time.Hour)); !isNew {
		t.Error("a server that comes back is not taken for a new one")
	}
	if clients, _ := a.Announcement(noon.Add(time.Minute)); len(clients) != 2 {
		t.Errorf("%d clients are announced to who comes back; want both", len(clients))
	}
}

func TestWhoStaysForLongIsAnnouncedAgainBeforeOthersForget(t *testing.T) {
	a, b := pair(t)
	b.Announcement(noon)
	known(t, a.Clients, of("stays"), Known{})
	for minute := range 300 { // five times as long as one is remembered that is away
		now := noon.Add(time.Duration(minute) * time.Minute)
		a.Meet("b", false, now, now.Add(time.Hour))
		a.Expire(now)
		b.Expire(now)
		tell(a, b, now)
		if topics, _ := b.elsewhere(); topics != 1 {
			t.Fatalf("after %d minutes %d clients are elsewhere; want the one that stays", minute, topics)
		}
	}
	b.Expire(noon.Add(8 * time.Hour))
	if topics, _ := b.elsewhere(); topics != 0 {
		t.Errorf("%d clients are elsewhere long after the last announcement; want none", topics)
	}
}

func TestTooManyClientsElsewhereAreForgottenAndWhoIsNotKnownIsTold(t *testing.T) {
	a := start(t, "", changelog.CodeSlotMissing)
	a.records.peers.maxBytes = 100 * elsewhereSize
	for client := range uint64(100) {
		if a.Elsewhere([]uint64{client}, noon) {
			t.Fatalf("forgotten with %d", client)
		}
	}
	known(t, a.Clients, of("new"), Known{})
	if !a.Elsewhere([]uint64{100, 101}, noon) {
		t.Error("none are forgotten when there are too many")
	}
	if _, bytes := a.elsewhere(); bytes > 100*elsewhereSize {
		t.Errorf("%d bytes are kept; want %d at most", bytes, 100*elsewhereSize)
	}
	known(t, a.Clients, of("newer"), Known{Memory: Forgotten})
}

func TestWhatWaitsWhileNothingCanBeWrittenIsBounded(t *testing.T) {
	a, b := pair(t)
	tell(a, b, noon)
	for i := range 10 * announceLimit {
		a.Take(of(fmt.Sprint(i)), Fingerprint{}, Found{}, noon)
		a.records.clear() // as clients leave for good
	}
	if n := len(a.records.peers.waiting); n > 3*announceLimit {
		t.Errorf("%d clients wait to be announced, of none that are known", n)
	}
}

func TestARestartKeepsWhichClientsAreElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients")
	a := start(t, path, changelog.CodeSlotMissing)
	digests := make([]uint64, 0, 2500)
	for i := range cap(digests) {
		digests = append(digests, of(fmt.Sprint(i)).ID().digest())
	}
	a.Elsewhere(digests, noon)
	later := noon.Add(time.Hour)
	a.Elsewhere(digests[:1100], later)
	a.stop()
	a = start(t, path, "")
	if topics, _ := a.elsewhere(); topics != len(digests) {
		t.Errorf("%d topics are elsewhere after a restart; want %d", topics, len(digests))
	}
	known(t, a.Clients, of("new"), Known{})
	known(t, a.Clients, of("7"), Known{Memory: Forgotten})
	a.Expire(noon.Add(2 * time.Hour)) // those that were announced at noon alone are over
	if topics, _ := a.elsewhere(); topics != 1099 {
		t.Errorf("%d topics are elsewhere later; want 1099", topics)
	}
}

// TestAllVersionsHaveTheSameDigests would fail if servers of two versions did not
// understand each other.
func TestAllVersionsHaveTheSameDigests(t *testing.T) {
	keys := []Key{
		{Client: "c", Topic: "realtime:room", Role: "anon", Sub: "u"},
		{Client: "c", Topic: "realtime:room", Role: "anon", Sub: "u", Private: true},
		{Client: "cr", Topic: "ealtime:room", Role: "anon", Sub: "u"},
	}
	var got []uint64
	for _, k := range keys {
		got = append(got, k.ID().digest())
	}
	want := []uint64{0xddbfad8c141be658, 0x2ac91c72ae63158e, 0x4b8d34c45b2c39f8}
	if !slices.Equal(got, want) {
		t.Errorf("digests are %#x; want %#x", got, want)
	}
}
