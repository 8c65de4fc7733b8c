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

func TestAfterARestartARowFromBeforeAChangeOfAccessIsNotJudged(t *testing.T) {
	for _, change := range changesOfAccess {
		if change.traceless {
			continue
		}
		l := newLab(t, agesSQL)
		group, reader := l.role("grp", "nologin"), l.role("reader", "nologin")
		l.Exec("grant anon to " + reader + "; create policy grouped on docs to " + group + " using (true)")
		l.keeping()
		s := l.subject(reader, "{}")
		old := *l.insert(101)
		old.CommitTime = old.CommitTime.Add(-time.Hour)
		l.restart()
		if !l.judges(s, &old) {
			t.Errorf("a row is not judged by rules that are older than the log")
		}
		l.Exec(strings.NewReplacer("GROUP", group, "READER", reader, "DB", l.Name).Replace(change.sql))
		l.restart()
		if l.judges(s, &old) {
			t.Errorf("%s: judges a row from before", change.sql)
		}
		if !l.judges(s, l.insert(102)) {
			t.Errorf("%s: does not judge a row from after what was read", change.sql)
		}
	}
}

// A policy is changed and a row written at once: the Relation message is between.
func TestARowRightBehindAChangeOfItsTableIsJudged(t *testing.T) {
	l := newLab(t, agesSQL)
	l.keeping()
	l.policy.config.AccessAge = time.Minute // the machine may be slow
	s := l.subject("anon", "{}")
	first := l.insert(101)
	l.view(first.Relation, s)
	l.Exec("create policy more on docs using (true)")
	behind := l.insert(102)
	if behind.Relation == first.Relation || !l.judges(s, behind) {
		t.Error("a row behind the Relation message is not judged by what that tells of")
	}
	l.Exec("create or replace function app.level() returns int language plpgsql stable as 'begin return 9; end'")
	l.Exec("analyze docs") // which has a Relation message sent too
	if other := l.insert(103); l.judges(s, other) {
		t.Error("of a function no Relation message tells, but it is believed to")
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
