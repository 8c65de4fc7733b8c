package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnknownRole means that nobody can act as a role: the database has none of
// that name, or walcast's user may not become it. It is wrapped by the *RoleError
// that names it.
var ErrUnknownRole = errors.New("role does not exist")

// RoleError is ErrUnknownRole as Postgres words it.
type RoleError struct {
	Role string
	// User is who may not become the role; "" when there is no such role.
	User   string
	member bool // but without the right to SET it
}

func (e *RoleError) Error() string {
	if e.User != "" {
		return fmt.Sprintf("permission denied to set role \"%s\"", e.Role)
	}
	return fmt.Sprintf("role \"%s\" does not exist", e.Role)
}

// Cure is the SQL after which the role can be acted as.
func (e *RoleError) Cure() string {
	role, user := pgx.Identifier{e.Role}.Sanitize(), pgx.Identifier{e.User}.Sanitize()
	switch {
	case e.User == "":
		return "CREATE ROLE " + role + " NOLOGIN;"
	case e.member: // from Postgres 16 on
		return "GRANT " + role + " TO " + user + " WITH SET TRUE;"
	}
	return "GRANT " + role + " TO " + user + ";"
}

// Unwrap makes the error an ErrUnknownRole.
func (e *RoleError) Unwrap() error { return ErrUnknownRole }

// AskError is how Postgres answered a question with an error: a policy that
// raised, or that it would not evaluate as the subject. It is the answer to its
// own question and worth no second try.
type AskError struct {
	Table    string // schema.table
	SQLState string
	Message  string // what anybody may be told

	text string // as it was raised, which may quote what nobody may see; for the log
}

func (e *AskError) Error() string { return e.Message }

// textInLog stands for the text of an error that code of users has raised.
const textInLog = "(the server's log has its text)"

// newAskError takes an answer of Postgres about a table.
func newAskError(table string, pg *pgconn.PgError) *AskError {
	e := &AskError{Table: table, SQLState: pg.Code, Message: textInLog, text: pg.Message}
	// These Postgres words itself, and names no more than what lacks a grant.
	if ownContext(pg) && (pg.Code == codeInsufficientPrivilege || pg.Code == codeQueryCanceled) {
		e.Message = pg.Message
	}
	return e
}

// ownContext reports whether an error was raised outside of any function of a
// user: Postgres says in which it was raised, and where in a JSON document.
func ownContext(pg *pgconn.PgError) bool {
	for line := range strings.Lines(pg.Where) {
		if !strings.HasPrefix(line, "JSON data, line ") {
			return false
		}
	}
	return true
}

// The SQLSTATEs that something is decided by.
const (
	codeInsufficientPrivilege  = "42501"
	codeUndefinedTable         = "42P01"
	codeUndefinedFunction      = "42883"
	codeUndefinedObject        = "42704"
	codeInvalidSchema          = "3F000"
	codeInvalidParameter       = "22023"
	codeCheckViolation         = "23514"
	codeWithCheckOption        = "44000"
	codeNotSupported           = "0A000"
	codeNotInRepertoire        = "22021"
	codeQueryCanceled          = "57014"
	codeNotInPrerequisiteState = "55000"
	codeDuplicateStatement     = "42P05"
)

// answer tells an answer of Postgres to the question that was asked from a
// connection that is lost. Only the latter is worth asking again.
func answer(err error) (*pgconn.PgError, bool) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC" {
		return nil, false
	}
	return pg, true
}
