package policy

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"walcast/replication/wal"
)

const agesSQL = docsSQL + `;
	create schema app; grant usage on schema app to anon, authenticated;
	create function app.level() returns int language plpgsql stable as 'begin return 1; end';
	create policy all_of_it on docs using (d < app.level()); create policy narrow on docs as restrictive using (id > 0)`

// keeping begins the log of changes: one slot keeps it, as that of walcast does,
// another one is read. What is in the catalog already is older: no slot of another
// database may be there, as a new one keeps what the oldest keeps.
func (l *lab) keeping() {
	l.Exec("select pg_drop_replication_slot(slot_name) from pg_replication_slots where database <> current_database()")
	l.Exec("select pg_create_logical_replication_slot('" + l.Name + "_kept', 'pgoutput')")
	l.decoding()
}

// insert commits one more row and returns it as the WAL has it.
func (l *lab) insert(id int) *wal.Change {
	l.t.Helper()
	l.Exec("insert into docs (id, d) values ($1, 0)", id)
	changes := l.decoded()
	if len(changes) == 0 {
		l.t.Fatal("the WAL has nothing of it")
	}
	return changes[len(changes)-1]
}

// restart is a policy that knows nothing.
func (l *lab) restart() {
	l.policy = New(DefaultConfig(), l.Pool, slog.New(slog.DiscardHandler), nil)
}

func (l *lab) judges(s *Subject, c *wal.Change) bool {
	l.t.Helper()
	return l.view(c.Relation, s).Judges(c)
}

// changesOfAccess widen what a reader sees, for roles READER and GROUP. Those that
// leave nothing behind in the catalog are marked: they are noticed only where the
// catalog was read before them.
var changesOfAccess = []struct {
	sql       string
	traceless bool
}{
	{sql: "create policy more on docs using (true)"},
	{sql: "alter policy all_of_it on docs using (true)"},
	{sql: "drop policy narrow on docs", traceless: true},
	{sql: "alter table docs disable row level security"},
	{sql: "create or replace function app.level() returns int language plpgsql stable as 'begin return 9; end'"},
	{sql: "alter function app.level() set search_path = ''"},
	{sql: "grant GROUP to READER"},
	{sql: "grant select (body) on docs to READER"},
	{sql: "alter role READER bypassrls", traceless: true},
	{sql: "alter database DB set search_path = 'app', 'public'"},
}

func TestARowIsNotJudgedByRulesThatAreYoungerThanIt(t *testing.T) {
	for _, change := range changesOfAccess {
		l := newLab(t, agesSQL)
		l.keeping()
		group, reader := l.role("grp", "nologin"), l.role("reader", "nologin")
		l.Exec("grant anon to " + reader + "; create policy grouped on docs to " + group + " using (true)")
		l.watching()
		s := l.subject(reader, "{}")
		first := l.insert(101)
		l.view(first.Relation, s)
		older := l.insert(102)
		if !l.judges(s, older) {
			t.Errorf("%s: a row is not judged by rules that were known before it", change.sql)
		}
		l.Exec(strings.NewReplacer("GROUP", group, "READER", reader, "DB", l.Name).Replace(change.sql))
		l.confirm()
		if l.judges(s, older) {
			t.Errorf("%s: judges a row from before", change.sql)
		}
		younger := l.insert(103)
		if !l.judges(s, younger) {
			t.Errorf("%s: does not judge a row from after it", change.sql)
		}
		if l.judges(s, older) {
			t.Errorf("%s: judges a row from before once there is one from after it", change.sql)
		}
	}
}

// Without a state file nothing is known of the time before the start but what the catalog
// itself tells: by which transactions its rows are, and nothing of those that are gone.
func TestAfterARestartARowFromBeforeIsJudgedOnlyIfTheCatalogTellsThatAccessIsTheSame(t *testing.T) {
	for _, change := range []struct {
		sql  string
		want bool
	}{
		{"create table other (id int); grant select on other to READER", true},
		{"insert into docs (id) values (200); analyze docs", true},
		{"grant select (body) on docs to READER", false},
		{"revoke select on docs from anon; grant select on docs to anon", false},
		{"grant anon to READER", false},
		{"alter role READER bypassrls", true},                                                                              // leaves nothing in the catalog
		{"alter table docs enable row level security; create policy p on docs using (true); drop policy p on docs", false}, // the switch does
		{"alter role READER set search_path = 'app', 'public'", false},
		{"create schema other; alter table docs set schema other; alter table other.docs set schema public", false},
		{"alter table docs enable row level security; create policy p on docs using (true); alter table docs disable row level security", false},
		{"alter table docs enable row level security", false},
	} {
		l := newLab(t, docsSQL+"; alter table docs disable row level security")
		reader := l.role("reader", "nologin")
		l.Exec("grant select on docs to " + reader)
		l.keeping()
		s := l.subject(reader, "{}")
		old := l.insert(101)
		l.restart()
		if !l.judges(s, old) {
			t.Error("a row is not judged by rules that are older than the log")
		}
		l.Exec(strings.ReplaceAll(change.sql, "READER", reader))
		l.restart()
		if got := l.judges(s, old); got != change.want {
			t.Errorf("%s: judges a row from before: %t; want %t", change.sql, got, change.want)
		}
		if !l.judges(s, l.insert(102)) {
			t.Errorf("%s: does not judge a row from after what was read", change.sql)
		}
	}
}

