package policy

import (
	"context"
	"slices"
	"time"

	"walcast/replication/wal"
)

// View is what a role may see of a relation without looking at rows.
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
	// Epoch counts how often the row-level security for this role has changed
	// under this very Relation, as happens when roles change. An index that has
	// asked guards before must Invalidate the relation when it grows, and when it
	// has its first view, before it has a verdict for the view.
	Epoch uint32
	// Since is where the WAL was when this was read for a Relation of which
	// something else was known before; 0 while nothing has changed. Rows that
	// committed before it may be older than the change, and are not to be judged
	// by this view.
	Since wal.LSN

	force  force
	newest bool // no later Relation of the table is known
}

func newView(rel *wal.Relation, f *facts) View {
	v := View{Columns: f.relation.Selectable, RowSecurity: f.relation.RowSecurity}
	if v.NoUsage = f.relation.Known && !f.relation.SchemaUsage; v.NoUsage && !f.relation.RowSecurity {
		v.Columns = make([]bool, len(rel.Columns)) // else who judges rows says so
	}
	v.NoPolicy = f.relation.Known && f.relation.RowSecurity && !slices.ContainsFunc(f.policies.stored, func(p policyRow) bool { return p.Permissive })
	any, allKeys := false, true
	for i, c := range rel.Columns {
		any = any || v.Columns[i]
		allKeys = allKeys && (!c.Key || v.Columns[i])
	}
	// Of a table that is gone nothing is known, not even that.
	v.Denied = f.relation.Known && (!allKeys || !any && !rel.HasKey())
	return v
}

// equal compares what was read, without the epoch.
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

// ViewWithin is View with another limit to its age, for who is about to be told
// what a role may not: the one who has just been granted it asks again.
func (t *tables) ViewWithin(ctx context.Context, rel *wal.Relation, s *Subject, age time.Duration) (*View, error) {
	if !s.possible() {
		return nil, &RoleError{Role: s.Role}
	}
	a := t.of(rel, s.Role)
	age = min(age, t.pg.config.AccessAge)
	v, unfit, ok := a.fresh(t.pg.now(), age)
	if !ok {
		var err error
		if v, unfit, err = a.load(ctx, t, rel, s.Role, age, t.readCatalog); err != nil {
			return nil, err
		}
	}
	if unfit != nil {
		return nil, unfit
	}
	v.Relation, v.newest = rel, t.isNewest(rel)
	return &v, nil
}

// Known is the view as it was read last, whatever its age, nil for a role that
// nobody can act as. It needs no I/O. It is not ok while there is none, or while
// it is read again as it is known to have changed.
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

// String is the verdict as metrics have it.
func (v Verdict) String() string {
	return [...]string{"open", "compiled", "ask"}[v]
}

// Verdict says how a row of the view's relation is checked for a subject. It
// needs no I/O. It is Compiled only when the rules of the view are still the
// current ones, as then the guards have what an index had from them since it was
// last told to Invalidate; otherwise Ask, and Visible knows them.
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

// Unjudged says why no row of the view's relation can be judged for a subject, as
// Visible says of each of them, or nil. It needs no I/O.
func (t *tables) Unjudged(v *View, s *Subject) error {
	r := t.of(v.Relation, s.Role).current()
	if r == nil || r.kind != byPolicies || r.statements.byRow != "" || r.statements.byKey != "" || s.guard.bound(v.Relation, r).err == nil {
		return nil
	}
	return r.statements.unjudged()
}
