package policy

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnknownRole means that nobody can act as a role: the database has no role of
// that name, or walcast's user may not become it. The error is a *RoleError, which
// names the role.
var ErrUnknownRole = errors.New("role does not exist")

// RoleError is ErrUnknownRole as Postgres words it.
type RoleError struct {
	Role string
	// User is the user that may not become the role; "" if there is no such role.
	User   string
	member bool // User is, or may be, a member of the role without the SET option
}

func (e *RoleError) Error() string {
	if e.User != "" {
		return fmt.Sprintf("permission denied to set role \"%s\"", e.Role)
	}
	return fmt.Sprintf("role \"%s\" does not exist", e.Role)
}

// Cure returns the SQL after which clients can act as the role.
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

// Cost returns what Cure does beside that.
func (e *RoleError) Cost() string {
	if e.User == "" {
		return "tokens that name the role are let in then, with what it is granted, which is nothing at first"
	}
	return "walcast's role has the rights of that role then"
}

// Unwrap makes the error an ErrUnknownRole.
func (e *RoleError) Unwrap() error { return ErrUnknownRole }

// AskError is an error that Postgres answered with: a policy raised, or could not be
// evaluated as the subject. Asking again would give the same answer.
type AskError struct {
	Table    string // schema.table
	SQLState string
	Message  string // for clients

	text   string // for the log: as raised, which may quote rows that clients may not see
	advice string // for the log, "" where none is known
	cure   string
}

func (e *AskError) Error() string { return e.Message }

// Text is the error as it was raised, which may quote rows. It is for the owner of the
// database alone.
func (e *AskError) Text() string { return cmp.Or(e.text, e.Message) }

// Cure returns the SQL after which Postgres would answer, "" where none is known.
func (e *AskError) Cure() string { return e.cure }

// TimedOut reports whether Postgres took longer than policy-timeout.
func (e *AskError) TimedOut() bool { return e.SQLState == codeQueryCanceled }

// textInLog is told to clients instead of the text that code of users has raised.
const textInLog = "(the server's log has its text)"

// newAskError makes an error of Postgres about a table an AskError.
func newAskError(table string, pg *pgconn.PgError) *AskError {
	e := &AskError{Table: table, SQLState: pg.Code, Message: textInLog, text: pg.Message}
	// Postgres itself words these errors, which name at most the object without a
	// grant.
	if ownContext(pg) && (pg.Code == codeInsufficientPrivilege || pg.Code == codeQueryCanceled) {
		e.Message = pg.Message
	}
	if (pg.Code == codeUntranslatable || pg.Code == codeNotInRepertoire) && ownContext(pg) {
		e.Message, e.advice = untranslatable, untranslatableAdvice
	}
	return e
}

// Postgres does not take back a value in which bytes were that are no text: they are
// sent with U+FFFD, for which most encodings but UTF8 have no character.
const (
	untranslatable       = "(it could not be asked in the encoding of the database; the server's log says what to do)"
	untranslatableAdvice = "something in the row, or in the claims of the token, is no text in the encoding of the database: " +
		"UPDATE rows whose bytes are no text, or recode the database in UTF8"
)

// ownContext reports whether an error was raised outside of users' functions. An
// error's context names the functions that it was raised in; it may also say where
// in a JSON document, or in which parameter, which is no function.
func ownContext(pg *pgconn.PgError) bool {
	for line := range strings.Lines(pg.Where) {
		if !strings.HasPrefix(line, "JSON data, line ") && !strings.HasPrefix(line, "unnamed portal parameter ") {
			return false
		}
	}
	return true
}

// lacksRight reports whether Postgres itself found that a role has no right to a table,
// function or schema. Functions of users can raise the same SQLSTATE; the name of the
// function in Postgres' source that raised it is in no language.
func lacksRight(pg *pgconn.PgError) bool {
	return pg.Code == codeInsufficientPrivilege && strings.HasPrefix(pg.Routine, "aclcheck_error")
}

// isNo reports whether Postgres has refused an INSERT as no policy allows its row. It
// has the same SQLSTATE for that as for a missing right.
func isNo(pg *pgconn.PgError) bool {
	return pg.Code == codeInsufficientPrivilege && pg.Routine == "ExecWithCheckOptions" && ownContext(pg)
}

// The SQLSTATEs that decisions depend on.
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
	codeUntranslatable         = "22P05"
	codeQueryCanceled          = "57014"
	codeNotInPrerequisiteState = "55000"
	codeDuplicateStatement     = "42P05"
	codeProgramLimitExceeded   = "54000"
)

// postgresError returns the error with which Postgres answered a statement. It is
// not ok for a lost connection, after which the statement is worth a second try.
func postgresError(err error) (*pgconn.PgError, bool) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC" {
		return nil, false
	}
	return pg, true
}
