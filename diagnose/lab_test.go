package diagnose

import (
	"fmt"
	"log/slog"
	"testing"

	"walcast/filters"
	"walcast/internal/devdb"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
)

// lab is a checker of a real database that believes nothing it has read before.
type lab struct {
	*testing.T
	db      *devdb.DB
	policy  *policy.Policy
	checker *Checker
}

func newLab(t *testing.T, statements ...string) *lab {
	t.Helper()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	for _, s := range statements {
		db.Exec(s)
	}
	p := policy.New(policy.DefaultConfig(), db.Pool, slog.New(slog.DiscardHandler), nil)
	c := NewChecker(catalog.New(db.Pool, []string{"rows"}), p, filters.Locale{}, policy.NewOperators(db.Pool, nil))
	c.believed = 0
	return &lab{t, db, p, c}
}

// parse reads bindings as a join has them.
func (l *lab) parse(bindings string) ([]Binding, *protocol.Problem) {
	l.Helper()
	join, err := protocol.ParseJoin("room", fmt.Appendf(nil, `{"config":{"postgres_changes":[%s]}}`, bindings))
	if err != nil {
		l.Fatalf("join with %s: %v", bindings, err)
	}
	return Parse(join.Bindings)
}

// check checks bindings of a role.
func (l *lab) check(role, bindings string) Finding {
	l.Helper()
	parsed, refused := l.parse(bindings)
	if refused != nil {
		return Finding{Refused: refused}
	}
	s := l.policy.Subject(role, fmt.Sprintf(`{"role":%q}`, role))
	defer l.policy.Release(s)
	found, err := l.checker.Check(l.Context(), s, parsed)
	if err != nil {
		l.Fatalf("Check(%s): %v", bindings, err)
	}
	return found
}

// lists reports whether the server knows publications of columns and schemas.
func (l *lab) lists() bool { return l.version() >= 150000 }

// refusesGenerated reports whether the server refuses UPDATE and DELETE of a published
// table with a generated column in its replica identity.
func (l *lab) refusesGenerated() bool { return l.version() >= 180000 }

func (l *lab) version() (number int) {
	l.Helper()
	if err := l.db.Pool.QueryRow(l.Context(), `select current_setting('server_version_num')::int`).Scan(&number); err != nil {
		l.Fatal(err)
	}
	return number
}
