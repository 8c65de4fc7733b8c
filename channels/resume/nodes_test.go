package resume

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"walcast/internal/nodes"
	"walcast/protocol"
)

// newNode are the clients of one node of a cluster. isSure says that others have vouched
// for what it knows.
func newNode(isSure bool) *Clients {
	c := NewClients(Config{Limit: 10, Memory: time.Hour, Shared: true}, func() string { return "" }, nil)
	if isSure {
		c.Vouch(time.Time{}, noon)
	}
	return c
}

func TestAClientOfAnotherNodeGoesOnWhereThatHasIt(t *testing.T) {
	told := func(change func(*Told)) *Told {
		t := &Told{ID: private("a").ID(), Bindings: Fingerprint{1}, Proven: at(7), Own: true}
		change(t)
		return t
	}
	same := func(*Told) {}
	for _, c := range []struct {
		name     string
		isUnsure bool
		found    Found
		want     Known
	}{
		{"nobody knows it", false, Found{Certain: true}, Known{}},
		{"nobody has said that he knows it", false, Found{}, Known{Memory: Forgotten}},
		{"this node may have known it", true, Found{Certain: true}, Known{Memory: Forgotten}},
		{"known", false, Found{Told: told(same), Heard: 9}, Known{Memory: Remembered, Proven: at(7), Heard: 9, Lacks: true}},
		{"known, and it lacks no broadcast", false, Found{Told: told(same), Quiet: true, Heard: 9}, Known{Memory: Remembered, Proven: at(7), Heard: 9}},
		{"of other bindings", false, Found{Told: told(func(t *Told) { t.Bindings = Fingerprint{2} }), Certain: true}, Known{}},
		{"of other bindings a while ago", false, Found{Told: told(func(t *Told) { t.Bindings, t.Own = Fingerprint{2}, false }), Certain: true}, Known{Memory: Forgotten}},
		{"a while ago", false, Found{Told: told(func(t *Told) { t.Own = false })}, Known{Memory: Remembered, Proven: at(7), Lacks: true}},
		{"it has to resync", false, Found{Told: told(func(t *Told) { t.Resync = true }), Certain: true}, Known{Memory: Forgotten}},
		{"it is somewhere", false, Found{Told: &Told{ID: private("a").ID(), Resync: true}, Certain: true}, Known{Memory: Forgotten}},
		{"its right is too old", false, Found{Told: told(func(t *Told) { t.Age = time.Minute }), Certain: true}, Known{Memory: Forgotten}},
	} {
		node := newNode(!c.isUnsure)
		node.records.rightAge = func() time.Duration { return 30 * time.Second }
		if _, got := node.Take(private("a"), Fingerprint{1}, c.found, noon); got != c.want {
			t.Errorf("%s: known as %+v; want %+v", c.name, got, c.want)
		}
	}
}

// TestTheNewerOfWhatARunHasLeftAndOthersKnowCounts for a client that is back.
func TestTheNewerOfWhatARunHasLeftAndOthersKnowCounts(t *testing.T) {
	for _, c := range []struct {
		left, told, want Known
	}{
		{Known{Proven: at(5)}, Known{Proven: at(7)}, Known{Memory: Remembered, Proven: at(7), Lacks: true}},
		{Known{Proven: at(7), Heard: 3}, Known{Proven: at(5)}, Known{Memory: Remembered, Proven: at(7), Heard: 3}},
	} {
		node := newNode(true)
		node.records.restore(&record{Key: of("a"), receipt: receipt{proven: c.left.Proven, heard: c.left.Heard}, left: noon, restored: true})
		if node.Knows(of("a")) {
			t.Error("what an earlier run has left is not compared with what others know")
		}
		if _, got := node.Take(of("a"), Fingerprint{}, Found{Told: &Told{Proven: c.told.Proven, Own: true}}, noon); got != c.want {
			t.Errorf("left %+v, told %+v: %+v; want %+v", c.left, c.told, got, c.want)
		}
		if !node.Knows(of("a")) {
			t.Error("a client that is here is asked for")
		}
	}
}

