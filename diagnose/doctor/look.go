package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/replication"
)

// oldest is the oldest Postgres that walcast reads; of an older one nothing else is
// looked at, as its catalogs are others.
const oldest = 140000

// looker reads facts over one connection, one after the other. After an error nothing
// more is read.
type looker struct {
	ctx  context.Context
	conn *pgx.Conn
	err  error
}

// one reads the only row of a query.
func (l *looker) one(what, sql string, args []any, into ...any) {
	if l.err != nil {
		return
	}
	if err := l.conn.QueryRow(l.ctx, sql, args...).Scan(into...); err != nil {
		l.err = fmt.Errorf("look at %s: %w", what, err)
	}
}

// rows reads the rows of a query, and calls each after each.
func (l *looker) rows(what, sql string, args []any, into []any, each func()) {
	if l.err != nil {
		return
	}
	rows, err := l.conn.Query(l.ctx, sql, args...)
	if err == nil {
		_, err = pgx.ForEachRow(rows, into, func() error {
			each()
			return nil
		})
	}
	if err != nil {
		l.err = fmt.Errorf("look at %s: %w", what, err)
	}
}

// look reads all facts.
func look(ctx context.Context, c Config, conn *pgx.Conn) (*facts, error) {
	l, f := &looker{ctx: ctx, conn: conn}, &facts{config: c}
	l.server(&f.server, c.now)
	if l.err != nil || f.server.number < oldest {
		return f, l.err
	}
	l.platform(&f.platform)
	l.settings(f)
	l.self(&f.self)
	l.publications(f)
	l.tables(f)
	l.filters(f)
	l.private(&f.private)
	if l.err == nil {
		f.slots, l.err = replication.SlotStatus(ctx, conn)
	}
	l.streams(f)
	if f.slot() == nil {
		l.waits(f)
	}
	return f, l.err
}

// server looks at the server. now is our own clock.
func (l *looker) server(s *server, now func() time.Time) {
	var theirs time.Time
	before := now()
	l.one("the server", `select current_setting('server_version_num')::int, split_part(current_setting('server_version'), ' ', 1), current_database()::text, pg_is_in_recovery(),
		current_setting('server_encoding'), clock_timestamp(), coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)`, nil,
		&s.number, &s.version, &s.database, &s.isStandby, &s.encoding, &theirs, &s.isSecret)
	after := now()
	s.ahead = theirs.Sub(before.Add(after.Sub(before) / 2))
	s.isNear = isNear(l.conn.PgConn().Conn().RemoteAddr())
	if l.err != nil {
		return
	}
	// Not every service lets everybody ask, and nothing but a comparison depends on it.
	if err := l.conn.QueryRow(l.ctx, `select system_identifier::text from pg_control_system()`).Scan(&s.system); err != nil {
		s.system = ""
	}
}

// isNear reports whether an address is on this machine or in a private network.
func isNear(a net.Addr) bool {
	if a == nil || a.Network() == "unix" {
		return true
	}
	to, err := netip.ParseAddrPort(a.String())
	return err == nil && (to.Addr().IsLoopback() || to.Addr().IsPrivate() || to.Addr().IsLinkLocalUnicast())
}

// platform looks for the marks of platforms. A setting may be set although nobody has
// defined it, so that it is asked for by name.
func (l *looker) platform(p *platform) {
	all, has := allMarks(), marks{}
	l.one("the platform", `select array(select rolname::text from pg_roles where rolname = any ($1)),
			array(select name from unnest($2::text[]) name where coalesce(current_setting(name, true), '') <> ''),
			array(select distinct proname::text from pg_proc where proname = any ($3))`,
		[]any{all.roles, all.settings, all.functions}, &has.roles, &has.settings, &has.functions)
	*p = detect(has)
}

// examined are the settings that findings are about.
var examined = []string{
	"wal_level", "max_wal_senders", "max_replication_slots", "max_slot_wal_keep_size", "wal_sender_timeout", "idle_replication_slot_timeout",
	"synchronous_commit", "row_security", "synchronized_standby_slots", "sync_replication_slots", "logical_decoding_work_mem",
}

