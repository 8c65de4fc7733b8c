package drill

import (
	"fmt"
	"slices"
	"sort"

	"walcast/replication/changelog"
	"walcast/replication/wal"
	"walcast/test/havoc"
)

// charge is what a client is owed.
type charge struct {
	Wants func(written) bool
	// Base is where it started: it is owed everything after. Without one it is
	// owed what comes after its first row.
	Base    wal.Position
	HasBase bool
	// Names means that the client says where it was when it comes back, so that
	// the server need not remember, and nothing may come twice.
	Names bool
	// Unclean is when the server first ended without a stop, in Unix nanoseconds, 0
	// if it never did. Until then it must recognise every client that comes back.
	Unclean int64
}

// trial is the judgement of one diary.
type trial struct {
	charge
	byRow   map[row]written
	wanted  []written // in the order of their positions
	seen    map[wal.Position]bool
	excused []stretch
	before  int          // how many of them were told on earlier joins
	last    wal.Position // newest position seen
	within  wal.Position // newest position seen since the last join
	faults  []havoc.Fault
}

// judge compares what a client has noted with what was committed. The rows must
// be in the order of their positions.
func judge(c charge, rows []written, diary []entry) []havoc.Fault {
	t := &trial{charge: c, byRow: make(map[row]written, len(rows)), seen: map[wal.Position]bool{}, last: c.Base}
	for _, w := range rows {
		t.byRow[w.row] = w
		if c.Wants(w) {
			t.wanted = append(t.wanted, w)
		}
	}
	for _, e := range diary {
		switch e.Kind {
		case joined:
			t.within, t.before = wal.Position{}, len(t.excused)
		case seen:
			t.see(e)
		case resync:
			t.excuse(e)
		}
	}
	return t.faults
}

func (t *trial) fault(e entry, format string, args ...any) {
	t.faults = append(t.faults, havoc.Fault{Time: e.Time, Text: fmt.Sprintf(format, args...)})
}

// see judges the arrival of a row.
func (t *trial) see(e entry) {
	w, ok := t.byRow[e.Row]
	switch {
	case !ok:
		t.fault(e, "row %s arrived and was never committed", e.Row)
		return
	case !t.Wants(w):
		t.fault(e, "row %s at %s arrived and was not asked for (table %s, shard %d)", w.row, w.At, w.Table, w.Shard)
		return
	case !e.At.IsZero() && e.At != w.At:
		t.fault(e, "row %s arrived as %s; its position is %s", w.row, e.At, w.At)
		return
	}
	if w.At.Compare(t.within) <= 0 {
		t.fault(e, "row %s at %s arrived after %s on the same join", w.row, w.At, t.within)
		return
	}
	t.within = w.At
	if !t.HasBase {
		t.HasBase, t.Base, t.last = true, w.At, w.At
	}
	if t.seen[w.At] && t.Names && !t.isDueAgain(w.At) {
		t.fault(e, "row %s at %s arrived again", w.row, w.At)
	}
	if t.seen[w.At] || w.At.Compare(t.Base) <= 0 {
		return
	}
	t.seen[w.At] = true
	if w.At.Compare(t.last) < 0 {
		t.late(e, w)
		return
	}
	t.complete(e, w.At)
	t.last = w.At
}

// isDueAgain reports whether the client was told on this join to resync up to somewhere
// before a row: everything after that is sent to it, also what it has got of it before.
func (t *trial) isDueAgain(p wal.Position) bool {
	return slices.ContainsFunc(t.excused[t.before:], func(s stretch) bool { return s.To.Compare(p) < 0 })
}

// late judges a row that had been passed over. What was given up may be sent
// again on a later join, when the server has forgotten that it gave it up.
func (t *trial) late(e entry, w written) {
	switch {
	case isIn(t.excused[t.before:], w.At):
		t.fault(e, "row %s at %s arrived after the resync that gave it up", w.row, w.At)
	case !isIn(t.excused, w.At):
		t.fault(e, "row %s at %s arrived only after %s", w.row, w.At, t.last)
	}
}

func isIn(list []stretch, p wal.Position) bool {
	return slices.ContainsFunc(list, func(s stretch) bool { return s.has(p) })
}

// complete checks that nothing is missing after the last row, up to and with upTo.
func (t *trial) complete(e entry, upTo wal.Position) {
	i := sort.Search(len(t.wanted), func(i int) bool { return t.wanted[i].At.Compare(t.last) > 0 })
	var missing []written
	for ; i < len(t.wanted) && t.wanted[i].At.Compare(upTo) <= 0; i++ {
		w := t.wanted[i]
		if !t.seen[w.At] && !isIn(t.excused, w.At) {
			missing = append(missing, w)
		}
	}
	if len(missing) > 0 {
		first, last := missing[0], missing[len(missing)-1]
		t.fault(e, "%d rows are missing between %s and %s: %s at %s to %s at %s",
			len(missing), t.last, upTo, first.row, first.At, last.row, last.At)
	}
}

// excuse judges a resync and notes what it gives up.
func (t *trial) excuse(e entry) {
	n := e.Resync
	switch {
	case t.Names && n.From.IsZero():
		t.fault(e, "a resync (%s) does not say from where, to a client that named its position", n.Code)
	case n.Code == changelog.CodeUnknown && t.Names:
		t.fault(e, "the position %s that the server has told is unknown to it", n.From)
	case n.Code == changelog.CodeUnknown && (t.Unclean == 0 || e.Time < t.Unclean):
		t.fault(e, "a resync (%s) though the server never ended without a stop", n.Code)
	case n.Code == changelog.CodeTooOld && n.Oldest.Compare(n.From) <= 0:
		t.fault(e, "a resync from %s though the server still has everything after %s", n.From, n.Oldest)
	}
	if n.Upto.Compare(n.From) < 0 {
		t.fault(e, "a resync from %s that ends before, at %s", n.From, n.Upto)
	}
	t.excused = append(t.excused, stretch{n.From, n.Upto})
	switch {
	case !t.HasBase:
		t.HasBase, t.Base, t.last = true, n.Upto, n.Upto
	case n.Upto.Compare(t.last) > 0:
		t.complete(e, n.Upto)
		t.last = n.Upto
	}
}
