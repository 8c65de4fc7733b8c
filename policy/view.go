package policy

import (
	"context"
	"slices"
	"time"

	"walcast/replication/wal"
)

// View is what a role may see of a relation, as far as that does not depend on rows.
type View struct {
	Relation *wal.Relation
	// Columns has a bit for each column that the role may SELECT.
	Columns []bool
	// Denied is set when the role may not SELECT all key columns, or nothing at
	// all of a table without a key: its changes come without their rows.
	Denied bool
	// RowSecurity says that rows must be checked for this role: the table has
	// RLS enabled and neither the role nor ownership bypasses it.
	RowSecurity bool
	// NoPolicy says that row-level security hides all rows, as no policy lets
	// the role SELECT any; NoUsage that the role may not look into the schema, so
	// that Postgres shows it no row, whatever it may SELECT.
	NoPolicy, NoUsage bool
	// Epoch counts how often the row-level security for this role has changed for
	// this very Relation, as it does when roles change. An index that has used guards
	// must Invalidate the relation when Epoch grows, and at the first view, before it
	// asks for a Verdict.
	Epoch uint32
	// Since is the position of the WAL when a change of the view was read for this
	// Relation; 0 if it has not changed. Which rows are older is told by Judges.
	Since wal.LSN
	Reads Reads
	Fingerprints

	force       force
	unexplained wal.LSN // rows that were committed before are not judged either
}

func newView(rel *wal.Relation, f *facts) View {
	v := View{Columns: f.relation.Selectable, RowSecurity: f.relation.RowSecurity, Reads: f.reads}
	if v.NoUsage = f.relation.Known && !f.relation.SchemaUsage; v.NoUsage && !f.relation.RowSecurity {
		v.Columns = make([]bool, len(rel.Columns)) // with row-level security, asking about rows says so
	}
	v.NoPolicy = f.relation.Known && f.relation.RowSecurity && !slices.ContainsFunc(f.policies.stored, func(p policyRow) bool { return p.Permissive })
	any, allKeys := false, true
	for i, c := range rel.Columns {
		any = any || v.Columns[i]
		allKeys = allKeys && (!c.Key || v.Columns[i])
	}
	// Of a table that was dropped it is not known whether it was denied.
	v.Denied = f.relation.Known && (!allKeys || !any && !rel.HasKey())
	return v
}

// equal compares what was read from the catalog.
func (v View) equal(o View) bool {
	return slices.Equal(v.Columns, o.Columns) && v.Denied == o.Denied && v.RowSecurity == o.RowSecurity &&
		v.NoPolicy == o.NoPolicy && v.NoUsage == o.NoUsage
}

// View returns what the subject's role may see of the relation, from the cache
// when the relation (by pointer, see wal.Relation) is known and the
// role-dependent part is younger than Config.AccessAge, otherwise from the
// catalog. A role that nobody can act as is ErrUnknownRole (*RoleError), and a
// catalog that cannot be read an *AskError; any other error means that Postgres
// could not be asked. Nothing may be shown then.
func (t *tables) View(ctx context.Context, rel *wal.Relation, s *Subject) (*View, error) {
	return t.ViewWithin(ctx, rel, s, t.pg.config.AccessAge)
}

// ViewWithin is View with a lower limit to its age. It is for telling clients what a
// role may not do, as they try again as soon as they were granted it.
func (t *tables) ViewWithin(ctx context.Context, rel *wal.Relation, s *Subject, age time.Duration) (*View, error) {
	if !s.possible() {
		return nil, &RoleError{Role: s.Role}
	}
	a := t.of(rel, s.Role)
	age = min(age, t.pg.config.AccessAge)
	v, unfit, ok := a.fresh(t.pg.now(), age)
	if !ok {
		var err error
		if v, unfit, err = t.fetch(ctx, a, rel, s.Role, age, t.readCatalog); err != nil {
			return nil, err
		}
	}
	if unfit != nil {
		return nil, unfit
	}
	v.Relation = rel
	return &v, nil
}

// fetch has a view read, and waits for a look if it is not confirmed.
func (t *tables) fetch(ctx context.Context, a *access, rel *wal.Relation, role string, age time.Duration, read catalogReader) (v View, unfit *RoleError, err error) {
	v, unfit, err = a.load(ctx, t, rel, role, age, read)
	if err != nil || a.isConfirmed() {
		return v, unfit, err
	}
	_, _ = t.looks.Confirm(ctx, t.pg.now()) // if looks fail, what was read is as good as without them
	if ctx.Err() != nil {
		return View{}, nil, ctx.Err()
	}
	a.settle()
	v, unfit, _ = a.known()
	return v, unfit, nil
}

// Known returns the view as it was last read, whatever its age, or nil for a role that
// nobody can act as. It needs no I/O. It is not ok while nothing was read, or while
// the view is known to have changed and is being read again.
func (t *tables) Known(rel *wal.Relation, s *Subject) (view *View, ok bool) {
	if !s.possible() {
		return nil, true
	}
	v, unfit, ok := t.of(rel, s.Role).known()
	if !ok || unfit != nil {
		return nil, ok
	}
	v.Relation = rel
	return &v, true
}

// Verdict says how rows of a relation are checked for a subject.
type Verdict uint8

// The verdicts.
const (
	Open     Verdict = iota // no row-level security applies
	Compiled                // the guard has decided
	Ask                     // Visible must be asked
)

// String returns the verdict as a label of metrics.
func (v Verdict) String() string {
	return [...]string{"open", "compiled", "ask"}[v]
}

// Verdict says how rows of the view's relation are checked for a subject. It needs no
// I/O. It is Compiled only if the rules of the view are still the current ones: then
// guards still give an index the conditions that it has had since Invalidate. If
// not, it is Ask, as Visible goes by the current rules.
func (t *tables) Verdict(v *View, s *Subject) Verdict {
	if !s.possible() {
		return Ask
	}
	a := t.of(v.Relation, s.Role)
	r := a.current()
	switch {
	case r == nil || a.unfit():
		return Ask
	case r.kind == openToAll:
		return Open
	case r.kind == byPolicies && a.trusted(v.Epoch) && s.guard.bound(v.Relation, r).err == nil:
		return Compiled
	}
	return Ask
}

// Unjudged returns why no row of the view's relation can be judged for a subject, the
// error that Visible would return for each row, or nil. It needs no I/O.
func (t *tables) Unjudged(v *View, s *Subject) error {
	r := t.of(v.Relation, s.Role).current()
	if r == nil || r.kind != byPolicies || r.statements.byRow != "" || r.statements.byKey != "" || s.guard.bound(v.Relation, r).err == nil {
		return nil
	}
	return r.statements.unjudged()
}
