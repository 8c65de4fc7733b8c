package live

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/diagnose"
	"walcast/protocol"
	"walcast/replication/catalog"
)

// The SQLSTATEs that decisions depend on.
const (
	stateInsufficientPrivilege = "42501"
	stateUndefinedFunction     = "42883"
	stateUndefinedColumn       = "42703"
	stateUndefinedTable        = "42P01"
	stateUndefinedObject       = "42704"
	stateQueryCanceled         = "57014"
	stateLockNotAvailable      = "55P03"
	stateConflict              = "40001"
	stateDeadlock              = "40P01"
)

// refuse is the error for one of the bindings.
func (r *reading) refuse(i int, p *protocol.Problem) error {
	return &RefusedError{Binding: i, Problem: *p}
}

// refuseTable is refuse for a table that is not as a snapshot needs it.
func (r *reading) refuseTable(i int, p *protocol.Problem) error {
	return &RefusedError{Binding: i, Problem: *p, IsOfTable: true}
}

// late is the refusal of a binding whose rows take Postgres too long.
func (r *reading) late(i int) error {
	return r.refuse(i, diagnose.SnapshotTimeout(r.batch.request.Bindings[i], r.of.config.SnapshotTimeout))
}

// judge says what an error of an attempt means: a *RefusedError, an *againError, an
// *AwayError, or errNoRoom.
func (r *reading) judge(err error) error {
	var refused *RefusedError
	var again *againError
	var away *AwayError
	var mixed *mixedError
	if errors.As(err, &mixed) || errors.As(err, &refused) || errors.As(err, &again) || errors.As(err, &away) || errors.Is(err, errNoRoom) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC" {
		if errors.Is(err, context.DeadlineExceeded) {
			return r.late(0)
		}
		return &AwayError{err, true}
	}
	var declared *declarationError
	var evaluated *evaluationError
	var printed *printingError
	switch {
	case isOfMoment(pg.Code) && !r.isOfRows(err, pg):
		if isInternal(pg.Code) && r.batch.tried.internal < internalTries {
			r.batch.tried.internal++
			return &againError{cause: err}
		}
		return &AwayError{cause: err}
	case errors.As(err, &declared):
		return r.judgeDeclaration(declared.binding, pg)
	case errors.As(err, &evaluated):
		return r.blame(pg)
	case errors.As(err, &printed) && catalog.IsUntranslatable(pg) && !r.stored:
		return &againError{cause: pg, stored: true}
	case errors.As(err, &printed) && pg.Code != stateQueryCanceled:
		return r.raised(printed.binding, pg)
	case pg.Code == stateQueryCanceled:
		return r.late(0)
	}
	return &AwayError{cause: err}
}

// isOfMoment reports whether a SQLSTATE is one of an error that may be none the next time:
// somebody else has a lock, the server lacks connections, memory or disk, or is stopping.
func isOfMoment(code string) bool {
	return code == stateConflict || code == stateDeadlock || code == stateLockNotAvailable || isInternal(code) ||
		strings.HasPrefix(code, "53") || strings.HasPrefix(code, "58") || strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P")
}

func isInternal(code string) bool { return strings.HasPrefix(code, "XX") }

// internalTries is how often an internal error is taken for one of a moment.
const internalTries = 2

// isOfRows reports whether an error whose SQLSTATE is one of a moment is one of the rows, and
// comes each time: functions raise what they like, and some of Postgres' own call a value
// that they cannot read an internal error, as xpath_exists does.
func (r *reading) isOfRows(err error, pg *pgconn.PgError) bool {
	var declared *declarationError
	var evaluated *evaluationError
	var printed *printingError
	if !errors.As(err, &declared) && !errors.As(err, &evaluated) && !errors.As(err, &printed) {
		return false
	}
	return pg.Where != "" || isInternal(pg.Code) && r.batch.tried.internal >= internalTries
}

// judgeDeclaration judges an error about the query of a binding.
func (r *reading) judgeDeclaration(i int, pg *pgconn.PgError) error {
	t := r.tables[i]
	isLast := r.batch.tried.spelled >= len(spellings)-1
	switch pg.Code {
	case stateUndefinedColumn, stateUndefinedTable, stateUndefinedObject:
		return &againError{cause: pg}
	case stateInsufficientPrivilege, stateUndefinedFunction:
		switch {
		case strings.Contains(pg.Message, "ordering operator"):
			return r.refuse(i, diagnose.Unordered(t.binding))
		case !isLast:
			return &againError{cause: pg, spelled: true}
		case pg.Code == stateInsufficientPrivilege:
			return r.refuse(i, diagnose.HiddenColumns(t.binding, t.relation, r.batch.request.Subject.Role))
		}
	case stateQueryCanceled:
		return r.late(i)
	}
	return r.raised(i, pg)
}

// blame judges an error that the rows of one of the bindings raised. Postgres does not
// say of which.
func (r *reading) blame(pg *pgconn.PgError) error {
	if len(r.tables) > 1 {
		return &mixedError{pg}
	}
	if pg.Code == stateQueryCanceled {
		return r.late(0)
	}
	return r.raised(0, pg)
}

// mixedError means that one of several bindings has raised.
type mixedError struct{ cause *pgconn.PgError }

func (e *mixedError) Error() string { return e.cause.Error() }

// raised is the refusal of a binding whose rows raise. Its text is for the log alone.
func (r *reading) raised(i int, pg *pgconn.PgError) error {
	t := r.tables[i]
	text := strings.ToValidUTF8(pg.Message[:min(len(pg.Message), 200)], "")
	r.of.config.Logger.Warn("snapshot raised", "table", t.relation.Schema+"."+t.relation.Table, "sqlstate", pg.Code, "text", text)
	return r.refuse(i, diagnose.SnapshotRaised(t.binding, t.view, pg.Code))
}