// Nor does it know of policies that were dropped before.
func TestAfterARestartIdsOfTransactionsTellWhatIsOlderUnderRowLevelSecurity(t *testing.T) {
	l := newLab(t, agesSQL)
	l.keeping()
	s := l.subject("anon", "{}")
	old := l.insert(101)
	for _, change := range []struct {
		sql  string
		want bool
	}{
		{"create table other (id int)", true},
		{"drop policy narrow on docs", true},
		{"create or replace function app.level() returns int language plpgsql stable as 'begin return 9; end'", false},
		{"alter policy all_of_it on docs using (true)", false},
	} {
		l.Exec(change.sql)
		l.restart()
		if got := l.judges(s, old); got != change.want {
			t.Errorf("%s: judges a row from before: %t; want %t", change.sql, got, change.want)
		}
		between := l.insert(0)
		l.Exec("delete from docs where id = 0")
		l.decoded()
		l.restart()
		if !l.judges(s, between) {
			t.Errorf("%s: does not judge a row from after it, before the start", change.sql)
		}
	}
}

// Nobody has looked at a table that has just been made. What access to it depends on may
// have been made with it, or changed.
func TestOfATableThatHasJustBeenMadeRowsOfLaterTransactionsAreJudged(t *testing.T) {
	l := newLab(t, agesSQL)
	l.keeping()
	l.policy.history.adopt(nil)
	l.policy.config.AccessAge = time.Hour // looks come when they are asked for
	l.policy.history.age = time.Hour
	l.watching()
	l.confirm()
	l.Exec("create table docs_later (like docs including all)")
	l.Exec("create or replace function app.level() returns int language plpgsql stable as 'begin return 9; end'")
	l.Exec("create function app.fresh() returns int language plpgsql stable as 'begin return 9; end'")
	l.Exec("alter table docs_later enable row level security")
	write := func(id int) *wal.Change {
		l.Exec("insert into docs_later (id, d) values ($1, 0)", id)
		changes := l.decoded()
		return changes[len(changes)-1]
	}
	between := write(1)
	l.Exec("create policy p on docs_later using (app.level() > d and app.fresh() > d)")
	l.Exec("grant select on docs_later to anon")
	s, first := l.subject("anon", "{}"), write(2)
	if !l.judges(s, first) {
		t.Error("does not judge the first row after the last change")
	}
	if l.judges(s, between) {
		t.Error("judges a row from between the changes")
	}
	l.confirm()
	l.Exec("create or replace function app.level() returns int language plpgsql stable as 'begin return 1; end'")
	if l.judges(s, write(3)) {
		t.Error("judges a row right behind a change once the table is known")
	}
}

// If no look has been between, a row is known to be from after a change of access to its
// own table by the Relation message that the change has sent, unless something else may
// have. Nothing tells where the row was when a function changed.
func TestARowRightBehindAChangeOfAccessIsJudgedIfItWasAnnounced(t *testing.T) {
	l := newLab(t, agesSQL)
	l.keeping()
	l.policy.history.age = time.Hour      // the machine may be slow
	l.policy.config.AccessAge = time.Hour // looks come when they are asked for
	l.watching()
	s := l.subject("anon", "{}")
	l.view(l.insert(101).Relation, s)
	for i, change := range []struct {
		sql  string
		want bool
	}{
		{"create policy more on docs using (true)", true},
		{"create policy most on docs using (true); insert into docs select generate_series(1000, 2000); analyze docs", false},
		{"drop policy most on docs; create index on docs (d)", false},
		{"create or replace function app.level() returns int language plpgsql stable as 'begin return 9; end'; delete from docs where id > 1000; analyze docs", false},
	} {
		l.confirm()
		before := l.insert(200 + i)
		l.Exec(change.sql)
		behind := l.insert(300 + i)
		if behind.Relation == before.Relation {
			t.Fatalf("%s: no Relation message", change.sql)
		}
		if got := l.judges(s, behind); got != change.want {
			t.Errorf("%s: a row behind it is judged: %t; want %t", change.sql, got, change.want)
		}
		if l.view(behind.Relation, s).Judges(before) {
			t.Errorf("%s: a row before it is judged", change.sql)
		}
		if !l.judges(s, l.insert(400+i)) {
			t.Errorf("%s: a row after a look is not judged", change.sql)
		}
	}
}

