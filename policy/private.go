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

	"walcast/internal/conninfo"
)

// ErrNoMessagesTable means that the database has no table realtime.messages, whose
// policies decide about private channels.
var ErrNoMessagesTable = errors.New("private channels need the table realtime.messages, which this database does not have: run \"walcast migrate\"")

// ErrMissingPartition means that realtime.messages has no partition for today.
var ErrMissingPartition = errors.New("realtime.messages has no partition for today: run \"walcast migrate\"")

// ErrNotGranted means that walcast's own role may not use the schema realtime.
var ErrNotGranted = errors.New("private channels need rights in the schema realtime that walcast's own role does not have: as owner of the database, run \"walcast migrate --grant-to ROLE\" with the role of database-url")

// Unprepared returns which of ErrNoMessagesTable, ErrMissingPartition and
// ErrNotGranted an error about a private topic is: what an operator has to mend
// before anybody may use one. It is nil for other errors.
func Unprepared(err error) error {
	for _, e := range []error{ErrNoMessagesTable, ErrMissingPartition, ErrNotGranted} {
		if errors.Is(err, e) {
			return e
		}
	}
	return nil
}

// IsAnswer reports whether an error about a private topic is Postgres' answer: the
// topic may not be used. After any other error Postgres may be asked again.
func IsAnswer(err error) bool {
	var raised *AskError
	return errors.As(err, &raised) || errors.Is(err, ErrUnknownRole) || Unprepared(err) != nil
}

// private asks Postgres about private topics.
type private struct {
	pg      *postgres
	watch   *watch // looks for changes of what the answers depend on
	probing probing
}

// Grants is what a subject may do on a private topic.
type Grants struct {
	ReadBroadcast, WriteBroadcast bool
	ReadPresence, WritePresence   bool
}

// Topic is what policies see of a private topic.
type Topic struct {
	Name    string          // sub-topic, without "realtime:"
	Headers json.RawMessage // request.headers: a JSON object with lower-case names; nil is {}
}

// possible reports whether Postgres can have such a topic.
func (t Topic) possible() bool { return nameable(t.Name) && storable(string(t.Headers)) }

// errTopic returns the error for a topic that Postgres cannot have.
func errTopic() error {
	return &AskError{Table: messagesTable, SQLState: codeNotInRepertoire, Message: "the topic has characters that none can have"}
}

// The values of realtime.messages.extension that policies tell apart.
const (
	extensionBroadcast = "broadcast"
	extensionPresence  = "presence"
	extensionStore     = "persistence" // upstream's name; what is stored is a broadcast
)

const messagesTable = "realtime.messages"

// The values of a metric's label question.
const (
	labelRead  = "read"
	labelWrite = "write"
)

// MayRead asks what the subject may receive on the topic. It asks about presence only
// if presence is set, as upstream does. Only the Read fields of the result are set.
// An *AskError (a policy raised), ErrUnknownRole and what Unprepared tells mean a
// refusal; after any other error, see IsAnswer, MayRead may be called again.
func (p *private) MayRead(ctx context.Context, s *Subject, t Topic, presence bool) (Grants, error) {
	p.pg.metrics.private.WithLabelValues(labelRead).Inc()
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
	p.pg.metrics.private.WithLabelValues(labelWrite).Inc()
	if g.WriteBroadcast, err = p.writable(ctx, s, t, extensionBroadcast); err == nil {
		g.WritePresence, err = p.writable(ctx, s, t, extensionPresence)
	}
	if err != nil {
		return Grants{}, fmt.Errorf("check who may write to a private topic: %w", err)
	}
	return g, nil
}

// MayStore asks whether what the subject sends to the topic may be kept for replays,
// which takes a policy of its own. Errors are those of MayRead.
func (p *private) MayStore(ctx context.Context, s *Subject, t Topic) (bool, error) {
	p.pg.metrics.private.WithLabelValues(labelWrite).Inc()
	may, err := p.writable(ctx, s, t, extensionStore)
	if err != nil {
		return false, fmt.Errorf("check who may store messages of a private topic: %w", err)
	}
	return may, nil
}

// foundProbe returns the extensions of the probes that the subject can see.
const foundProbe = "select messages.extension from realtime.messages where messages.id operator(pg_catalog.=) any ($1::pg_catalog.text[]::pg_catalog.uuid[])"

// readable inserts one message for each extension as our own user and returns which
// of them the subject can see. The messages are rolled back.
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
	err := p.probeTopic(ctx, s, t, 1, func(relation string) []step {
		return []step{
			{sql: insertProbe(relation), args: []any{ids, topics, extensions}},
			{sql: becomeOnSQL, args: p.becomeOn(s, t)},
			{sql: foundProbe, args: []any{ids}, scan: found},
		}
	})
	return granted, err
}