func TestWhoGoesToAnotherNodeIsThatOnes(t *testing.T) {
	c := newNode(true)
	c.config.Quiet = func(_ protocol.Topic, heard uint64) bool { return heard == 4 }
	b, _ := c.Take(private("a"), Fingerprint{1}, Found{Certain: true}, noon)
	b.Start(at(3))
	b.Listen(4)
	b.Allowed(noon)
	later := noon.Add(time.Second)
	given := c.Give(private("a").ID(), later)
	want := Told{
		ID: private("a").ID(), Bindings: Fingerprint{1}, Topic: nodes.Digest("realtime:room", true), Proven: at(3),
		Own: true, Quiet: true, Age: time.Second,
	}
	if given.Told == nil || *given.Told != want || given.Place != private("a").topic() || given.Heard != 4 || !given.At.IsZero() {
		t.Errorf("Give = %+v of %+v; want %+v", given, given.Told, want)
	}
	b.prove(0, at(9), 9)
	b.Leave(later)
	if c.Knows(private("a")) || b.Holds() {
		t.Error("a client that has gone is still this node's")
	}
	want.Own, want.Age = false, 3*time.Second
	if given := c.Give(private("a").ID(), noon.Add(3*time.Second)); given.Told == nil || *given.Told != want || !given.At.Equal(later) {
		t.Errorf("who asks then is told %+v of %s; want what was true when it went: %+v", given.Told, given.At, want)
	}
	if given := c.Give(of("unknown").ID(), noon); given.Told != nil {
		t.Errorf("of an unknown client %+v is told", given.Told)
	}
	if given := c.Copy(of("unknown").ID(), noon); given.Told == nil || !given.Resync {
		t.Errorf("of a client that has gone to another node %+v is known; want that it is somewhere", given.Told)
	}
}

func TestOthersAreToldWhatChanges(t *testing.T) {
	c := newNode(true)
	want := func(what string, want ...Told) {
		t.Helper()
		got := c.Untold(noon)
		slices.SortFunc(got, func(a, b *Told) int { return cmp.Compare(b.Proven.Position.LSN, a.Proven.Position.LSN) })
		if len(got) != len(want) {
			t.Errorf("%s: told %d; want %d", what, len(got), len(want))
			return
		}
		for i := range want {
			want[i].ID, want[i].Topic = got[i].ID, got[i].Topic
			if want[i].Bindings = got[i].Bindings; *got[i] != want[i] {
				t.Errorf("%s: told %+v; want %+v", what, got[i], want[i])
			}
		}
	}
	b, _ := c.Take(private("a"), Fingerprint{1}, Found{Certain: true}, noon)
	want("a client that joins", Told{Own: true})
	b.Start(at(1))
	b.prove(0, at(2), 0)
	want("what it has", Told{Own: true, Proven: at(2)})
	want("nothing")
	b.Bar()
	want("that it may not read", Told{Own: true, Proven: at(2), Resync: true})
	b.Admit()
	want("that it may again", Told{Own: true, Resync: true})
	b.prove(b.present(), at(3), 0)
	b.Rename("other", "")
	want("another subject", Told{Own: true, Proven: at(3)}, Told{Gone: true})
	b.Discard()
	want("that it has left for good", Told{Gone: true})
	c.Take(private("b"), Fingerprint{1}, Found{Certain: true}, noon)
	c.Give(private("b").ID(), noon)
	want("nothing of who is another node's")
}

// TestWhatIsToBeToldIsBounded, as while there is no bus: then all are told of who are there.
func TestWhatIsToBeToldIsBounded(t *testing.T) {
	c := newNode(true)
	c.Take(of("stays"), Fingerprint{1}, Found{Certain: true}, noon)
	for n := range untoldMost {
		b, _ := c.Take(of(fmt.Sprint(n)), Fingerprint{1}, Found{Certain: true}, noon)
		b.prove(0, at(1), 0)
		b.Discard()
	}
	if got := len(c.records.nodes.untold); got > untoldMost {
		t.Errorf("%d are noted; want %d at most", got, untoldMost)
	}
	if got := c.Untold(noon); len(got) != 1 || got[0].ID != of("stays").ID() || got[0].Gone {
		t.Errorf("told %d; want the one that is there", len(got))
	}
	if got := c.Untold(noon); len(got) != 0 {
		t.Errorf("told %d once more", len(got))
	}
}

