package doctor

import (
	"cmp"
	"fmt"
	"slices"
)

// Verdict is how bad a finding is.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"      // as it should be, or worth knowing
	Warning Verdict = "warning" // works, and not as one may expect, or not for ever
	Problem Verdict = "problem" // changes do not come, or the application's writes fail
)

// Kind is what a finding is about.
type Kind string

// The kinds, in the order in which they are examined.
const (
	Server      Kind = "server"
	Setting     Kind = "setting"
	Role        Kind = "role"
	Slot        Kind = "slot"
	Publication Kind = "publication"
	Table       Kind = "table"
)

// About is the thing that a finding is about. The name of a table is schema.table.
type About struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

func (a About) String() string { return string(a.Kind) + " " + a.Name }

// Finding is the result of one check. Its texts name objects and settings, and have no
// secrets and no rows.
type Finding struct {
	Code    string  `json:"code"` // for programs, see docs/operations.md
	Verdict Verdict `json:"verdict"`
	About   About   `json:"about"`
	Reason  string  `json:"reason"`            // a sentence
	Fix     string  `json:"fix,omitempty"`     // SQL that mends it
	Cost    string  `json:"cost,omitempty"`    // what else Fix does
	By      string  `json:"by,omitempty"`      // who may run Fix
	Advice  string  `json:"advice,omitempty"`  // what to do where SQL does not mend it, or why none is given
	Restart bool    `json:"restart,omitempty"` // it takes a restart of Postgres
}

// Report is the result of an examination.
type Report struct {
	Database string    `json:"database"`           // its name
	Version  string    `json:"version"`            // of Postgres
	Platform string    `json:"platform,omitempty"` // the managed service, where it can be told
	Findings []Finding `json:"findings"`
}

// Count is how many findings there are of a verdict.
func (r Report) Count(v Verdict) (n int) {
	for _, f := range r.Findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// IsHealthy reports whether there is neither a problem nor a warning.
func (r Report) IsHealthy() bool { return r.Count(Problem)+r.Count(Warning) == 0 }

// add adds findings, each once.
func (r *Report) add(findings ...Finding) {
	for _, f := range findings {
		if !slices.Contains(r.Findings, f) {
			r.Findings = append(r.Findings, f)
		}
	}
}

func found(v Verdict, code string, kind Kind, name, format string, args ...any) Finding {
	return Finding{Code: code, Verdict: v, About: About{kind, name}, Reason: fmt.Sprintf(format, args...)}
}

func fine(code string, kind Kind, name, format string, args ...any) Finding {
	return found(OK, code, kind, name, format, args...)
}

func warning(code string, kind Kind, name, format string, args ...any) Finding {
	return found(Warning, code, kind, name, format, args...)
}

func problem(code string, kind Kind, name, format string, args ...any) Finding {
	return found(Problem, code, kind, name, format, args...)
}

// cured gives a finding the SQL that mends it, with what else that does. Without SQL the
// cost says why there is none, which is advice.
func (f Finding) cured(fix, cost, by string) Finding {
	if fix == "" {
		f.Advice = cmp.Or(f.Advice, cost)
		return f
	}
	f.Fix, f.Cost, f.By = fix, cost, by
	return f
}

// advised gives a finding what to do where no SQL mends it.
func (f Finding) advised(format string, args ...any) Finding {
	f.Advice = fmt.Sprintf(format, args...)
	return f
}
