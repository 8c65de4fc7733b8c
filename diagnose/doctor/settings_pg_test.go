package doctor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/await"
	"walcast/internal/devdb"
)

func aboutSetting(v Verdict, name, reason string) Finding {
	return Finding{Code: name, Verdict: v, About: About{Setting, name}, Reason: reason, By: superuser}
}

// TestSettingsThatTakeEffectAtOnce are set wrongly, found, and mended by the SQL that is
// given.
func TestSettingsThatTakeEffectAtOnce(t *testing.T) {
	l := newServer(t, nil, healthy)
	for _, c := range []struct {
		broken string
		want   Finding
		from   int // major version
	}{
		{"max_slot_wal_keep_size = '-1'", aboutSetting(Warning, "max_slot_wal_keep_size", "max_slot_wal_keep_size is not set: a slot that nobody reads fills the disk").
			with("ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();", "a slot that would keep more is lost", superuser), 0},
		{"max_slot_wal_keep_size = '100MB'", aboutSetting(Problem, "max_slot_wal_keep_size", "max_slot_wal_keep_size is 100 MB, and walcast holds up to 64 MB of changes").
			with("ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();", "slots may then keep as much", superuser), 0},
		{"wal_sender_timeout = 0", aboutSetting(Warning, "wal_sender_timeout", "wal_sender_timeout is 0: Postgres waits for ever").
			with("ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();", "readers that are silent for a minute", superuser), 0},
		{"wal_sender_timeout = '3s'", aboutSetting(Warning, "wal_sender_timeout", "wal_sender_timeout is 3000 ms, which is too short").
			with("ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();", "it takes a minute", superuser), 0},
		{"synchronous_commit = off", aboutSetting(Warning, "synchronous_commit", "synchronous_commit is off for all sessions").
			with("ALTER SYSTEM SET synchronous_commit = 'on'; SELECT pg_reload_conf();", "each commit waits", superuser), 0},
		{"row_security = off", aboutSetting(Warning, "row_security", "row_security is off for all sessions").
			with("ALTER SYSTEM SET row_security = 'on'; SELECT pg_reload_conf();", "", superuser), 0},
		{"idle_replication_slot_timeout = '5min'", aboutSetting(Warning, "idle_replication_slot_timeout", "a slot that nobody has read for").
			with("ALTER SYSTEM SET idle_replication_slot_timeout = '0'; SELECT pg_reload_conf();", "slots that nobody reads stay", superuser), 18},
	} {
		if c.from > l.major() {
			continue
		}
		name := c.want.Code
		l.set("alter system set " + c.broken + "; select pg_reload_conf()")
		l.want(l.examine(), c.want)
		l.set(c.want.Fix)
		if after := l.examine().of(name); len(after) != 1 || after[0].Verdict != OK {
			t.Errorf("after %s it has %+v", c.want.Fix, after)
		}
		l.set("alter system reset " + name + "; select pg_reload_conf()")
	}
}

// set runs SQL that changes files of settings and has them read, and returns when new
// sessions have what they say.
func (l *lab) set(sql string) {
	l.Helper()
	read := func() (at time.Time) {
		conn, err := pgx.Connect(l.Context(), l.db.DSN) // a session of before has its own answer
		if err != nil {
			l.Fatal(err)
		}
		defer conn.Close(context.Background())
		if err := conn.QueryRow(l.Context(), "select pg_conf_load_time()").Scan(&at); err != nil {
			l.Fatal(err)
		}
		return at
	}
	before := read()
	l.run(sql)
	await.True(l, 10*time.Second, "the settings are read", func() bool { return read().After(before) })
}

