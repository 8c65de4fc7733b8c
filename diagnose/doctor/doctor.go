package doctor

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/diagnose"
	"walcast/policy"
	"walcast/replication"
	"walcast/replication/catalog"
)

// Config is whose database is examined, as the reader of it has it.
type Config struct {
	// Pool has at least two connections, as walcast's own role.
	Pool *pgxpool.Pool
	// Slot, SlotWarnBytes, SlotFailover and Publications are those of replication.Config.
	Slot          string
	SlotWarnBytes int64
	SlotFailover  bool
	Publications  []string
	LogBytes      int64 // log-size
	// TablesMost is how many tables are checked that nobody has named; 0 is 300. Each takes
	// some statements.
	TablesMost int
	Policy     policy.Config
	// Probe opens a replication connection and returns the identifier of the system that
	// it leads to. nil leaves that out, as for a server that streams.
	Probe func(context.Context) (system string, err error)

	now     func() time.Time // for tests; nil is time.Now
	openFor time.Duration    // for tests: how long a transaction is open that is told of; 0 is openFor
}

// Scope narrows an examination.
type Scope struct {
	Tables []catalog.TableName // none is all published ones, and those that roles may read
	Roles  []string            // none is anon and authenticated, or those that walcast may become
}

// openFor is how long a transaction has been open that is told of.
const openFor = 30 * time.Second

// tablesMost is Config.TablesMost where it is not set.
const tablesMost = 300

// Examine examines a database. An error means that it could not be looked at.
func Examine(ctx context.Context, c Config, s Scope) (Report, error) {
	if c.now == nil {
		c.now = time.Now
	}
	c.openFor, c.TablesMost = cmp.Or(c.openFor, openFor), cmp.Or(c.TablesMost, tablesMost)
	e := examination{config: c, scope: s}
	if err := e.look(ctx); err != nil {
		return Report{}, err
	}
	if e.facts.server.number < oldest {
		e.report.add(version(e.facts)...)
		return e.report, nil
	}
	e.connection(ctx)
	for _, check := range checks() {
		e.report.add(check(e.facts)...)
	}
	return e.report, e.joins(ctx)
}

// examination is one on its way.
type examination struct {
	config Config
	scope  Scope
	facts  *facts
	roles  []clientRole
	likely []catalog.TableName // tables that are not published, and that roles may read
	report Report
}

// look reads what there is.
func (e *examination) look(ctx context.Context) error {
	return e.config.Pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) (err error) {
		if e.facts, err = look(ctx, e.config, conn.Conn()); err != nil {
			return err
		}
		e.report = Report{Database: e.facts.server.database, Version: e.facts.server.version, Platform: e.facts.platform.name}
		if e.facts.server.number < oldest {
			return nil
		}
		l := &looker{ctx: ctx, conn: conn.Conn()}
		e.roles = l.clientRoles(e.scope.Roles)
		if len(e.scope.Tables) == 0 {
			e.likely = l.likely(e.config.Publications, e.roles)
		}
		return l.err
	})
}

// connection tells how walcast gets to the WAL.
func (e *examination) connection(ctx context.Context) {
	const code = "connection"
	name := e.facts.server.database
	if e.config.Probe == nil || !e.facts.self.replicates {
		return
	}
	system, err := e.config.Probe(ctx)
	switch {
	case replication.IsPooler(err):
		e.report.add(problem("pooler", Server, name, "database-url leads to a pooler, which does not pass the replication protocol").advised("%s", e.facts.platform.reached()))
	case err != nil:
		e.report.add(problem(code, Server, name, "no replication connection can be opened: %v", err).advised("correct what the sentence names"))
	case e.facts.server.system != "" && system != e.facts.server.system:
		e.report.add(problem(code, Server, name, "the replication connection leads to another server than an ordinary one (their system identifiers are %s and %s)", system, e.facts.server.system).
			advised("%s", e.facts.platform.reached()))
	default:
		e.report.add(fine(code, Server, name, "a replication connection can be opened"))
	}
}

// reached says how Postgres itself is reached.
func (p platform) reached() string {
	if p.direct != "" {
		return p.direct
	}
	return "use the server's own host and port in database-url (PgBouncer passes the protocol from 1.23 on)"
}

// joins checks the roles, and what they would be told of tables.
func (e *examination) joins(ctx context.Context) error {
	operators := policy.NewOperators(e.config.Pool, nil)
	locale, err := operators.Locale(ctx)
	if err != nil {
		return err
	}
	e.config.Policy.AccessAge = diagnose.Believed // for all checks of a table
	p := policy.New(e.config.Policy, e.config.Pool, slog.New(slog.DiscardHandler), nil)
	c := catalog.New(e.config.Pool, e.config.Publications)
	j := &joins{checker: diagnose.NewChecker(c, p, locale, operators), policy: p, pool: e.config.Pool, tables: e.facts.tables, named: len(e.scope.Roles) > 0}
	var able []clientRole
	for _, r := range e.roles {
		f, can, err := j.checkRole(ctx, r)
		if err != nil {
			return fmt.Errorf("look at role %q: %w", r.name, err)
		}
		e.report.add(f)
		if can {
			able = append(able, r)
		}
	}
	for _, name := range e.tables() {
		found, err := j.examine(ctx, name, able)
		if err != nil {
			return fmt.Errorf("look at table %s.%s: %w", name.Schema, name.Table, err)
		}
		e.report.add(found...)
	}
	return e.unpublished(ctx, j)
}

// tables are those to check joins of. How many are left out is a finding.
func (e *examination) tables() []catalog.TableName {
	if len(e.scope.Tables) > 0 {
		return e.scope.Tables
	}
	var names []catalog.TableName
	for _, t := range e.facts.tables {
		names = append(names, catalog.TableName{Schema: t.schema, Table: t.name})
	}
	if left := len(names) - e.config.TablesMost; left > 0 {
		e.report.add(warning("tables_left_out", Server, e.facts.server.database, "joins of %d of %d published tables were not checked", left, len(names)).advised("name them: --table schema.table"))
		names = names[:e.config.TablesMost]
	}
	return names
}

// unpublished tells of tables that clients may read and that are not published, which may
// be as it should.
func (e *examination) unpublished(ctx context.Context, j *joins) error {
	for _, name := range e.likely {
		found, err := j.unpublished(ctx, name)
		if err != nil {
			return fmt.Errorf("look at table %s.%s: %w", name.Schema, name.Table, err)
		}
		for _, f := range found {
			f.Verdict, f.Reason = OK, "clients may read it, and it is not published: no changes come of it, which may be as it should"
			e.report.add(f)
		}
	}
	return nil
}
