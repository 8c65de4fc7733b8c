package access

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"walcast/test/program"
)

// Fault is something that must not happen.
type Fault struct {
	Kind   string
	Client string
	Time   int64 // Unix nanoseconds
	Text   string
	Seed   uint64
	Cause  origin // found by tracing

	suspicion *suspicion
}

// Kinds of faults that Postgres has to tell.
const (
	leak         = "leak"                           // never visible from its commit until it came
	keyLeak      = "leak of a key"                  // its columns may not be selected
	columnLeak   = "leak of a column"               // so with one of its columns
	foreignLeak  = "leak to a role not to be taken" // walcast may not act as it
	outlived     = "leak by newer rules"            // visible only by rules made when it was gone
	outlivedData = "shown by newer data"            // so by rows that a policy reads
	stale        = "stale value"                    // no value that Postgres had for it
	lost         = "lost"                           // visible all the time
	lostDelete   = "lost DELETE"                    // of a row that was
	lostOld      = "lost, replaced meanwhile"       // … and it was replaced before it was passed over
	lostByKey    = "lost, replaced before it was looked up"
	lostTold     = "lost, told that a policy raised" // … which for Postgres it did not
)

// noted are kinds that are counted and fail nothing. Whether a version that was
// replaced is judged by the members of then or of now is nowhere promised, and one
// that has to be looked up is sent only if it has not been replaced.
var noted = []string{outlivedData, lostByKey}

// answers are Postgres' own.
type answers interface {
	// visible reports whether a subject was shown a version in an era.
	visible(era, subject int, row *version) bool
	// granted reports whether it may have selected a column.
	granted(era, subject, table int, column string) bool
	// guarded reports whether row-level security was on for it.
	guarded(era, subject, table int) bool
	// value is the column of a version as JSON.
	value(era int, row *version, column string) json.RawMessage
	// reads is what the policies of a table read.
	reads(era, table int) reading
}

// judge decides on a suspicion; nil is innocent.
func judge(s suspicion, h history, said answers) *Fault {
	kind := ""
	if s.absent() {
		kind = judgeAbsence(s, h, said)
	} else {
		kind = judgeArrival(s, h, said)
	}
	if kind == "" {
		return nil
	}
	return &Fault{Kind: kind, Client: s.client.name, Time: s.entry.Time, Text: s.text(h), suspicion: &s}
}

// eras calls a condition for eras until one holds.
func eras(from, upto int, holds func(era int) bool) bool {
	for k := from; k <= upto; k++ {
		if holds(k) {
			return true
		}
	}
	return false
}

// start is the era from which on rules may have been applied for a subject:
// those of the version's commit where row-level security is on all the time.
func (s suspicion) start(subject int, said answers) int {
	open := eras(s.Open, s.Upto, func(k int) bool { return !said.guarded(k, subject, s.row.table) })
	if open {
		return s.Open
	}
	return s.From
}

// judgeArrival decides whether what came may have been seen by any subject that the
// client may have acted as.
func judgeArrival(s suspicion, h history, said answers) (kind string) {
	if !slices.ContainsFunc(s.subjects, func(p int) bool { return !s.client.world.foreign(p) }) {
		return foreignLeak
	}
	verdicts := map[string]bool{}
	for _, p := range s.subjects {
		verdicts[s.judgeSubject(p, h, said)] = true
	}
	// The mildest counts.
	for _, kind := range []string{"", stale, outlivedData, outlived, columnLeak, keyLeak, leak} {
		if verdicts[kind] {
			return kind
		}
	}
	return leak
}

func (s suspicion) judgeSubject(p int, h history, said answers) string {
	start := s.start(p, said)
	if s.purpose == seenKey {
		start = s.Open // no row is shown, and no policy is asked
	}
	kind := ""
	if s.purpose != seenKey {
		visible := func(k int) bool { return said.visible(k, p, s.row) }
		life := max(start, min(s.Life, s.Upto))
		switch {
		case eras(start, life, visible):
		case eras(life+1, s.Upto, visible):
			kind = outlivedData
			if !eras(life+1, s.Upto, func(k int) bool { return h[k].Data && visible(k) && !visible(k-1) }) {
				return outlived
			}
		default:
			return leak
		}
	}
	for _, c := range s.columns {
		if !eras(start, s.Upto, func(k int) bool { return said.granted(k, p, s.row.table, c) }) {
			if s.purpose == seenKey {
				return keyLeak
			}
			return columnLeak
		}
	}
	if kind == "" && s.purpose == seenRow {
		return s.judgeValues(h, said)
	}
	return kind
}

// judgeValues holds the values of types that change against those that Postgres
// had. While a type's change is young, fields may have the names of before with
// the values of after, which no era had.
func (s suspicion) judgeValues(h history, said answers) string {
	if eras(s.Early+1, s.Upto, func(k int) bool { return h[k].Type }) {
		return ""
	}
	for _, c := range changing {
		raw, shown := s.entry.Frame.Record[c]
		if !shown {
			continue
		}
		if !eras(s.Early, s.Upto, func(k int) bool { return sameJSON(raw, said.value(k, s.row, c)) }) {
			return stale
		}
	}
	return ""
}

func sameJSON(a, b json.RawMessage) bool {
	if b == nil {
		return false
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// judgeAbsence decides whether what did not come must have been seen: by all
// subjects that the client may have acted as, and all the time.
func judgeAbsence(s suspicion, h history, said answers) string {
	for _, p := range s.subjects {
		if s.client.world.foreign(p) {
			return ""
		}
		hidden := eras(s.Early, s.Upto, func(k int) bool {
			return !said.visible(k, p, s.row) || slices.ContainsFunc(s.columns, func(c string) bool { return !said.granted(k, p, s.row.table, c) })
		})
		if hidden {
			return ""
		}
	}
	row := s.purpose == unseenIt // a DELETE is final, and never looked up
	switch {
	case s.unjudged || s.told && !s.keyed() && s.lookedUp(h, said): // it was told that nobody can say, or of another reason not long before
		return ""
	case row && s.row.ended != nil && s.row.ended.Before <= s.entry.Time:
		if s.keyed() && s.lookedUp(h, said) {
			return lostByKey
		}
		return lostOld
	case s.told:
		return lostTold
	case row:
		return lost
	}
	return lostDelete
}

// absent reports whether something did not come.
func (s suspicion) absent() bool { return s.purpose == unseenIt || s.purpose == undeleted }

// text says what a suspicion is about.
func (s suspicion) text(h history) string {
	w := s.client.world
	text := fmt.Sprintf("version %d of %s at %s, committed %s (%s)", s.row.number, w.tables[s.row.table], s.row.at, program.Clock(s.row.made.Before), s.row)
	for _, p := range s.subjects {
		text += fmt.Sprintf(", for %d (%s)", p, w.subjects[p])
	}
	switch s.purpose {
	case unseenIt:
		return text + fmt.Sprintf(" was passed over by %s%s", s.entry, s.fate.text)
	case undeleted:
		return text + fmt.Sprintf(", whose DELETE at %s was passed over by %s", s.row.next.at, s.entry)
	}
	return text + fmt.Sprintf(", eras %d to %d of %d, as %v came: %s", s.From, s.Upto, len(h)-1, s.columns, s.entry)
}
