package access

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"walcast/replication/wal"
)

// history is the changes of access in order; the first is the beginning. Era k
// is after change k and before the next.
type history []change

// first is the earliest era that may be in force at a moment or after it.
func (h history) first(at int64) int {
	return sort.Search(len(h)-1, func(k int) bool { return h[k+1].After >= at })
}

// last is the latest era that may be in force at a moment or before it.
func (h history) last(at int64) int {
	return max(0, sort.Search(len(h), func(k int) bool { return h[k].Before > at })-1)
}

// era is the one in which a transaction stands in the WAL.
func (h history) era(commit wal.LSN) int {
	return max(0, sort.Search(len(h), func(k int) bool { return h[k].LSN > commit })-1)
}

// beginning is the change that a history starts with.
func beginning() change {
	return change{Label: "the beginning", Before: math.MinInt64, After: math.MinInt64}
}

// commit is a transaction that wrote rows.
type commit struct {
	XID           uint32
	Before, After int64 // the moments around it, Unix nanoseconds
	Change        int   // the change of access that it is too, or 0
	At            wal.LSN
}

// version is what one row was from one change to the next.
type version struct {
	number int64
	table  int
	id     int
	values map[string]*string // as Postgres writes them; nil is null
	at     wal.Position
	made   *commit
	ended  *commit  // what replaced or deleted it, nil if nothing did
	next   *written // the change that did
	era    int      // in which it stands in the WAL

	matches uint64   // the filters that it matches
	lacks   []string // columns whose values are not in the WAL, as an UPDATE left them as they were
}

// String has what policies go by.
func (v *version) String() string {
	var all []string
	for _, name := range []string{"num", "org", "owner", "pin", "mood", "price"} {
		if text := v.values[name]; text != nil {
			all = append(all, fmt.Sprintf("%s %.14s", name, *text))
		}
	}
	return strings.Join(all, ", ")
}

// written is one change of a row.
type written struct {
	kind  string // INSERT, UPDATE or DELETE
	table int
	at    wal.Position
	made  *commit
	row   *version // nil for a DELETE
	old   *version // nil for an INSERT
}

// lifeEnd is the last era in which a version may have been there to be seen.
// What a transaction that is a change of access takes away, its new rules were
// never in force for.
func (h history) lifeEnd(made, ended *commit) int {
	if ended == nil {
		return len(h) - 1
	}
	end := h.last(ended.After)
	if ended.Change > 0 {
		end = min(end, ended.Change-1)
	}
	return end
}