// TestSettingsThatTakeARestart are set wrongly, found, and mended by the SQL that is given
// and a restart.
func TestSettingsThatTakeARestart(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{Unset: []string{"wal_level", "max_wal_senders", "max_replication_slots"}})
	l := labOn(t, db, healthy, "alter system set max_wal_senders = 1; alter system set max_replication_slots = 1")
	db.StopServer()
	db.StartServer()
	l.run("select pg_create_physical_replication_slot('somebody')")
	taken, err := pgconn.Connect(t.Context(), l.db.DSN+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close(context.Background())
	wants := []Finding{
		aboutSetting(Problem, "wal_level", "wal_level is replica, so that no changes can be read").with("ALTER SYSTEM SET wal_level = 'logical';", "Postgres writes somewhat more WAL", superuser),
		aboutSetting(Problem, "max_wal_senders", "all 1 replication connections that max_wal_senders allows are in use").with("ALTER SYSTEM SET max_wal_senders = '6';", "shared memory", superuser),
		aboutSetting(Problem, "max_replication_slots", "all 1 slots that max_replication_slots allows are taken").with("ALTER SYSTEM SET max_replication_slots = '6';", "shared memory", superuser),
	}
	r := l.examine()
	for i := range wants {
		wants[i].Restart = true
		l.want(r, wants[i])
	}
	l.want(r, Finding{Code: "connection", Verdict: Problem, About: About{Server, "$db"}, Reason: "no replication connection can be opened: no replication connection is free: raise max_wal_senders", Advice: "correct"})
	for _, f := range wants {
		l.run(f.Fix)
	}
	if err := taken.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.StopServer()
	db.StartServer()
	if r = l.examine(); r.Count(Problem) > 0 {
		t.Errorf("after the fixes and a restart it has %s", r)
	}
}

// TestASettingOfTheCommandLineIsChangedThere: ALTER SYSTEM would do nothing.
func TestASettingOfTheCommandLineIsChangedThere(t *testing.T) {
	l := newServer(t, map[string]string{"wal_level": "replica"}, healthy)
	l.want(l.examine(), Finding{
		Code: "wal_level", Verdict: Problem, About: About{Setting, "wal_level"}, Restart: true,
		Reason: "wal_level is replica", Advice: "it is set on the command line that starts Postgres: change it there to wal_level = logical",
	})
}

// TestEncodings are those of databases that are no UTF-8.
func TestEncodings(t *testing.T) {
	for encoding, reason := range map[string]string{
		"SQL_ASCII": "the database's encoding is SQL_ASCII, which does not know what its text is", "LATIN1": "the database's encoding is LATIN1: characters that have no UTF-8 come as U+FFFD",
	} {
		l := labOn(t, devdb.OpenWith(t, "encoding '"+encoding+"' template template0"), keyed+`alter table t enable row level security; create policy p on t using (note = auth.uid()::text); `+onRows)
		r := l.examine()
		l.want(r, Finding{Code: "encoding", Verdict: Warning, About: About{Server, "$db"}, Reason: reason, Advice: "make a database with ENCODING 'UTF8'"})
		l.want(r, Finding{Code: "policy_asked", Verdict: Warning, About: About{Table, "public.t"}, Reason: "asked of Postgres", Advice: "it works"})
	}
}

// TestClocks: what differs is told with its direction.
func TestClocks(t *testing.T) {
	l := newLab(t, healthy)
	for off, want := range map[time.Duration]string{-time.Minute: "ahead of that of this machine", time.Minute: "behind that of this machine"} {
		l.config.now = func() time.Time { return time.Now().Add(off) }
		l.want(l.examine(), Finding{Code: "clock", Verdict: Warning, About: About{Server, "$db"}, Reason: want, Advice: "NTP"})
	}
}

// TestAPoolerIsRecognised, and how to pass it by is said.
func TestAPoolerIsRecognised(t *testing.T) {
	l := newLab(t, healthy)
	url := strings.Replace(l.db.Pooler(), "postgres@", l.role+"@", 1)
	l.config.Probe = probeOf(url)
	l.want(l.examine(), Finding{Code: "pooler", Verdict: Problem, About: About{Server, "$db"}, Reason: "database-url leads to a pooler, which does not pass the replication protocol", Advice: "use the server's own host and port"})
	l.config.Probe = func(context.Context) (string, error) { return "1", nil }
	l.want(l.examine(), Finding{Code: "connection", Verdict: Problem, About: About{Server, "$db"}, Reason: "the replication connection leads to another server than an ordinary one", Advice: "use the server's own host"})
}
