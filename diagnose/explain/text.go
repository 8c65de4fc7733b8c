package explain

import (
	"fmt"
	"io"
	"strings"

	"walcast/diagnose"
)

// WriteText writes an answer for people.
func (a Answer) WriteText(w io.Writer) error {
	var b strings.Builder
	p := &printer{&b}
	p.line("database %s, Postgres %s", a.Database, a.Version)
	p.line("role %s, claims %s", a.Subject.Role, a.Subject.Claims)
	binding := fmt.Sprintf("table %s, event %s", a.Binding.Table, a.Binding.Event)
	if a.Binding.Filter != "" {
		binding += ", filter " + a.Binding.Filter
	}
	if a.Binding.Select != nil {
		binding += ", select " + strings.Join(a.Binding.Select, ", ")
	}
	p.line("%s", binding)
	p.title("what a join is told")
	p.checks(a.Binding.Checks)
	if len(a.Match) > 0 {
		p.title("how changes find it")
		for _, m := range a.Match {
			p.match(m)
		}
	}
	if a.Visibility != nil {
		p.visibility(*a.Visibility)
	}
	if a.Row != nil {
		p.row(*a.Row)
	}
	b.WriteString("\n")
	p.line("%s", a.sentence())
	for _, because := range a.Because {
		p.line("  %s", because)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sentence says what the subject gets.
func (a Answer) sentence() string {
	switch a.Gets {
	case GetsRow:
		return "the subject would get it"
	case GetsKey:
		return "the subject would get it, with the key alone: " + strings.Join(a.Row.OldRecord, ", ")
	case GetsEvent:
		return "the subject would not get it: an event comes without the row, with Error 401"
	case GetsRows:
		return "the subject gets the rows that the filter and the policies let through: ask about one with --row or --key"
	}
	if a.Row == nil {
		return "the subject gets nothing, whatever the row is"
	}
	return "the subject would not get it"
}

// printer writes lines, of which none has characters that a terminal acts on: names and
// values are chosen by others.
type printer struct{ to *strings.Builder }

func (p *printer) line(format string, args ...any) {
	p.to.WriteString(diagnose.OneLine(fmt.Sprintf(format, args...)))
	p.to.WriteByte('\n')
}

func (p *printer) title(text string) {
	p.to.WriteByte('\n')
	p.line("%s", text)
}

func (p *printer) checks(all []Check) {
	for _, c := range all {
		code := ""
		if c.Code != "" {
			code = " [" + c.Code + "]"
		}
		p.line("  %-7s %s%s", c.Verdict, c, code)
		if c.Fix != "" {
			p.line("          fix:  %s", c.Fix)
		}
		if c.Cost != "" {
			p.line("          cost: %s", c.Cost)
		}
	}
}

func (p *printer) match(m Match) {
	text := m.By
	switch {
	case m.By == "never":
		text = "no row matches"
	case m.By == "each" && m.Then == "":
		text = "every change of the table matches"
	case m.By == "each":
		text = "it is tried for each change of the table"
	case len(m.Lookups) > 0:
		text = lookupText(m.Lookups)
	}
	for _, other := range m.Others {
		text += ", or by " + lookupText(other) + ", whichever has fewer bindings"
	}
	if m.Then != "" {
		text += "; evaluated: " + m.Then
	}
	p.line("  %s: %s", strings.Join(m.Events, ", "), text)
	for _, a := range m.Asked {
		p.line("    Postgres decides %s: %s", a.Name, a.Why)
	}
}

// lookupText names look-ups, with what they stand for once.
func lookupText(lookups []Lookup) string {
	var texts []string
	for _, l := range lookups {
		texts = append(texts, l.By+" on "+l.Column)
	}
	return strings.Join(texts, " and ") + " (" + lookups[0].Condition + ")"
}

func (p *printer) visibility(v Visibility) {
	p.title("what the subject may see: " + string(v.How))
	p.line("  %s", v.Text)
	for _, r := range v.Rules {
		p.line("  %s: %s", strings.Join(r.Events, ", "), r.SQL)
	}
	for _, policy := range v.Policies {
		kind := restrictive
		if policy.Permissive {
			kind = permissive
		}
		p.line("  %s %s: %s", kind, policy.Name, policy.Using)
	}
	for _, a := range v.Asked {
		p.line("  asked, as policy %s %s", a.Name, a.Why)
	}
	columns := "columns: " + strings.Join(v.Columns, ", ")
	if len(v.Columns) == 0 {
		columns = "columns: none"
	}
	if len(v.Denied) > 0 {
		columns += "; the role may not SELECT " + strings.Join(v.Denied, ", ")
	}
	if len(v.Ignored) > 0 {
		columns += "; not selected: " + strings.Join(v.Ignored, ", ")
	}
	p.line("  %s", columns)
}

func (p *printer) row(r Row) {
	p.title("the row, by " + r.Action)
	var values []string
	for _, name := range r.order {
		text := "NULL"
		if v := r.Values[name]; v != nil {
			text = *v
		}
		values = append(values, name+"="+text)
	}
	p.line("  %s", strings.Join(values, " "))
	if len(r.Missing) > 0 {
		p.line("  not given, taken for NULL: %s", strings.Join(r.Missing, ", "))
	}
	if len(r.Unsent) > 0 {
		p.line("  given, and not published: %s", strings.Join(r.Unsent, ", "))
	}
	p.checks(r.Checks)
}