// shaping are the settings that the text of values depends on. walcast sets them for its
// own connections.
var shaping = []string{"datestyle", "intervalstyle", "timezone", "extra_float_digits", "bytea_output", "client_encoding", "lc_monetary"}

func (l *looker) settings(f *facts) {
	f.settings = map[string]setting{}
	var s setting
	l.rows("settings", `select name, setting, coalesce(unit, ''), coalesce(reset_val, ''), source, context = 'postmaster' from pg_settings where name = any ($1)`,
		[]any{examined}, []any{&s.name, &s.value, &s.unit, &s.reset, &s.source, &s.restarts}, func() { f.settings[s.name] = s })
	var o override
	l.rows("settings of roles and databases", `
		select coalesce(r.rolname::text, ''), coalesce(d.datname::text, ''), lower(split_part(c, '=', 1)), substr(c, strpos(c, '=') + 1)
		from pg_db_role_setting s cross join unnest(s.setconfig) c left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase
		where s.setdatabase in (0, (select oid from pg_database where datname = current_database())) and lower(split_part(c, '=', 1)) = any ($1)
		order by 1, 2, 3`,
		[]any{append([]string{"synchronous_commit", "row_security", "role"}, shaping...)}, []any{&o.role, &o.database, &o.name, &o.value},
		func() { f.overrides = append(f.overrides, o) })
}

func (l *looker) self(s *self) {
	l.one("walcast's own role", `
		select session_user::text, current_user::text,
			coalesce((select rolreplication or rolsuper from pg_roles where rolname = session_user), false)
				or exists (select from pg_roles g where g.rolname = 'rds_replication' and pg_has_role(session_user, g.oid, 'MEMBER')),
			(select bool_or(has_function_privilege(oid, 'EXECUTE')) from pg_proc where proname = 'pg_logical_emit_message' and pronamespace = 'pg_catalog'::regnamespace),
			pg_has_role(current_user, 'pg_monitor', 'USAGE')`,
		nil, &s.name, &s.acting, &s.replicates, &s.beats, &s.monitors)
}

// streams looks at the connections that read the WAL. Of those of other roles only the
// number is known without pg_monitor.
func (l *looker) streams(f *facts) {
	s := &f.streams
	l.one("replication connections", `
		select (select count(*) from pg_stat_replication), (select count(*) from pg_replication_slots),
			(select count(*) from pg_stat_replication r where not exists (select from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical')
				and coalesce(r.application_name, '') not like 'walcast%' and coalesce(r.state, 'streaming') = 'streaming'),
			coalesce((select pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end, r.sent_lsn)::bigint
				from pg_replication_slots s join pg_stat_replication r on r.pid = s.active_pid where s.slot_name = $1 and r.sent_lsn is not null), -1),
			coalesce((select spill_txns from pg_stat_replication_slots where slot_name = $1), 0)`,
		[]any{f.config.Slot}, &s.all, &s.slots, &s.standbys, &s.behind, &s.spilled)
}

// waits looks for the transactions that the slot would wait for when it is made: those
// that have written, in all databases.
func (l *looker) waits(f *facts) {
	var w wait
	l.rows("open transactions", `
		select format('process %s of role %s in database %s has written and is open for %s', pid, usename, datname, date_trunc('second', now() - xact_start)),
			format('SELECT pg_terminate_backend(%s);', pid)
		from pg_stat_activity where backend_xid is not null and xact_start < clock_timestamp() - make_interval(secs => $1) and pid <> pg_backend_pid()
		union all
		select format('prepared transaction %s of role %s in database %s waits for its end since %s', quote_literal(gid), owner, database, date_trunc('second', now() - prepared)),
			case when database = current_database() then format('ROLLBACK PREPARED %s;', quote_literal(gid)) else '' end
		from pg_prepared_xacts order by 1`,
		[]any{f.config.openFor.Seconds()}, []any{&w.text, &w.fix}, func() { f.waits = append(f.waits, w) })
}
