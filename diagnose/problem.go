package diagnose

import (
	"errors"
	"fmt"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// FilterError means that Postgres refused to decide a filter for a row.
type FilterError struct {
	Table string // schema.table
	Err   *filters.BindError
}

func (e *FilterError) Error() string { return e.Err.Error() }

// TooSlow returns the problem of a binding that took too much of Postgres' time, for
// row-level security if aboutRows is set, else for its filter.
func TooSlow(b *Binding, aboutRows bool) protocol.Problem {
	what := "its filter"
	if aboutRows {
		what = "row-level security"
	}
	return protocol.Problem{Message: protocol.TooSlow(b.Spec.Schema+"."+b.Spec.Table, what), Code: protocol.CodeTooSlow}
}

// Raised returns the problem of a policy or filter that raised for a row. The text does
// not depend on the binding or the subject.
func Raised(_ *Binding, _ *policy.Subject, err error) protocol.Problem {
	var ask *policy.AskError
	var filter *FilterError
	switch {
	case errors.As(err, &ask):
		return protocol.Problem{Message: protocol.PolicyRaised(ask.Table, ask.SQLState, ask.Message), Code: protocol.CodePolicyRaised}
	case errors.As(err, &filter):
		return protocol.Problem{Message: protocol.FilterRaised(filter.Table, filter.Err.SQLState), Code: protocol.CodeFilterRaised}
	}
	return protocol.Problem{Message: err.Error(), Code: protocol.CodePolicyRaised}
}

// purpose is what a binding uses a column for.
type purpose string

const (
	forFilter purpose = "filter"
	forSelect purpose = "select"
	forOrder  purpose = "order"
)

// unusableColumn returns why a binding cannot use a column. Its code says that there is
// no such column; callers that know better replace it.
func unusableColumn(b *Binding, of purpose, column string) *protocol.Problem {
	e := filters.NewBindError("P0001", fmt.Sprintf("invalid column for %s %s", of, column))
	return &protocol.Problem{Message: refusedBy(b, e), Code: protocol.CodeUnknownColumn}
}

// notGranted returns why a binding cannot use a column that its role may not read.
func notGranted(b *Binding, of purpose, column string, rel *wal.Relation, role string) *protocol.Problem {
	p := unusableColumn(b, of, column)
	p.Code, p.Fix, p.Cost = protocol.CodeColumnNotGranted, grant(rel, role, column), costOfGrant
	return p
}

// unusable returns why a filter cannot work on a table.
func unusable(b *Binding, e *filters.BindError) *protocol.Problem {
	p := &protocol.Problem{Message: refusedBy(b, e), Code: protocol.CodeInvalidValue}
	if e.SQLState == "42883" { // undefined_function
		p.Code = protocol.CodeUnknownOperator
	}
	return p
}

// unknownRole returns why nobody can act as a role.
func unknownRole(b *Binding, role string, err error) *protocol.Problem {
	unfit := &policy.RoleError{Role: role}
	errors.As(err, &unfit)
	return &protocol.Problem{
		Message: refusedBy(b, filters.NewBindError("42704", err.Error())), // undefined_object
		Code:    protocol.CodeUnknownRole, Fix: unfit.Cure(), Cost: unfit.Cost(),
	}
}
