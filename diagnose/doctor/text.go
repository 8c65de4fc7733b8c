package doctor

import (
	"fmt"
	"io"
	"strings"

	"walcast/diagnose"
)

// WriteText writes a report for people: what is wrong first, with what mends it, then what
// is as it should be.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "database %s, Postgres %s", diagnose.OneLine(r.Database), r.Version)
	if r.Platform != "" {
		fmt.Fprintf(&b, ", %s", r.Platform)
	}
	b.WriteString("\n")
	for _, group := range []struct {
		verdict Verdict
		title   string
	}{{Problem, "problems"}, {Warning, "warnings"}, {OK, "ok"}} {
		if r.Count(group.verdict) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", group.title)
		for _, f := range r.Findings {
			if f.Verdict == group.verdict {
				f.write(&b)
			}
		}
	}
	fmt.Fprintf(&b, "\n%d problems, %d warnings, %d ok\n", r.Count(Problem), r.Count(Warning), r.Count(OK))
	_, err := io.WriteString(w, b.String())
	return err
}

// write writes a finding, of which each part has a line.
func (f Finding) write(b *strings.Builder) {
	fmt.Fprintf(b, "  %s: %s [%s]\n", diagnose.OneLine(f.About.String()), diagnose.OneLine(f.Reason), f.Code)
	for _, part := range []struct{ label, text string }{{"fix", f.Fix}, {"as", f.By}, {"cost", f.Cost}, {"do", f.Advice}} {
		if part.text != "" {
			fmt.Fprintf(b, "    %-5s %s\n", part.label+":", diagnose.OneLine(part.text))
		}
	}
	if f.Restart {
		fmt.Fprintf(b, "    %-5s it takes a restart of Postgres\n", "then:")
	}
}

// WriteScript writes the SQL of problems and warnings as a script for psql. Statements
// that do more than mend are commented out, with what that is, so that whoever runs the
// script has read it.
func (r Report) WriteScript(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "-- What walcast doctor found in database %s. Nothing of it was run.\n-- Statements that do more than mend are commented out: read what they cost, then take the dashes away.\n", diagnose.OneLine(r.Database))
	written := map[string]bool{}
	for _, v := range []Verdict{Problem, Warning} {
		for _, f := range r.Findings {
			if f.Verdict == v {
				f.script(&b, written)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// script writes a finding as comments, and its SQL, which is written once.
func (f Finding) script(b *strings.Builder, written map[string]bool) {
	fmt.Fprintf(b, "\n-- %s: %s: %s\n", f.Verdict, diagnose.OneLine(f.About.String()), diagnose.OneLine(f.Reason))
	for _, part := range []struct{ label, text string }{{"run it as", f.By}, {"it costs", f.Cost}, {"do", f.Advice}} {
		if part.text != "" {
			fmt.Fprintf(b, "-- %s: %s\n", part.label, diagnose.OneLine(part.text))
		}
	}
	if f.Restart {
		b.WriteString("-- then restart Postgres\n")
	}
	switch {
	case f.Fix == "":
	case written[f.Fix]:
		b.WriteString("-- (the statement is above)\n")
	case f.Cost != "" || diagnose.OneLine(f.Fix) != f.Fix:
		fmt.Fprintf(b, "-- %s\n", diagnose.OneLine(f.Fix))
	default:
		fmt.Fprintf(b, "%s\n", f.Fix)
	}
	if f.Fix != "" {
		written[f.Fix] = true
	}
}
