package diagnose

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// Finding is the result of a check of bindings.
type Finding struct {
	Refused  *protocol.Problem  // why none of the bindings can work
	Absent   *Binding           // the binding without a published table, if that is why
	Warnings []protocol.Problem // each once, at most warningsTold
	// Broken are the bindings that cannot work, and Refusals why, each reason once and at
	// most warningsTold. Only a second look finds them all, others end with the first.
	Broken   []*protocol.Binding
	Refusals []protocol.Problem
	// Relations are, by OID and perhaps more than once, the tables of whose changes the
	// result depends, beside the publications, roles and schemas.
	Relations []uint32
	// Covered are, by OID and perhaps more than once, the tables that bindings with
	// wildcards stand for and of which the role gets rows. A second look has those of
	// before too.
	Covered []uint32
}

// warningsTold is how many warnings a client gets at most, as a binding with
// wildcards may have warnings for each of many tables.
const warningsTold = 10

func (f *Finding) warn(warnings []protocol.Problem) {
	for _, w := range warnings {
		if len(f.Warnings) < warningsTold && !slices.Contains(f.Warnings, w) {
			f.Warnings = append(f.Warnings, w)
		}
	}
}

// refuse notes that a binding cannot work.
func (f *Finding) refuse(b *Binding, p *protocol.Problem, absent *Binding) {
	if f.Refused == nil {
		f.Refused, f.Absent = p, absent
	}
	f.Broken = append(f.Broken, b.Spec)
	if len(f.Refusals) < warningsTold && !slices.Contains(f.Refusals, *p) {
		f.Refusals = append(f.Refusals, *p)
	}
}

// Check is the check of a join's bindings, which its owner does step by step. It
// must not be used by two goroutines at once.
type Check struct {
	checker  *Checker
	resolve  resolver
	isSecond bool // it goes on after a binding that cannot work
	subject  *policy.Subject
	bindings []Binding                    // still to be checked
	of       selection                    // what the first of bindings selects
	rest     []*wal.Relation              // the tables that the first of bindings is still to be checked against; none before it is begun
	partly   map[uint32]catalog.Publishes // those of rest of which not all changes are published
	before   []uint32                     // tables that were covered before, sorted
	clean    bool                         // the first of bindings has no problem so far
	began    time.Time                    // when the check of the first of bindings began
	fresh    *Checker                     // by which it is checked anew, as it had a problem; nil before
	first    checked                      // what the result for the first of bindings depends on, as far as it is known
	found    Finding
}

// Begin returns a check of a subject's bindings, which ends at the first binding that
// cannot work.
func (c *Checker) Begin(s *policy.Subject, bindings []Binding) *Check {
	return &Check{checker: c, resolve: c.values, subject: s, bindings: bindings}
}

// BeginAgain returns a second look at a subject's bindings, which worked: whether each
// of them still does. covered are those of the Finding before, sorted. Nothing is believed
// that was learnt before the time. What it asks the database depends on tables, roles and
// columns, and not on how many bindings or subjects there are: of the values of filters it
// finds those that no longer fit the type of their column, unless only Postgres can tell.
func (c *Checker) BeginAgain(s *policy.Subject, bindings []Binding, covered []uint32, since time.Time) *Check {
	fresh := *c
	fresh.believed = time.Since(since)
	return &Check{checker: &fresh, resolve: fresh.certain, isSecond: true, subject: s, bindings: bindings, before: covered, found: Finding{Covered: slices.Clone(covered)}}
}

// Finding returns the result of the steps so far.
func (k *Check) Finding() Finding { return k.found }

// Step checks one binding against one table. It reports whether the check is done. An
// error means that the database did not answer; Step may then be called again.
func (k *Check) Step(ctx context.Context) (done bool, err error) {
	if len(k.bindings) == 0 {
		return true, nil
	}
	b := &k.bindings[0]
	if len(k.rest) == 0 {
		k.of = selectionOf(k.subject, b)
		if k.fresh == nil {
			k.began = time.Now()
		}
		if last, ok := k.by().isFine(k.of, time.Now()); ok && !k.isSecond {
			k.first = last
			return k.advance(), nil
		}
		refused, err := k.look(ctx, b)
		switch {
		case err != nil:
			return false, err
		case refused != nil:
			return k.refuse(refused, b), nil
		}
	}
	warnings, refused, err := k.by().checkTable(ctx, k.subject, b, k.rest[0], k.resolve)
	switch {
	case err != nil:
		return false, err
	case refused != nil && !k.isSecond && k.fresh == nil:
		k.doubt()
		return false, nil
	case refused != nil:
		return k.refuse(refused, nil), nil
	}
	if b.isWild() {
		lost, err := k.cover(ctx, k.rest[0])
		if err != nil {
			return false, err
		}
		warnings = append(warnings, lost...)
	}
	warnings = append(warnings, eventWarnings(b, k.rest[0], k.partly)...)
	k.found.warn(warnings)
	k.clean = k.clean && len(warnings) == 0
	if k.rest = k.rest[1:]; len(k.rest) > 0 {
		return false, nil
	}
	if k.clean && !k.isSecond {
		k.first.at = time.Now()
		k.by().fine(k.of, k.first)
	}
	return k.advance(), nil
}

