package access

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"walcast/replication/wal"
	"walcast/test/program"
)

// arrivals examines what came: each change must have happened, been asked for
// and have the values that were written. Whether it may have been seen is left
// to Postgres.
func (q *inquiry) arrivals() {
	diary := q.client.diary.read()
	when := stays(diary, q.looks)
	var within wal.Position
	for _, e := range diary {
		switch e.Kind {
		case joined:
			within = wal.Position{}
		case whispered:
			q.fault("content in a message", e, e.Text)
		case closed:
			if e.Text == stalled {
				q.fault("stalled", e, fmt.Sprintf("the channel %s, %s, and is at %s", stalled, wal.LSN(q.client.target.Load()), q.client.last))
			}
		case shown:
			if e.At.Compare(within) <= 0 {
				q.fault("order", e, fmt.Sprintf("%s came after %s", e.At, within))
			}
			within = e.At
			q.arrival(e, when)
		}
	}
}

// arrival examines one frame.
func (q *inquiry) arrival(e entry, when []stay) {
	w := q.client.world
	c := q.truth.at[e.At]
	if c == nil {
		if e.Frame.Table != "members" && e.Frame.Table != "pulse" {
			q.fault("unknown", e, fmt.Sprintf("%s is no change that was committed", e))
		}
		return
	}
	t := w.tables[c.table]
	if !q.asked(t, c) || e.Frame.Schema != t.schema || e.Frame.Table != t.name || e.Frame.Type != c.kind {
		q.fault("not asked for", e, e.String())
		return
	}
	h := q.history
	s := suspicion{
		client: q.client, entry: e, subjects: during(when, c.made.Before, e.Time, e.Time),
		bounds: bounds{Early: h.first(q.oldest(c.made.Before)), Open: h.first(c.made.Before - lenience), From: h.first(c.made.Before), Upto: h.last(e.Time)},
	}
	if len(e.Frame.Record) > 0 && c.row != nil {
		row := s
		row.purpose, row.row, row.columns, row.Life = seenRow, c.row, columnsOf(e.Frame.Record), h.lifeEnd(c.made, c.row.ended)
		q.compare(e, e.Frame.Record, c.row)
		q.found = append(q.found, row)
	}
	if len(e.Frame.OldRecord) > 0 && c.old != nil {
		old := s
		old.purpose, old.row, old.columns, old.Life = seenOld, c.old, columnsOf(e.Frame.OldRecord), h.lifeEnd(c.made, c.made)
		if slices.Equal(old.columns, []string{"id"}) {
			old.purpose = seenKey
		}
		q.compare(e, e.Frame.OldRecord, c.old)
		q.found = append(q.found, old)
	}
}

// asked reports whether a binding of the client asks for a change.
func (q *inquiry) asked(t *table, c *written) bool {
	return slices.ContainsFunc(q.client.bindings, func(b binding) bool { return b.wants(t, c) })
}

