package policy

import (
	"fmt"
	"testing"
	"time"

	"walcast/replication/wal"
)

// sightAt is what is seen when transactions from next on have not begun, and all others
// have ended.
func sightAt(next uint32, traceless int64, of dependency, f found) *sight {
	return &sight{
		prints: prints{of: f.print}, ages: map[dependency]int32{of: int32(next - f.newest)}, more: map[dependency]string{of: f.more},
		at: time.Unix(int64(next), 0), snapshot: wal.Snapshot{Least: uint64(next), Next: uint64(next)}, latest: next, traceless: traceless,
	}
}

func seesBefore(next uint64) wal.Snapshot { return wal.Snapshot{Least: next, Next: next} }

// Looks have been at 100, 110 and 120, and an earlier run has left what it knew; the object
// is seen first at 130.
func TestWhatIsSeenForTheFirstTimeIsSoSinceTheLooksTell(t *testing.T) {
	table := func(made uint32, secured string) string { return fmt.Sprintf("%d(0,1);%d;1;%s", made, made, secured) }
	access, function := dependency{dependAccess, 1}, dependency{DependFunction, 1}
	for _, c := range []struct {
		name string
		of   dependency
		now  found
		lost uint32 // when something has gone that leaves no trace; 0 for never
		held uint32 // what slots have still to read; 0 without a slot
		want span
	}{
		{"older than all looks", function, found{newest: 90}, 0, 0, span{at: seesBefore(100)}},
		{"younger than a look", function, found{newest: 105}, 0, 0, span{at: seesBefore(110)}},
		{"younger than all looks", function, found{newest: 125}, 0, 0, span{at: seesBefore(130)}},
		{"something has gone between the looks", function, found{newest: 90}, 110, 0, span{at: seesBefore(110)}},
		{"something has gone since", function, found{newest: 90}, 130, 0, span{at: seesBefore(130)}},
		{"older than the slots", function, found{newest: 90}, 130, 95, span{at: seesBefore(95)}},
		{"an open table, older than the slots", access, found{newest: 90, more: table(80, "f")}, 130, 95, span{at: seesBefore(95)}},
		{"a secured table, older than the slots", access, found{newest: 90, more: table(80, "t")}, 0, 95, span{at: seesBefore(100)}},
		{"an open table as it was made", access, found{newest: 125, more: table(125, "f")}, 130, 0, span{at: seesBefore(130), last: 125}},
		{"a secured table as it was made", access, found{newest: 115, more: table(115, "t")}, 0, 0, span{at: seesBefore(120), last: 115}},
		{"a table made since the last look", access, found{newest: 127, more: table(125, "t")}, 0, 0, span{at: seesBefore(130), last: 127}},
		{"a table made since, while something has gone", access, found{newest: 127, more: table(125, "t")}, 130, 0, span{at: seesBefore(130), last: 127}},
		{"a table made between the looks, and changed", access, found{newest: 118, more: table(112, "t")}, 0, 0, span{at: seesBefore(120), last: 118}},
		{"a table made between the looks, and changed since", access, found{newest: 127, more: table(115, "t")}, 0, 0, span{at: seesBefore(130)}},
	} {
		h := newHistory(10 * time.Second)
		h.adopt(nil)
		print := func(at uint32) int64 {
			if c.lost != 0 && at >= c.lost {
				return 2
			}
			return 1
		}
		for _, at := range []uint32{100, 110, 120} {
			h.look(sightAt(at, print(at), dependency{DependFunction, 2}, found{}), wanted{})
		}
		s := sightAt(130, print(130), c.of, c.now)
		if s.held = c.held; c.held != 0 {
			s.heldAge = int32(130 - c.held)
		}
		if f := h.force(s, c.of.oid, []dependency{c.of}); len(f) != 1 || !f[0].equal(&c.want) {
			t.Errorf("%s: since %+v; want %+v", c.name, f, c.want)
		}
	}
}

