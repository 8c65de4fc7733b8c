package explain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/diagnose"
	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// Config is whose database is looked at, as the reader of it has it.
type Config struct {
	// Pool has at least two connections, as walcast's own role.
	Pool         *pgxpool.Pool
	Publications []string
	Policy       policy.Config
	// Holder reads a token. Its errors say why there is nothing to be read, and do not
	// repeat the token. nil refuses questions that have one.
	Holder func(token string) (Holder, error)
	// Reader is the role that rows of the table are read as, past row-level security. Without
	// one it is the pool's own, or one that this may become.
	Reader string
}

// Explain answers a question. A *QuestionError means that it cannot be answered as it is,
// any other error that the database could not be looked at.
func Explain(ctx context.Context, c Config, q Question) (Answer, error) {
	asked, err := q.read(c.Holder)
	if err != nil {
		return Answer{}, err
	}
	operators := policy.NewOperators(c.Pool, nil)
	locale, err := operators.Locale(ctx)
	if err != nil {
		return Answer{}, err
	}
	c.Policy.AccessAge = diagnose.Believed // for all that is asked of the table
	x := &explanation{config: c, asked: asked, operators: operators, locale: locale}
	x.policy = policy.New(c.Policy, c.Pool, slog.New(slog.DiscardHandler), nil)
	x.catalog = catalog.New(c.Pool, c.Publications)
	x.subject = x.policy.Subject(asked.holder.Role, asked.holder.Claims)
	defer x.policy.Release(x.subject)
	if err := x.run(ctx); err != nil {
		return Answer{}, err
	}
	x.answer.conclude()
	return x.answer, nil
}

// explanation is a question on its way.
type explanation struct {
	config    Config
	asked     inquiry
	answer    Answer
	policy    *policy.Policy
	catalog   catalog.Catalog
	operators *policy.Operators
	locale    filters.Locale
	subject   *policy.Subject

	binding diagnose.Binding // without a filter if that cannot be read
	works   bool             // a join with the binding is not refused
	view    *policy.View     // nil as long as there is nothing to see
	judge   *policy.Judge
}

func (x *explanation) run(ctx context.Context) error {
	const serverSQL = `select current_database()::text, split_part(current_setting('server_version'), ' ', 1)`
	if err := x.config.Pool.QueryRow(ctx, serverSQL).Scan(&x.answer.Database, &x.answer.Version); err != nil {
		return fmt.Errorf("look at the server: %w", err)
	}
	x.begin()
	rel, err := x.join(ctx)
	if err != nil || rel == nil {
		return err
	}
	x.view, err = x.policy.ViewWithin(ctx, rel, x.subject, diagnose.Believed)
	if errors.Is(err, policy.ErrUnknownRole) {
		return nil // the join was refused for it
	}
	if err == nil {
		x.judge, err = x.policy.Judge(ctx, rel, x.subject)
	}
	if err != nil {
		return err
	}
	if x.works {
		x.answer.Match = matches(x.selector(), rel, x.locale)
	}
	if x.answer.Visibility, err = x.visibility(ctx); err != nil || x.asked.action == 0 {
		return err
	}
	return x.row(ctx)
}

// begin notes what was asked, and what is wrong with the token.
func (x *explanation) begin() {
	h, spec := x.asked.holder, x.asked.spec
	x.answer.Subject = Subject{Role: h.Role, Claims: json.RawMessage(h.Claims)}
	x.answer.Binding = Binding{Table: spec.Schema + "." + spec.Table, Event: spec.Event, Filter: spec.Filter, Select: spec.Select}
	switch {
	case h.Refused != "":
		x.check(Check{What: "token", Verdict: No, Text: h.Refused + " (what follows is for its claims, as if it were good)"})
	case h.Unverified:
		x.check(Check{What: "token", Verdict: Note, Text: "its signature and times were not looked at, as no secret is set"})
	}
}

// check notes a check that does not depend on a row.
func (x *explanation) check(c Check) { x.answer.Binding.Checks = append(x.answer.Binding.Checks, c) }

// join notes what a join with the binding would be told. The relation is nil if there is
// none that is published.
func (x *explanation) join(ctx context.Context) (*wal.Relation, error) {
	checker := diagnose.NewChecker(x.catalog, x.policy, x.locale, x.operators)
	rel, err := checker.Relation(ctx, x.asked.table)
	if err != nil {
		return nil, err
	}
	if rel == nil {
		return nil, x.unpublished(ctx, checker)
	}
	bindings, refused := diagnose.Parse([]protocol.Binding{x.asked.spec})
	if refused != nil {
		x.told(*refused, No)
		rest := protocol.Binding{Event: x.asked.spec.Event, Schema: x.asked.spec.Schema, Table: x.asked.spec.Table}
		if bindings, refused = diagnose.Parse([]protocol.Binding{rest}); refused != nil {
			return nil, nil
		}
		x.binding = bindings[0]
		return rel, nil
	}
	x.binding = bindings[0]
	found, err := checker.Check(ctx, x.subject, bindings)
	if err != nil {
		return nil, err
	}
	if x.works = found.Refused == nil; !x.works {
		x.told(*found.Refused, No)
	}
	for _, w := range found.Warnings {
		x.told(w, verdictOf(w.Code))
	}
	if x.works && len(found.Warnings) == 0 {
		x.check(Check{What: "join", Verdict: Yes, Text: "it works, and nothing is warned of"})
	}
	return rel, nil
}

// unpublished notes why no changes come of the table. Roles that may not use its schema are
// not told that much.
func (x *explanation) unpublished(ctx context.Context, checker *diagnose.Checker) error {
	p, err := checker.Unpublished(ctx, x.asked.table)
	if err == nil {
		x.check(Check{What: "join", Verdict: No, Text: diagnose.ReasonUnpublished(p.Code), Code: p.Code, Fix: p.Fix, Cost: p.Cost})
	}
	return err
}

// verdictOf says whether a warning is of what keeps all rows away.
func verdictOf(code string) Verdict {
	switch code {
	case protocol.CodeNotGranted, protocol.CodeKeyNotGranted, protocol.CodeSchemaNotGranted, protocol.CodeNoPolicy, protocol.CodePolicyUnjudged:
		return No
	}
	return Note
}

// told notes a problem that a client is told.
func (x *explanation) told(p protocol.Problem, v Verdict) {
	x.check(Check{What: "join", Verdict: v, Text: diagnose.Reason(p, x.asked.spec.Schema, x.asked.spec.Table), Code: p.Code, Fix: p.Fix, Cost: p.Cost})
}

// selector is what the match index goes by.
func (x *explanation) selector() filters.Selector {
	rel := x.view.Relation
	return filters.Selector{Events: x.binding.Events, Schema: rel.Schema, Table: rel.Table, Filter: x.binding.Filter, Guard: x.policy.Guard(x.subject)}
}