func columnsOf(record map[string]json.RawMessage) (names []string) {
	for name := range record {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// changing are columns whose types change: what they are worth depends on the
// era, and Postgres is asked. The generated one is not in the WAL.
var changing = []string{"mood", "price"}

// compare holds the values of a record against what was written.
func (q *inquiry) compare(e entry, record map[string]json.RawMessage, row *version) {
	for name, raw := range record {
		want, known := row.values[name]
		if slices.Contains(changing, name) || name == "twice" {
			continue
		}
		if got := plain(raw); !known || (want == nil) != (got == nil) || want != nil && *got != *want {
			q.fault("wrong value", e, fmt.Sprintf("%s of version %d: %.200s", name, row.number, raw))
		}
	}
}

// plain is the text of a string or number, nil for null.
func plain(raw json.RawMessage) *string {
	var text string
	if string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	return &text
}

// absences examines what did not come: everything that lies between two
// positions that the channel has passed, was asked for and not given up by a resync.
func (q *inquiry) absences() {
	diary := q.client.diary.read()
	a := absence{inquiry: q, when: stays(diary, q.looks), got: map[wal.Position]bool{}}
	for _, e := range diary {
		if e.Kind == resync {
			a.excused = append(a.excused, e)
		}
		if e.Kind == shown && !hidesRow(e.Frame) {
			a.got[e.At] = true
		}
	}
	for i, e := range diary {
		a.take(e, diary[i:])
	}
}

// resyncs examines what the client was told to read again as access had changed: it
// must have changed, after the first of the changes that were given up, or so shortly
// before that their order need not be known.
func (q *inquiry) resyncs() {
	for _, e := range q.client.diary.read() {
		if e.Kind != resync || e.Code != "access_changed" {
			continue
		}
		from, _ := slices.BinarySearchFunc(q.truth.changes, e.From, func(c *written, p wal.Position) int { return c.at.Compare(p) })
		for _, c := range q.truth.changes[from:] {
			if c.at.Compare(e.From) <= 0 || !q.asked(q.client.world.tables[c.table], c) {
				continue
			}
			if c.at.Compare(e.At) <= 0 && q.history.last(e.Time) <= q.history.first(q.oldest(c.made.Before)) {
				q.fault("resync without a change of access", e, fmt.Sprintf("%s: access has not changed since %s, committed %s", e, c.at, program.Clock(c.made.Before)))
			}
			break
		}
	}
}

// hidesRow reports whether a frame only says that there was a change.
func hidesRow(f *frame) bool {
	return slices.ContainsFunc(f.Errors, func(s string) bool { return strings.Contains(s, "401") })
}

// absence follows how far a channel is.
type absence struct {
	*inquiry
	when    []stay
	got     map[wal.Position]bool
	excused []entry

	base    wal.Position // everything after it is owed; zero while nothing is
	works   bool         // the bindings do
	since   int64        // … again, after an error: what was committed before is not owed
	goOn    bool         // the next join may go on from the base
	role    string       // of the connection; "" once it was two
	pending wal.Position // where the bindings start once they work
}

// An error is not told for every row: it may have been told before a change, or
// some time after it was passed over.
const (
	toldBefore = int64(10e9)
	toldLate   = int64(2e9)
)

// pardon is how long before an error its rows may have been lost to it.
const pardon = int64(10e9)

func (a *absence) take(e entry, rest []entry) {
	switch e.Kind {
	case opened:
		a.pending = wal.Position{}
		before := a.role
		a.role = a.client.world.subjects[e.Subject].role
		switch {
		case e.Back == named && !e.From.IsZero():
			a.pending = e.From
		case e.Back == remembered && a.goOn && a.role == before: // another role is another user
			a.pending = a.base
		}
		a.base, a.works, a.since = wal.Position{}, false, 0
	case joined:
		if a.pending.IsZero() {
			a.pending = e.At
		}
	case armed:
		a.works = true
		if a.base.IsZero() {
			a.base = a.pending
		}
		if a.base.IsZero() && a.since == 0 {
			a.since = e.Time
		}
	case trouble:
		if e.Code != "policy_raised" {
			a.works, a.base, a.pending, a.since = false, wal.Position{}, wal.Position{}, 0
		}
	case refreshed:
		if a.role != a.client.world.subjects[e.Subject].role {
			a.role = ""
		}
	case left: // what was on its way still comes, and is nothing to go on from
		a.base, a.works = wal.Position{}, false
	case closed:
		a.goOn = !a.base.IsZero()
	case shown, progress:
		a.passed(e, rest)
	}
}

// passed notes that everything up to a position should have come.
func (a *absence) passed(e entry, rest []entry) {
	if a.works && a.base.IsZero() {
		a.base = e.At // they work again after an error
	}
	if a.base.IsZero() || e.At.Compare(a.base) <= 0 {
		return
	}
	from, _ := slices.BinarySearchFunc(a.truth.changes, a.base, func(c *written, p wal.Position) int { return c.at.Compare(p) })
	for _, c := range a.truth.changes[from:] {
		if c.at.Compare(e.At) > 0 {
			break
		}
		if c.at.Compare(a.base) > 0 && !a.got[c.at] && c.made.Before >= a.since {
			a.missing(e, c, rest)
		}
	}
	a.base = e.At
}

// missing suspects that a change was lost.
func (a *absence) missing(e entry, c *written, rest []entry) {
	t := a.client.world.tables[c.table]
	switch {
	case !a.owed(t, c):
		return
	case a.given(c.at):
		a.givenUp++
		return
	case a.forgiven(c, rest):
		return
	}
	h := a.history
	told := a.told(t, c.made.Before-toldBefore, e.Time+toldLate)
	s := suspicion{
		purpose: unseenIt, client: a.client, entry: e, row: c.row, columns: a.needed(t, c), fate: a.fate(c.row),
		subjects: during(a.when, c.made.Before, c.made.Before-lenience, e.Time),
		bounds:   bounds{Early: h.first(a.oldest(c.made.Before)), From: h.first(a.oldest(c.made.Before)), Upto: h.last(e.Time)},
		excuses: excuses{
			told:     len(told) > 0,
			unjudged: slices.ContainsFunc(told, func(e entry) bool { return strings.Contains(e.Text, unjudged) }),
		},
	}
	if c.row == nil {
		s.purpose, s.row = undeleted, c.old
	}
	a.found = append(a.found, s)
}

// owed reports whether a change has to come, once it may be seen. What a filter says
// of a deleted row hangs on what is known of it.
func (a *absence) owed(t *table, c *written) bool {
	return slices.ContainsFunc(a.client.bindings, func(b binding) bool {
		return b.wants(t, c) && (c.row != nil || b.filter == 0)
	})
}

// fate is what became of a version that did not come: the changes that replaced it,
// and how that ended for the client.
type fate struct{ text, end string }

func (a *absence) fate(v *version) fate {
	text, end := "", "hidden or not reached"
	for v != nil && v.next != nil {
		n := v.next
		text += fmt.Sprintf("; %s at %s, committed %s", n.kind, n.at, program.Clock(n.made.Before))
		switch {
		case a.got[n.at]:
			return fate{text + ", which came", "came"}
		case a.given(n.at):
			return fate{text + ", which a resync gave up", "given up by a resync"}
		case !a.asked(a.client.world.tables[n.table], n):
			text, end = text+", which was not asked for", "not asked for"
		}
		v = n.row
	}
	return fate{text, end}
}

// unjudged is the SQLSTATE of what nobody can judge.
const unjudged = "ERROR 0A000"

// told is what the client was told of policies of a table that raised, from one
// moment to another.
func (a *absence) told(t *table, from, until int64) (told []entry) {
	for _, e := range a.client.diary.read() {
		if e.Kind == trouble && e.Code == "policy_raised" && e.Time >= from && e.Time <= until && strings.Contains(e.Text, t.String()) {
			told = append(told, e)
		}
	}
	return told
}

// given reports whether a resync gave a position up.
func (a *absence) given(at wal.Position) bool {
	return slices.ContainsFunc(a.excused, func(e entry) bool {
		return (e.From.IsZero() || at.Compare(e.From) > 0) && at.Compare(e.At) <= 0
	})
}

// forgiven reports whether an error that ends the bindings is told soon after.
func (a *absence) forgiven(c *written, rest []entry) bool {
	return slices.ContainsFunc(rest, func(e entry) bool {
		return e.Kind == trouble && e.Code != "policy_raised" && e.Time < c.made.After+pardon
	})
}

// needed are the columns without which a change need not be delivered: the key,
// and that of each filter that lets it pass.
func (a *absence) needed(t *table, c *written) []string {
	all := []string{"id"}
	for _, b := range a.client.bindings {
		if column := filters[b.filter].column; column != "" && b.wants(t, c) {
			all = append(all, column)
		}
	}
	return all
}