// A start has looked at 100; the object is seen first at 110.
func TestWithoutAnEarlierRunTheCatalogTellsWhatWasBeforeTheStart(t *testing.T) {
	secured := dependency{dependAccess, 1}
	for _, c := range []struct {
		name   string
		newest uint32
		held   uint32
		lost   bool // something has gone since the start that leaves no trace
		want   span
	}{
		{"changed before the start", 90, 0, false, span{at: seesBefore(100), last: 90}},
		{"changed before all that slots have still to read", 90, 95, false, span{at: seesBefore(95)}},
		{"changed since", 105, 0, false, span{at: seesBefore(110)}},
		{"something has gone since", 90, 95, true, span{at: seesBefore(110)}},
	} {
		h := newHistory(10 * time.Second)
		h.look(sightAt(100, 1, secured, found{}), wanted{})
		s := sightAt(110, 1, secured, found{newest: c.newest, more: "80(0,1);80;1;t"})
		if c.lost {
			s.traceless = 2
		}
		if s.held = c.held; c.held != 0 {
			s.heldAge = int32(110 - c.held)
		}
		if f := h.force(s, secured.oid, []dependency{secured}); len(f) != 1 || !f[0].equal(&c.want) {
			t.Errorf("%s: since %+v; want %+v", c.name, f, c.want)
		}
	}
}

// A look was at 100. By 110 a table was made, and the function of its policies changed.
func TestOnlyForTablesThatWereMadeSinceTheLookIdsTellTheOrder(t *testing.T) {
	function := dependency{DependFunction, 2}
	for made, want := range map[uint32]span{104: {at: seesBefore(110), last: 105}, 99: {at: seesBefore(110)}} {
		h := newHistory(10 * time.Second)
		h.adopt(nil)
		h.look(sightAt(100, 1, function, found{print: 1, newest: 90}), wanted{function: true})
		s := sightAt(110, 1, function, found{print: 2, newest: 105})
		s.prints[dependency{dependAccess, 1}], s.more[dependency{dependAccess, 1}] = 1, fmt.Sprintf(";%d", made)
		if f := h.force(s, 1, []dependency{function}); len(f) != 1 || !f[0].equal(&want) {
			t.Errorf("a table made by %d: since %+v; want %+v", made, f, want)
		}
	}
}

func TestWhatIsKnownIsSoUntilItIsSeenOtherwise(t *testing.T) {
	of := dependency{dependAccess, 1}
	before := found{print: 1, newest: 90, more: "90(0,1);80;7;f;1,2;5"}
	for _, c := range []struct {
		name string
		now  found
		want uint64 // since the look at which transactions from it on had not begun
		by   span   // how rows are known to be younger that this look sees
	}{
		{"the same", before, 100, span{}},
		{"other grants", found{print: 2, newest: 105, more: "105(0,2);80;7;f;1,2;5"}, 110, span{newest: 105}},
		{"other grants for a moment", found{print: 1, newest: 105, more: "105(0,2);80;7;f;1,2;5"}, 110, span{newest: 105}},
		{"other grants, and an ANALYZE", found{print: 2, newest: 105, more: "105(0,2);80;7;f;1,2;6"}, 110, span{}},
		{"other grants by a transaction that had begun before", found{print: 2, newest: 99, more: "99(0,2);80;7;f;1,2;5"}, 110, span{}},
		{"another column", found{print: 1, newest: 105, more: "105(0,2);80;8;f;1,2;5"}, 100, span{}},
		{"a policy dropped", found{print: 3, newest: 90, more: "90(0,1);80;7;f;2;5"}, 110, span{}},
		{"two policies dropped", found{print: 3, newest: 90, more: "90(0,1);80;7;f;;5"}, 110, span{}},
		{"a policy dropped, another one made", found{print: 3, newest: 105, more: "90(0,1);80;7;f;2,3;5"}, 110, span{}},
		{"gone without a trace", found{print: 3, newest: 90, more: before.more}, 110, span{}},
	} {
		h := newHistory(time.Hour)
		h.adopt(nil)
		h.look(sightAt(100, 1, of, before), wanted{of: true})
		c.by.at = seesBefore(c.want)
		want := force{c.by}
		if f := h.force(sightAt(110, 1, of, c.now), 1, []dependency{of}); !f.equal(want) {
			t.Errorf("%s: since %+v; want %+v", c.name, f, want)
		}
		if f := h.force(sightAt(105, 1, of, c.now), 1, []dependency{of}); c.want == 100 && !f.equal(want) {
			t.Errorf("%s, and seen by somebody who was slower: since %+v; want %+v", c.name, f, want)
		}
	}
}
