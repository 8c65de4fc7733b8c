package diagnose

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// Finding is what a check of bindings came to.
type Finding struct {
	Refused  *protocol.Problem  // why none of the bindings can work
	Absent   *Binding           // the one without a published table, if that is why
	Warnings []protocol.Problem // each once, and no more than are told
}

// warningsTold is how many warnings a client gets: a binding with wildcards may
// have some for each of many tables.
const warningsTold = 10

func (f *Finding) warn(warnings []protocol.Problem) {
	for _, w := range warnings {
		if len(f.Warnings) < warningsTold && !slices.Contains(f.Warnings, w) {
			f.Warnings = append(f.Warnings, w)
		}
	}
}

// Check is the check of a join's bindings, which goes on for as long as somebody
// takes steps of it. It belongs to one goroutine at a time.
type Check struct {
	checker  *Checker
	subject  *policy.Subject
	bindings []Binding // still to be checked
	of       selection // the first of these
	rest     []*wal.Relation
	begun    bool // rest is the tables of the first that are still to be checked
	clean    bool // nothing was wrong with the first so far
	found    Finding
}

// Begin returns a check of every binding of a subject, until one cannot work.
func (c *Checker) Begin(s *policy.Subject, bindings []Binding) *Check {
	return &Check{checker: c, subject: s, bindings: bindings}
}

// Finding is what the steps so far came to.
func (k *Check) Finding() Finding { return k.found }

// Step checks one binding against one table. It reports whether that was the
// last. An error means that the database did not answer; the step may be taken
// again.
func (k *Check) Step(ctx context.Context) (done bool, err error) {
	if len(k.bindings) == 0 {
		return true, nil
	}
	b := &k.bindings[0]
	if !k.begun {
		if k.of = selectionOf(k.subject, b); k.checker.isFine(k.of, time.Now()) {
			return k.advance(), nil
		}
		if err := k.look(ctx, b); err != nil || k.found.Refused != nil {
			return k.found.Refused != nil, err
		}
	}
	warnings, refused, err := k.checker.checkTable(ctx, k.subject, b, k.rest[0])
	if err != nil || refused != nil {
		k.found.Refused = refused
		return refused != nil, err
	}
	k.found.warn(warnings)
	k.clean = k.clean && len(warnings) == 0
	if k.rest = k.rest[1:]; len(k.rest) > 0 {
		return false, nil
	}
	if k.clean {
		k.checker.fine(k.of, time.Now())
	}
	return k.advance(), nil
}

// look finds the tables of a binding.
func (k *Check) look(ctx context.Context, b *Binding) error {
	relations, err := k.checker.tables.published(ctx, nameOf(b), k.checker.believed)
	if err != nil {
		return err
	}
	if len(relations) == 0 {
		refused, err := k.checker.absent(ctx, k.subject, b)
		if err == nil {
			k.found.Absent, k.found.Refused = b, refused
		}
		return err
	}
	k.rest, k.begun, k.clean = relations, true, true
	return nil
}

// advance goes on to the next binding. It reports whether there is none.
func (k *Check) advance() (done bool) {
	k.rest, k.begun = nil, false
	k.bindings = k.bindings[1:]
	return len(k.bindings) == 0
}

// selection is what a subject asks for with a binding, and all that its check
// depends on.
type selection struct {
	subject              *policy.Subject
	event, schema, table string
	filter, selected     string
}

func selectionOf(s *policy.Subject, b *Binding) selection {
	var selected strings.Builder
	for _, column := range b.Spec.Select {
		selected.WriteString(strconv.Itoa(len(column)))
		selected.WriteByte(':')
		selected.WriteString(column)
	}
	return selection{subject: s, event: b.Spec.Event, schema: b.Spec.Schema, table: b.Spec.Table, filter: b.Spec.Filter, selected: selected.String()}
}

// size is what a selection holds in memory, in bytes. The claims of its subject
// may be held by it alone.
func (s selection) size() int {
	return len(s.event) + len(s.schema) + len(s.table) + len(s.filter) + len(s.selected) + len(s.subject.Role) + len(s.subject.Claims)
}

// clone is the selection with memory of its own: its texts are parts of a join's
// payload.
func (s selection) clone() selection {
	for _, text := range []*string{&s.event, &s.schema, &s.table, &s.filter} {
		*text = strings.Clone(*text)
	}
	return s
}