// openings open a table to anon.
var openings = map[string]string{ // by what the table is as long as it is closed
	"enable row level security; create policy p on docs using (false)":                                                      "alter policy p on docs using (true)",
	"enable row level security; create policy p on docs using (id < 0)":                                                     "create policy q on docs using (true)",
	"enable row level security; create policy p on docs using (true); create policy r on docs as restrictive using (false)": "drop policy r on docs",
	"enable row level security":                                                                                      "alter table docs disable row level security",
	"owner to current_user; revoke select on docs from anon":                                                         "grant select on docs to anon",
	"enable row level security; create policy p on docs using (app.level() > 5)":                                     "create or replace function app.level() returns int language plpgsql stable as 'begin return 9; end'",
	"add column k app.kind default 'a', enable row level security; create policy p on docs using (k::text = 'open')": "alter type app.kind rename value 'a' to 'open'",
}

// What a transaction deletes is from before the change of access that it makes too.
func TestRowsOfATransactionThatOpensTheirTableAreNotJudged(t *testing.T) {
	for closed, opening := range openings {
		for _, known := range []bool{false, true} {
			if strings.HasPrefix(opening, "drop") && !known {
				continue // leaves nothing behind in the catalog
			}
			l := newLab(t, docsSQL+"; create schema app; create type app.kind as enum ('a', 'b'); grant usage on schema app to anon;"+
				"create function app.level() returns int language plpgsql stable as 'begin return 1; end'")
			l.Exec("alter table docs " + closed)
			l.keeping()
			s := l.subject("anon", "{}")
			first := l.insert(101)
			if known {
				l.view(first.Relation, s)
			}
			l.Exec("begin; delete from docs where id = 101; " + opening + "; insert into docs (id) values (102); commit")
			for _, c := range l.decoded() {
				if l.judges(s, c) {
					t.Errorf("%s: judges what its transaction wrote, %s (known before: %t)", opening, c.Operation, known)
				}
			}
			if !l.judges(s, l.insert(103)) {
				t.Errorf("%s: does not judge a row from after it", opening)
			}
		}
	}
}

// A transaction that changes access and a row is in the WAL before a look sees
// either.
func TestALookThatDoesNotSeeTheTransactionConfirmsNothing(t *testing.T) {
	l := newWaitingLab(t, docsSQL)
	l.policy.config.AccessAge = time.Hour
	l.watching()
	l.decoded()
	s := l.subject("anon", "{}")
	before := l.view(l.relation("docs"), s)
	changes, release := l.held("revoke select on docs from anon; insert into docs (id) values (101)")
	l.confirm() // sees nothing of it
	confirmed := make(chan error, 1)
	go func() {
		_, err := l.policy.Confirm(context.Background(), l.policy.now(), changes[0].XID)
		confirmed <- err
	}()
	looks := measured(t, l.metrics, "walcast_policy_looks_total")
	for deadline := time.Now().Add(10 * time.Second); measured(t, l.metrics, "walcast_policy_looks_total") < looks+3; {
		if time.Now().After(deadline) {
			t.Fatal("does not look again")
		}
	}
	select {
	case err := <-confirmed:
		t.Errorf("Confirm = %v while nobody sees the transaction", err)
	default:
	}
	release()
	if err := <-confirmed; err != nil {
		t.Error(err)
	}
	if v := l.view(before.Relation, s); len(columnsOf(v)) > 0 {
		t.Errorf("shows %s after the REVOKE was confirmed", columnsOf(v))
	}

	l.policy.config.Timeout = 50 * time.Millisecond
	changes, _ = l.held("insert into docs (id) values (102)")
	if _, err := l.policy.Confirm(t.Context(), l.policy.now(), changes[0].XID); err == nil {
		t.Error("Confirm of what Postgres does not show is no error")
	}
}
