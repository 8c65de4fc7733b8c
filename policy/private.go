package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNoMessagesTable means that the database has no realtime.messages, on
// which the policies of private channels stand.
var ErrNoMessagesTable = errors.New("private channels need the table realtime.messages, which this database does not have: run \"walcast migrate\"")

// ErrMissingPartition means that realtime.messages has no partition for now.
var ErrMissingPartition = errors.New("realtime.messages has no partition for today: run \"walcast migrate\"")

// private asks Postgres about private topics.
type private struct {
	pg    *postgres
	watch *watch // over what the answers depend on
}

// Grants is what a subject may do on a private topic.
type Grants struct {
	ReadBroadcast, WriteBroadcast bool
	ReadPresence, WritePresence   bool
}

// Topic is a private topic as its policies see it.
type Topic struct {
	Name    string          // sub-topic, without "realtime:"
	Headers json.RawMessage // request.headers: a JSON object with lower-case names; nil is {}
}

// possible reports whether Postgres can have such a topic.
func (t Topic) possible() bool { return nameable(t.Name) && storable(string(t.Headers)) }

func errTopic() error {
	return &AskError{Table: messagesTable, SQLState: codeNotInRepertoire, Message: "the topic has characters that none can have"}
}

// The values of realtime.messages.extension that policies tell apart.
const (
	extensionBroadcast = "broadcast"
	extensionPresence  = "presence"
)

const messagesTable = "realtime.messages"

// The questions, as a metric has them.
const (
	questionRead  = "read"
	questionWrite = "write"
)

// MayRead asks what the subject may receive on the topic; presence only when
// asked for, as upstream does. Only the Read fields of the result are set. A
// policy that raises is an *AskError, a role that nobody can act as ErrUnknownRole:
// both mean a refusal, as does ErrNoMessagesTable; after any other error ask again.
func (p *private) MayRead(ctx context.Context, s *Subject, t Topic, presence bool) (Grants, error) {
	p.pg.metrics.private.WithLabelValues(questionRead).Inc()
	extensions := []string{extensionBroadcast}
	if presence {
		extensions = append(extensions, extensionPresence)
	}
	granted, err := p.readable(ctx, s, t, extensions)
	if err != nil {
		return Grants{}, fmt.Errorf("check who may read a private topic: %w", err)
	}
	return Grants{ReadBroadcast: granted[extensionBroadcast], ReadPresence: granted[extensionPresence]}, nil
}

// MayWrite asks what the subject may send to the topic. Only the Write fields
// of the result are set. Errors are those of MayRead.
func (p *private) MayWrite(ctx context.Context, s *Subject, t Topic) (g Grants, err error) {
	p.pg.metrics.private.WithLabelValues(questionWrite).Inc()
	if g.WriteBroadcast, err = p.writable(ctx, s, t, extensionBroadcast); err == nil {
		g.WritePresence, err = p.writable(ctx, s, t, extensionPresence)
	}
	if err != nil {
		return Grants{}, fmt.Errorf("check who may write to a private topic: %w", err)
	}
	return g, nil
}

// insertProbe leaves event, payload and private at their defaults: policies
// must not depend on them.
const insertProbe = `insert into realtime.messages (id, topic, extension, inserted_at, updated_at)
	select probe.i::pg_catalog.uuid, probe.topic, probe.e, probe.t, probe.t
	from (select i, topic, e, pg_catalog.timezone('utc', pg_catalog.now()) as t
		from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[])) as probe (i, topic, e)) as probe`

// foundProbe gives the extensions of the probes that the subject finds.
const foundProbe = "select messages.extension from realtime.messages where messages.id operator(pg_catalog.=) any ($1::pg_catalog.text[]::pg_catalog.uuid[])"

// readable puts one message for each extension into the table as ourselves and
// looks which of them the subject finds. Nothing of it is kept.
func (p *private) readable(ctx context.Context, s *Subject, t Topic, extensions []string) (map[string]bool, error) {
	ids, topics := make([]string, len(extensions)), make([]string, len(extensions))
	for i := range ids {
		ids[i], topics[i] = uuid.NewString(), t.Name
	}
	granted := map[string]bool{}
	found := func(rows pgx.Rows) error {
		var extension string
		_, err := pgx.ForEachRow(rows, []any{&extension}, func() error {
			granted[extension] = true
			return nil
		})
		return err
	}
	err := p.probeTopic(ctx, s, t, []step{
		{sql: insertProbe, args: []any{ids, topics, extensions}},
		{sql: becomeOnSQL, args: p.becomeOn(s, t)},
		{sql: foundProbe, args: []any{ids}, scan: found},
	}, 1)
	return granted, err
}

