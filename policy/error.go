package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnknownRole means that the database has no such role (SQLSTATE 42704). It
// is wrapped by the *RoleError that names it.
var ErrUnknownRole = errors.New("role does not exist")

// RoleError is ErrUnknownRole as Postgres words it.
type RoleError struct{ Role string }

func (e *RoleError) Error() string { return fmt.Sprintf("role \"%s\" does not exist", e.Role) }

// Unwrap makes the error an ErrUnknownRole.
func (e *RoleError) Unwrap() error { return ErrUnknownRole }

// AskError is a policy that raised, or that Postgres would not evaluate as the
// subject.
type AskError struct {
	Table    string // schema.table
	SQLState string
	Message  string
}

func (e *AskError) Error() string { return e.Message }

// The SQLSTATEs that something is decided by.
const (
	codeInsufficientPrivilege = "42501"
	codeUndefinedTable        = "42P01"
	codeUndefinedFunction     = "42883"
	codeUndefinedObject       = "42704"
	codeInvalidSchema         = "3F000"
	codeInvalidParameter      = "22023"
	codeCheckViolation        = "23514"
	codeQueryCanceled         = "57014"
	codeDuplicateStatement    = "42P05"
)

// answer tells an answer of Postgres about the question asked from a server
// that could not answer: the latter is worth asking again.
func answer(err error) (*pgconn.PgError, bool) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return nil, false
	}
	if pg.Code == codeQueryCanceled { // by the statement timeout: too slow is an answer
		return pg, true
	}
	for _, class := range []string{"08", "40", "53", "57", "58", "XX"} {
		if strings.HasPrefix(pg.Code, class) {
			return nil, false
		}
	}
	return pg, true
}
