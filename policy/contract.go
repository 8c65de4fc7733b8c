package policy

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/filters"
	"walcast/replication"
)

// Subject is who a channel acts as: a database role and claims. Equal subjects
// are one pointer as long as somebody holds them. It is immutable.
type Subject struct {
	Role   string
	Claims string // the claims object as JSON text
}

// Policy answers questions of visibility. It is safe for concurrent use.
type Policy struct{}

// New returns a policy that asks over pool. It starts no goroutine.
func New(pool *pgxpool.Pool, logger *slog.Logger, reg prometheus.Registerer) *Policy {
	panic("contract")
}

// Subject returns the one value for equal role and claims; each call must be
// matched by one Release. Claims that differ only in iat and exp are equal
// only if no policy could tell, so they are kept apart.
func (p *Policy) Subject(role, claims string) *Subject { panic("contract") }

// Release gives a subject back.
func (p *Policy) Release(s *Subject) { panic("contract") }

// View is what a role may see of a relation without looking at rows.
type View struct {
	Relation *replication.Relation
	// Columns has a bit for each column that the role may SELECT.
	Columns []bool
	// Denied is set when the role may not SELECT all key columns, or nothing at
	// all of a table without a key: only the 401 frame of wire reference 4.11.
	Denied bool
	// RowSecurity says that rows must be checked for this role: the table has
	// RLS enabled and neither the role nor ownership bypasses it.
	RowSecurity bool
}

// View returns what the subject's role may see of the relation, from the cache
// when the relation (by pointer, see replication.Relation) is known and the
// role-dependent part is younger than 30 s, otherwise from the catalog. An
// error means that Postgres could not be asked; nothing may be shown then.
func (p *Policy) View(ctx context.Context, rel *replication.Relation, s *Subject) (*View, error) {
	panic("contract")
}

// Guard returns the subject's guard for the match index: its Where gives the
// compiled row-level security of a relation, nil if there is none or it cannot
// be compiled (then Visible must be asked).
func (p *Policy) Guard(s *Subject) filters.Guard { panic("contract") }

// Verdict says how rows of a relation are checked for a subject.
type Verdict uint8

// The verdicts.
const (
	Open     Verdict = iota // no row-level security applies
	Compiled                // the guard has decided
	Ask                     // Visible must be asked
)

// Verdict needs no I/O once View has been called for the relation.
func (p *Policy) Verdict(rel *replication.Relation, s *Subject) Verdict { panic("contract") }

// Visible asks Postgres, as the subject, which of the changes it may see: one
// statement for the whole batch of a relation. A change whose check raised is
// reported in errs at its index (*AskError) and is not visible.
func (p *Policy) Visible(ctx context.Context, s *Subject, changes []*replication.Change) (visible []bool, errs map[int]error, err error) {
	panic("contract")
}

// AskError is a policy that raised.
type AskError struct {
	Table    string
	SQLState string
	Message  string
}

func (e *AskError) Error() string { return e.Message }