// by is the checker by which the first of the bindings is checked.
func (k *Check) by() *Checker {
	if k.fresh != nil {
		return k.fresh
	}
	return k.checker
}

// doubt has the first of the bindings checked anew: it is refused by nothing that was learnt
// before its check began, as the table may be another one by now.
func (k *Check) doubt() {
	fresh := *k.checker
	fresh.believed = time.Since(k.began)
	k.fresh, k.rest, k.first = &fresh, nil, checked{}
}

// coveredMost bounds of how many tables a binding with wildcards is told that it lost
// them, as every channel remembers them.
const coveredMost = 1000

// cover notes that the first of the bindings, which has wildcards, stands for a table if
// the role gets rows of it. It warns where the role did before, and does not now.
func (k *Check) cover(ctx context.Context, rel *wal.Relation) (lost []protocol.Problem, err error) {
	view, err := k.by().policy.ViewWithin(ctx, rel, k.subject, k.by().believed)
	if err != nil {
		return nil, err
	}
	problems := append(grantWarnings(rel, view, k.subject.Role), rowWarnings(rel, view, k.subject.Role, k.by().policy.Unjudged(view, k.subject))...)
	_, isKnown := slices.BinarySearch(k.before, rel.OID)
	if isKnown || len(problems) == 0 && len(k.first.in) < coveredMost {
		k.first.in = append(k.first.in, rel.OID)
	}
	switch {
	case !isKnown || len(problems) == 0:
		return nil, nil
	case view.NoUsage:
		return []protocol.Problem{lostSchema(rel, k.subject.Role)}, nil
	}
	return problems, nil
}

// look finds the tables that a binding is to be checked against, or why there are
// none.
func (k *Check) look(ctx context.Context, b *Binding) (refused *protocol.Problem, err error) {
	relations, partly, err := k.by().tables.published(ctx, b.TableName(), k.by().believed)
	if err != nil {
		return nil, err
	}
	if len(relations) == 0 {
		return k.by().absent(ctx, k.subject, b)
	}
	k.rest, k.partly, k.clean = relations, partly, true
	if !b.isWild() || len(b.Filter) > 0 { // else it stands for whatever there is
		k.first.on = make([]uint32, len(relations))
		for i, rel := range relations {
			k.first.on[i] = rel.OID
		}
	}
	return nil, nil
}

// refuse notes that the first of the bindings cannot work. It reports whether the
// check is done.
func (k *Check) refuse(p *protocol.Problem, absent *Binding) (done bool) {
	k.found.refuse(&k.bindings[0], p, absent)
	return k.advance() || !k.isSecond
}

// advance goes on to the next binding. It reports whether there is no other.
func (k *Check) advance() (done bool) {
	if n := len(k.found.Relations); n == 0 || len(k.first.on) != 1 || k.found.Relations[n-1] != k.first.on[0] { // most bindings are on the table of the one before
		k.found.Relations = append(k.found.Relations, k.first.on...)
	}
	k.found.Relations = append(k.found.Relations, k.first.in...)
	for _, table := range k.first.in {
		if _, isKnown := slices.BinarySearch(k.before, table); !isKnown {
			k.found.Covered = append(k.found.Covered, table)
		}
	}
	k.rest, k.first, k.fresh = nil, checked{}, nil
	k.bindings = k.bindings[1:]
	return len(k.bindings) == 0
}

// selection is what a subject selects by a binding. The result of the check depends
// on nothing else of the binding.
type selection struct {
	subject              *policy.Subject
	event, schema, table string
	filter, selected     string
	snapshot             string
}

func selectionOf(s *policy.Subject, b *Binding) selection {
	var selected strings.Builder
	for _, column := range b.Spec.Select {
		selected.WriteString(strconv.Itoa(len(column)))
		selected.WriteByte(':')
		selected.WriteString(column)
	}
	return selection{subject: s, event: b.Spec.Event, schema: b.Spec.Schema, table: b.Spec.Table, filter: b.Spec.Filter, selected: selected.String(), snapshot: b.snapshotIdentity()}
}

// size returns the memory of a selection in bytes. It includes the subject's claims,
// which nothing else may hold.
func (s selection) size() int {
	return len(s.event) + len(s.schema) + len(s.table) + len(s.filter) + len(s.selected) + len(s.snapshot) + len(s.subject.Role) + len(s.subject.Claims)
}

// clone returns a selection whose texts have memory of their own. They are parts of a
// join's payload otherwise, which would stay in memory with them.
func (s selection) clone() selection {
	for _, text := range []*string{&s.event, &s.schema, &s.table, &s.filter} {
		*text = strings.Clone(*text)
	}
	return s
}
