package explain

import (
	"encoding/json"
	"slices"
	"strings"

	"walcast/protocol"
)

// Answer is what becomes of a binding and of a row. It names policies and has values of
// rows: it is for the owner of the database alone.
type Answer struct {
	Database string  `json:"database"` // its name
	Version  string  `json:"version"`  // of Postgres
	Subject  Subject `json:"subject"`
	Binding  Binding `json:"binding"`

	Match      []Match     `json:"match,omitempty"`      // how changes find the binding, by event
	Visibility *Visibility `json:"visibility,omitempty"` // nil if there is nothing to see
	Row        *Row        `json:"row,omitempty"`        // nil if none was asked about

	Gets    Gets     `json:"gets"`
	Because []string `json:"because,omitempty"` // what says no, if something does
}

// Gets is what the subject gets.
type Gets string

// What a subject gets. Without a row in the question it is rows or nothing.
const (
	GetsRow     Gets = "row"     // the row, or those of its columns that Row.Record or Row.OldRecord has
	GetsKey     Gets = "key"     // of a DELETE the key alone
	GetsEvent   Gets = "event"   // an event without the row, with the error 401
	GetsNothing Gets = "nothing" // nothing at all
	GetsRows    Gets = "rows"    // it depends on the row
)

// IsGot reports whether the subject gets the row, or may get some.
func (a Answer) IsGot() bool { return a.Gets == GetsRow || a.Gets == GetsKey || a.Gets == GetsRows }

// Subject is as whom the binding is joined.
type Subject struct {
	Role   string          `json:"role"`
	Claims json.RawMessage `json:"claims"`
}

// Binding is what is joined with, and what a client would be told of it.
type Binding struct {
	Table  string   `json:"table"` // schema.table
	Event  string   `json:"event"`
	Filter string   `json:"filter,omitempty"`
	Select []string `json:"select,omitempty"`
	Checks []Check  `json:"checks"`
}

// Verdict is the outcome of a check.
type Verdict string

// The verdicts.
const (
	Yes     Verdict = "yes"
	No      Verdict = "no"
	Note    Verdict = "note"    // worth knowing, and in nobody's way
	Unknown Verdict = "unknown" // it cannot be told
)

// Check is one thing that has to be so for the subject to get the row.
type Check struct {
	What    string  `json:"what"`           // token, join, event, publication, row filter, filter, visibility, permissive policy, restrictive policy
	Name    string  `json:"name,omitempty"` // of the policy or publication, or the condition of the filter
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	Code    string  `json:"code,omitempty"` // of a problem that a client is told, see docs/protocol.md
	Fix     string  `json:"fix,omitempty"`  // SQL that mends it
	Cost    string  `json:"cost,omitempty"` // what else Fix does, or why there is none
}

// String is the check as a sentence.
func (c Check) String() string {
	text := c.What
	if c.Name != "" {
		text += " " + c.Name
	}
	return text + ": " + c.Text
}

// The policies among what is checked.
const (
	permissive  = "permissive policy"
	restrictive = "restrictive policy"
)

// isPolicy reports whether it is a policy by itself, which decides together with others.
func (c Check) isPolicy() bool { return c.What == permissive || c.What == restrictive }

// Match is how changes of some events find the binding.
type Match struct {
	Events []string `json:"events"`
	// By is hash, range or "all but one value" of Lookups; several where any of several
	// conditions may hold; each if it is tried for every change of the table, and never if no
	// row matches.
	By      string     `json:"by"`
	Lookups []Lookup   `json:"lookups,omitempty"`
	Others  [][]Lookup `json:"others,omitempty"` // taken in place of Lookups where they have fewer bindings
	Then    string     `json:"then,omitempty"`   // evaluated of the rows that were found
	Asked   []Asked    `json:"asked,omitempty"`  // what Postgres decides of that
}

// Lookup finds the binding by a value of a row.
type Lookup struct {
	By        string `json:"by"`
	Column    string `json:"column"`
	Condition string `json:"condition"`
}

// Asked is what Postgres is asked about, and why.
type Asked struct {
	Name string `json:"name"` // the condition, or the policy
	Why  string `json:"why"`
}

// How is how it is decided which rows the subject may see.
type How string