func TestCopiesAreBounded(t *testing.T) {
	c := newCopies(10*copySize, time.Hour)
	for n := range 10 {
		if c.add(&Told{ID: of(fmt.Sprint(n)).ID(), Bindings: Fingerprint{1}, Own: true}, noon) {
			t.Errorf("%d are too many", n+1)
		}
	}
	for n, want := range map[int]bool{0: true, 9: true, 10: false} {
		if got, _ := c.told(of(fmt.Sprint(n)).ID(), noon); (got != nil) != want || got != nil && got.Own {
			t.Errorf("client %d is known as %+v", n, got)
		}
	}
	if !c.add(&Told{ID: of("one more").ID(), Bindings: Fingerprint{1}}, noon) || c.len() != 0 {
		t.Error("more than there is room for are kept")
	}
	c.add(&Told{ID: of("old").ID(), Bindings: Fingerprint{1}, Age: time.Second}, noon)
	c.add(&Told{ID: of("gone").ID(), Bindings: Fingerprint{1}}, noon)
	c.add(&Told{ID: of("gone").ID(), Gone: true}, noon)
	if got, _ := c.told(of("gone").ID(), noon); got != nil {
		t.Error("who has left for good is kept")
	}
	c.add(&Told{ID: of("old").ID(), Resync: true}, noon) // it is somewhere else
	if got, _ := c.told(of("old").ID(), noon.Add(time.Hour)); got == nil || got.Age != time.Hour+time.Second || got.Resync {
		t.Errorf("after an hour %+v is known; want the same, an hour older", got)
	}
	if got, _ := c.told(of("old").ID(), noon.Add(2*time.Hour)); got != nil || c.len() != 0 {
		t.Errorf("after two hours %+v is known", got)
	}
}

func TestTooManyCopiesMakeANodeUnsure(t *testing.T) {
	c := newNode(true)
	c.records.nodes.maxBytes = copySize
	for _, client := range []string{"a", "b"} {
		c.Learn(&Told{ID: of(client).ID(), Bindings: Fingerprint{1}}, noon)
	}
	all, lost := c.Doubt(noon)
	if later, _ := c.Doubt(noon.Add(time.Hour)); all != time.Hour || lost != time.Hour || later != 0 {
		t.Errorf("a node that has forgotten clients is in doubt for %s, of what was lost for %s, and %s an hour later", all, lost, later)
	}
}

func TestWhatOthersHaveToldOutlivesARun(t *testing.T) {
	before, after := newNode(true), newNode(true)
	for n := range announceLimit + 1 {
		before.Learn(&Told{ID: of(fmt.Sprint(n)).ID(), Bindings: Fingerprint{1}, Proven: at(5), Old: time.Minute}, time.Now())
	}
	err := copiesSection{before}.Save(func(v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return copiesSection{after}.Restore(text)
	})
	if err != nil {
		t.Fatal(err)
	}
	copiesSection{after}.Clear()
	if got := after.records.nodes.len(); got != announceLimit+1 {
		t.Errorf("%d are kept; want all", got)
	}
	if got := after.Copy(of("7").ID(), time.Now()); got.Told == nil || got.Proven.Position != at(5).Position || got.Proven.History.Slot != "" {
		t.Errorf("a client is known as %+v; want its position, in a history that only the system names", got)
	}
	if got := time.Since(after.Copy(of("7").ID(), time.Now()).At); got < time.Minute {
		t.Errorf("it was told %s ago; want a minute", got)
	}
	if err := (copiesSection{after}).Restore([]byte(`{"Clients":"AAAA"}`)); err == nil {
		t.Error("what is cut off is read")
	}
}

// FuzzReadTold has what is read be written as it was.
func FuzzReadTold(f *testing.F) {
	for _, t := range []Told{{}, {ID: of("a").ID(), Bindings: Fingerprint{1}, Proven: at(7), Own: true, Age: time.Hour}, {Resync: true, Gone: true, Quiet: true, Topic: 1 << 63, Old: time.Minute}} {
		f.Add(t.Append(nil))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := nodes.Reader{Rest: text}
		told := ReadTold(&r)
		if r.Err != nil {
			return
		}
		again := nodes.Reader{Rest: told.Append(nil)}
		if got := ReadTold(&again); again.Err != nil || got != told {
			t.Errorf("%+v is written, and read as %+v, %v", told, got, again.Err)
		}
	})
}

// TestWhoMayLackBroadcastsIsToldUntilItHasHeard also where they were handed over, and may
// not have arrived.
func TestWhoMayLackBroadcastsIsToldUntilItHasHeard(t *testing.T) {
	told := &Told{Bindings: Fingerprint{1}, Proven: at(7), Own: true}
	for _, c := range []struct {
		name        string
		found       Found
		first, then bool // it is told
	}{
		{"nobody has kept them", Found{Told: told, Heard: 9}, true, true},
		{"they were handed over", Found{Told: told, Quiet: true, Missed: [][]byte{{}}, Heard: 9}, false, true},
		{"there were none", Found{Told: told, Quiet: true, Heard: 9}, false, false},
	} {
		node := newNode(true)
		node.config.Quiet = func(protocol.Topic, uint64) bool { return true }
		take := func(found Found, want bool) *Bookmark {
			t.Helper()
			b, got := node.Take(of("a"), Fingerprint{1}, found, noon)
			if got != (Known{Memory: Remembered, Proven: at(7), Heard: 9, Lacks: want}) {
				t.Errorf("%s: %+v; want that the client lacks some: %t", c.name, got, want)
			}
			return b
		}
		take(c.found, c.first).Leave(noon)
		take(Found{}, c.then)
		if g := node.Give(of("a").ID(), noon); g.Quiet == c.then || (g.Heard == 0) != c.then {
			t.Errorf("%s: given away as %+v", c.name, g)
		}
		take(c.found, c.first).prove(0, at(7), 9)
		take(Found{}, false)
	}
}

