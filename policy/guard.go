package policy

import (
	"sync"

	"walcast/filters"
	"walcast/policy/compile"
	"walcast/policy/sql"
	"walcast/replication/wal"
)

// guard is a subject's part in the match index. It keeps the newest rules of each
// table, bound to the subject.
type guard struct {
	tables  *tables
	subject *Subject

	mu    sync.Mutex
	bonds map[uint32]*bond // by OID
}

// mostBonds is how many bonds are kept for a subject; binding again costs microseconds.
const mostBonds = 1000

// bond is rules bound to a subject.
type bond struct {
	rules *rules
	err   error // not nil if Postgres must be asked
	where compile.Where
}

// Where returns the condition on rel's rows under which op is visible. It is nil if
// op is always visible, or if Verdict says Ask.
func (g *guard) Where(rel *wal.Relation, op wal.Operation) filters.Expr {
	if !g.subject.possible() {
		return nil
	}
	r := g.tables.of(rel, g.subject.Role).current()
	if r == nil || r.kind != byPolicies {
		return nil
	}
	b := g.bound(rel, r)
	if b.err != nil {
		return nil
	}
	return b.where[op]
}

// bound returns the rules bound to the subject.
func (g *guard) bound(rel *wal.Relation, r *rules) *bond {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b := g.bonds[rel.OID]; b != nil && b.rules == r {
		return b
	}
	if g.bonds == nil || len(g.bonds) >= mostBonds {
		g.bonds = map[uint32]*bond{}
	}
	b := newBond(rel, r, g.subject)
	g.bonds[rel.OID] = b
	return b
}

func newBond(rel *wal.Relation, r *rules, s *Subject) *bond {
	b := &bond{rules: r}
	if !r.compilable {
		b.err = sql.ErrUncertain
		return b
	}
	b.where, b.err = compile.Compile(compile.Source{
		Relation:    rel,
		Environment: &sql.Environment{Role: s.Role, Claims: s.Claims, Functions: r.functions},
		Column:      func(name string) compile.Column { return r.columns[name] },
	}, r.policies)
	return b
}

// holds evaluates the bound rules. It is not ok where only Postgres knows.
func (b *bond) holds(op wal.Operation, row wal.Row) (visible, ok bool) {
	if b.err != nil {
		return false, false
	}
	if b.where[op] == nil {
		return true, true
	}
	truth := b.where[op].Eval(row)
	return truth == filters.True, truth != filters.Undecided
}

// SeesOld reports whether the subject may get the whole old row of a change: the WAL
// has all of the row, and compiled policies let the subject see it. It is for tables
// with row-level security; of other tables everybody may get the old row.
func (t *tables) SeesOld(change *wal.Change, s *Subject) bool {
	rel := change.Relation
	if change.Old == nil || !rel.SendsWhole() && !change.Old.IsWhole() || !s.possible() {
		return false
	}
	r := t.of(rel, s.Role).current()
	if r == nil || r.kind != byPolicies {
		return false
	}
	visible, ok := s.guard.bound(rel, r).holds(wal.Delete, change.Old)
	return visible && ok
}