// How visibility is decided. Where walcast follows what sub-selects of policies give, that
// will be one more.
const (
	ByNone     How = "none"     // no row-level security applies
	ByCompiled How = "compiled" // by an expression that is evaluated without Postgres
	ByAsked    How = "asked"    // Postgres is asked about each row
	ByHidden   How = "hidden"   // no row is shown, whatever is in it
)

// Visibility is what the subject may see of the table.
type Visibility struct {
	How      How          `json:"how"`
	Text     string       `json:"text"`
	Rules    []Expression `json:"rules,omitempty"` // compiled, by event
	Policies []Policy     `json:"policies,omitempty"`
	Asked    []Asked      `json:"asked,omitempty"`   // policies that Postgres is asked about
	Columns  []string     `json:"columns"`           // that a payload has
	Denied   []string     `json:"denied,omitempty"`  // that the role may not SELECT
	Ignored  []string     `json:"ignored,omitempty"` // that select leaves out
}

// Expression is the condition under which rows of some events are seen.
type Expression struct {
	Events []string `json:"events"`
	SQL    string   `json:"sql"`
}

// Policy is one that applies to the role for SELECT.
type Policy struct {
	Name       string `json:"name"`
	Permissive bool   `json:"permissive"`
	Using      string `json:"using"`
}

// Row is what becomes of the row.
type Row struct {
	Action    string             `json:"action"`
	Values    map[string]*string `json:"values"`              // as Postgres prints them; null is NULL
	Missing   []string           `json:"missing,omitempty"`   // columns that were not given, and count for NULL
	Unsent    []string           `json:"unsent,omitempty"`    // columns that were given, and are not published
	Checks    []Check            `json:"checks"`              // in the order in which they are made
	Record    []string           `json:"record,omitempty"`    // columns that the payload has of the new row
	OldRecord []string           `json:"oldRecord,omitempty"` // columns that it has of the old row of a DELETE

	order   []string // of the columns in the table
	keyOnly bool     // of a DELETE: nothing but the key is shown
}

// conclude says what the subject gets, and what says no.
func (a *Answer) conclude() {
	checks := slices.Clone(a.Binding.Checks)
	if a.Row != nil {
		checks = append(checks, a.Row.Checks...)
	}
	a.Gets = GetsRows
	if a.Row != nil {
		a.Gets = a.Row.gets()
	}
	for _, c := range checks {
		switch {
		case c.Verdict != No || c.isPolicy():
			continue
		case !a.isOfColumns(c.Code):
			a.Gets = GetsNothing
		case a.Gets != GetsNothing && (a.Row == nil || len(a.Row.OldRecord) == 0):
			a.Gets = GetsEvent
		}
		a.Because = append(a.Because, c.String())
	}
	if a.Visibility != nil && a.Visibility.How == ByHidden && a.Row == nil {
		a.Gets = GetsNothing
	}
}

// isOfColumns reports whether a problem is that the role may not SELECT what it would be
// shown: it gets an event, and nothing of the row.
func (a *Answer) isOfColumns(code string) bool {
	switch code {
	case protocol.CodeNotGranted, protocol.CodeKeyNotGranted:
		return true
	case protocol.CodeSchemaNotGranted:
		return a.Visibility != nil && a.Visibility.How == ByNone
	}
	return false
}

// gets is what there is to get of a row that nothing hides.
func (r *Row) gets() Gets {
	if r.keyOnly {
		return GetsKey
	}
	return GetsRow
}

// saysNo lists the policies that hide a row.
func saysNo(policies []Check) string {
	var hiding, letting []string
	lets := false
	for _, c := range policies {
		switch {
		case c.What == restrictive && c.Verdict == No:
			hiding = append(hiding, "restrictive policy "+c.Name+" hides it")
		case c.What == permissive:
			lets = lets || c.Verdict == Yes
			letting = append(letting, c.Name)
		}
	}
	switch {
	case len(letting) == 0:
		hiding = append(hiding, "no permissive policy applies to the role")
	case !lets:
		hiding = append(hiding, "no permissive policy lets it be seen: "+strings.Join(letting, ", "))
	}
	return strings.Join(hiding, "; ")
}