// writable lets the subject itself insert a message. There is no RETURNING: it
// would need a policy for reading too.
func (p *private) writable(ctx context.Context, s *Subject, t Topic, extension string) (bool, error) {
	err := p.probeTopic(ctx, s, t, []step{
		{sql: becomeOnSQL, args: p.becomeOn(s, t)},
		{sql: insertProbe, args: []any{[]string{uuid.NewString()}, []string{t.Name}, []string{extension}}},
	}, 0)
	var raised *AskError
	if errors.As(err, &raised) && raised.SQLState == codeInsufficientPrivilege {
		return false, nil
	}
	return err == nil, err
}

// probeTopic runs the steps and takes them back. becomes is the step that sets
// the role: what fails after it is the subject's doing, before it ours.
func (p *private) probeTopic(ctx context.Context, s *Subject, t Topic, steps []step, becomes int) error {
	if !s.possible() {
		return &RoleError{Role: s.Role}
	}
	if !t.possible() {
		return errTopic()
	}
	ctx, cancel := context.WithTimeout(ctx, 2*p.pg.config.Timeout)
	defer cancel()
	done, err := p.pg.Join(ctx, s)
	if err != nil {
		return err
	}
	defer done()
	conn, err := p.pg.acquire(ctx, p.pg.pool)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = transact(ctx, conn, beginWrite, steps, rollback)
	if e := leave(ctx, conn.Conn()); err == nil && e != nil {
		return e
	}
	pg, ok := answer(err)
	if !ok {
		return err
	}
	var at *stepError
	if !errors.As(err, &at) {
		at = &stepError{step: -1}
	}
	return p.topicError(s, conn.Conn(), pg, at.step-becomes)
}

// topicError is what an answer of Postgres means to who asks about a topic.
// Before 0 the step was ours, at 0 it was to become the subject.
func (p *private) topicError(s *Subject, conn *pgx.Conn, pg *pgconn.PgError, step int) error {
	raised := newAskError(messagesTable, pg)
	switch {
	case (pg.Code == codeUndefinedTable || pg.Code == codeInvalidSchema) && strings.Contains(pg.Message, `"realtime`):
		return ErrNoMessagesTable
	case pg.Code == codeCheckViolation && pg.ConstraintName == "":
		return ErrMissingPartition
	case step < 0:
		raised.Message = "walcast's own user, who must own the table or have BYPASSRLS, cannot put a row into " + messagesTable
		p.pg.noteRaised(raised, 1)
	case step == 0:
		return refusedRole(s, conn, pg)
	case pg.Code != codeInsufficientPrivilege: // which is how an INSERT policy says no
		p.pg.noteRaised(raised, 1)
	}
	return raised
}

// refusedRole is why Postgres would not let us become a subject.
func refusedRole(s *Subject, conn *pgx.Conn, pg *pgconn.PgError) error {
	switch pg.Code {
	case codeInvalidParameter:
		return &RoleError{Role: s.Role}
	case codeInsufficientPrivilege:
		return &RoleError{Role: s.Role, User: conn.Config().User}
	}
	return newAskError(messagesTable, pg)
}

// becomeOnSQL is becomeSQL with all that policies of private topics may look at.
// Functions find their names on the session's own search_path.
const becomeOnSQL = `select pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('lock_timeout', $1, true),
	pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true), pg_catalog.set_config('row_security', 'on', true),
	pg_catalog.set_config('realtime.topic', $2, true), pg_catalog.set_config('request.jwt.claims', $3, true),
	pg_catalog.set_config('request.jwt.claim.sub', $4, true), pg_catalog.set_config('request.jwt.claim.role', $5, true),
	pg_catalog.set_config('request.headers', $6, true), pg_catalog.set_config('role', $5, true)`

func (p *private) becomeOn(s *Subject, t Topic) []any {
	headers := string(t.Headers)
	if headers == "" {
		headers = "{}"
	}
	return []any{strconv.FormatInt(p.pg.config.Timeout.Milliseconds(), 10), t.Name, s.Claims, s.claim("sub"), s.Role, headers}
}