// TestWhoLeavesForGoodIsNewAlsoWhereOthersHaveToldOfIt: what was told when the client was
// elsewhere is older than that it has left.
func TestWhoLeavesForGoodIsNewAlsoWhereOthersHaveToldOfIt(t *testing.T) {
	for name, leave := range map[string]func(*Bookmark){
		"leaves":                func(b *Bookmark) { b.prove(0, at(9), 0); b.Discard() },
		"may not read any more": (*Bookmark).Forget,
	} {
		c := newNode(true)
		c.Learn(&Told{ID: of("a").ID(), Bindings: Fingerprint{1}, Proven: at(5)}, noon)
		b, _ := c.Take(of("a"), Fingerprint{1}, Found{Told: &Told{ID: of("a").ID(), Bindings: Fingerprint{1}, Proven: at(7), Own: true}}, noon)
		leave(b)
		if g := c.Copy(of("a").ID(), noon); g.Told != nil {
			t.Errorf("a client that %s is known as %+v; want nothing", name, g.Told)
		}
	}
}

// TestWhoHasToResyncElsewhereHasToHere, whatever an earlier run has left of it.
func TestWhoHasToResyncElsewhereHasToHere(t *testing.T) {
	for name, told := range map[string]*Told{
		"a node has it":      {Bindings: Fingerprint{1}, Resync: true, Own: true},
		"a node had told it": {Bindings: Fingerprint{1}, Resync: true},
	} {
		node := newNode(true)
		node.records.restore(&record{Key: private("a"), bindings: Fingerprint{1}, receipt: receipt{proven: at(7), heard: 3}, left: noon, restored: true})
		if _, got := node.Take(private("a"), Fingerprint{1}, Found{Told: told, Certain: true}, noon); got.Memory != Forgotten {
			t.Errorf("%s: known as %+v; want to be told to resync", name, got)
		}
	}
}

// TestAClientIsForgottenHoweverOftenNodesTellOfIt to each other: nobody else says that it
// will not come any more.
func TestAClientIsForgottenHoweverOftenNodesTellOfIt(t *testing.T) {
	a, b := newNode(true), newNode(true)
	a.Learn(&Told{ID: of("gone").ID(), Bindings: Fingerprint{1}, Proven: at(5)}, noon)
	tell := func(from, to *Clients, now time.Time) {
		for _, told := range from.Everything(now) {
			read := ReadTold(&nodes.Reader{Rest: told.Append(nil)})
			to.Learn(&read, now)
		}
	}
	for passed := time.Duration(0); passed < 5*time.Hour; passed += 20 * time.Minute {
		now := noon.Add(passed)
		tell(a, b, now)
		tell(b, a, now)
		a.Expire(now)
		b.Expire(now)
		if g := b.Copy(of("gone").ID(), now); (g.Told != nil) != (passed <= 90*time.Minute) {
			t.Errorf("after %s the client is known as %+v", passed, g.Told)
		} else if g.Told != nil && !g.At.Equal(noon) {
			t.Errorf("after %s it was told at %s; want when its node told it", passed, g.At)
		}
	}
	if n := a.records.nodes.len() + b.records.nodes.len(); n != 0 {
		t.Errorf("%d clients are kept for ever", n)
	}
}

// TestWhoVouchesSaysFromWhen: nodes that start again and again do not begin anew to doubt.
func TestWhoVouchesSaysFromWhen(t *testing.T) {
	c := newNode(false)
	c.Vouch(noon.Add(10*time.Minute), noon)
	c.Vouch(noon.Add(50*time.Minute), noon)
	if all, lost := c.Doubt(noon); all != 10*time.Minute || lost != 0 {
		t.Errorf("in doubt for %s, of what was lost for %s; want 10 minutes, and nothing lost", all, lost)
	}
	if all, _ := c.Doubt(noon.Add(10 * time.Minute)); all != 0 {
		t.Errorf("still in doubt for %s", all)
	}
	full := newNode(true)
	full.records.unsureUntil = noon.Add(time.Minute)
	if all, lost := full.Doubt(noon); all != time.Minute || lost != time.Minute {
		t.Errorf("a node that has lost clients is in doubt for %s, %s of it lost; want a minute", all, lost)
	}
}