// writable reports whether the subject itself can insert a message. The insert has no
// RETURNING, as that would need a policy for SELECT too.
func (p *private) writable(ctx context.Context, s *Subject, t Topic, extension string) (bool, error) {
	err := p.probeTopic(ctx, s, t, 0, func(string) []step {
		return []step{
			{sql: becomeOnSQL, args: p.becomeOn(s, t)},
			{sql: insertProbe(messagesTable), args: []any{[]string{uuid.NewString()}, []string{t.Name}, []string{extension}}},
		}
	})
	var raised *AskError
	if errors.As(err, &raised) && raised.SQLState == codeInsufficientPrivilege {
		return false, nil
	}
	return err == nil, err
}

// probeTopic runs the steps and rolls them back; our own row goes into relation.
// becomes is the index of the step that sets the role: what fails before it is our
// user's fault, not the subject's.
func (p *private) probeTopic(ctx context.Context, s *Subject, t Topic, becomes int, steps func(relation string) []step) error {
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
	relation, err := p.probing.into(ctx, conn.Conn())
	if err != nil {
		return err
	}
	all := append([]step{{sql: conninfo.OwnPathSQL}}, steps(relation)...) // triggers, defaults and policies count on it
	if err = transact(ctx, conn, beginWrite, all, rollback); err == nil && becomes > 0 {
		p.probing.worked(relation, true)
	}
	if e := leave(ctx, conn.Conn()); err == nil && e != nil {
		return e
	}
	pg, ok := postgresError(err)
	if !ok {
		return err
	}
	var at *stepError
	if !errors.As(err, &at) {
		at = &stepError{step: -1}
	}
	return p.topicError(s, conn.Conn(), pg, at.step-1-becomes, becomes > 0)
}

// topicError translates an error of Postgres about a topic. step is relative to the
// step that sets the role, which is 0. reads tells a SELECT by the subject from an
// INSERT, of which an error may be the policy's no: rows that a policy hides from a SELECT
// are no error.
func (p *private) topicError(s *Subject, conn *pgx.Conn, pg *pgconn.PgError, step int, reads bool) error {
	raised := newAskError(messagesTable, pg)
	switch {
	case (pg.Code == codeUndefinedTable || pg.Code == codeInvalidSchema) && strings.Contains(pg.Message, `"realtime`):
		return ErrNoMessagesTable
	case pg.Code == codeCheckViolation && pg.ConstraintName == "":
		return ErrMissingPartition
	case step < 0:
		return p.refused(conn, raised)
	case step == 0:
		return p.refusedRole(s, conn, pg)
	case lacksRight(pg):
		p.pg.noteDenied(raised, s.Role, reads)
	case reads || !isNo(pg):
		p.pg.noteRaised(raised, 1)
	}
	return raised
}

// refusedRole returns why Postgres did not let us become a subject. A missing grant is
// logged, as clients are told no more than that they may not use the topic.
func (p *private) refusedRole(s *Subject, conn *pgx.Conn, pg *pgconn.PgError) error {
	switch pg.Code {
	case codeInvalidParameter:
		return &RoleError{Role: s.Role}
	case codeInsufficientPrivilege:
		unfit := &RoleError{Role: s.Role, User: conn.Config().User, member: hasSetOption(conn)}
		p.pg.noteUnfit(unfit)
		return unfit
	}
	return newAskError(messagesTable, pg)
}

// hasSetOption reports whether memberships have the SET option, which they do from
// Postgres 16 on. A membership without it needs a GRANT that names it.
func hasSetOption(conn *pgx.Conn) bool {
	version := conn.PgConn().ParameterStatus("server_version") // such as "16.4 (Debian)" or "17beta1"
	if end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		version = version[:end]
	}
	major, err := strconv.Atoi(version)
	return err == nil && major >= 16
}

// becomeOnSQL makes the rest of a transaction run as a subject on a private topic,
// with all settings that policies of private topics may look at. The search_path
// stays as it is.
const becomeOnSQL = `select pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('lock_timeout', $1, true),
	pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true), pg_catalog.set_config('row_security', 'on', true),
	pg_catalog.set_config('realtime.topic', $2, true), pg_catalog.set_config('request.jwt.claims', $3, true),
	pg_catalog.set_config('request.jwt.claim.sub', $4, true), pg_catalog.set_config('request.jwt.claim.role', $5, true),
	pg_catalog.set_config('request.headers', $6, true), pg_catalog.set_config('role', $5, true)`

// becomeOn returns the arguments of becomeOnSQL.
func (p *private) becomeOn(s *Subject, t Topic) []any {
	headers := string(t.Headers)
	if headers == "" {
		headers = "{}"
	}
	return []any{strconv.FormatInt(p.pg.config.Timeout.Milliseconds(), 10), t.Name, s.Claims, s.claim("sub"), s.Role, headers}
}
