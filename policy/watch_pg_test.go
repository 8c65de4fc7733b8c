package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// watching runs the looks of the lab's policy.
func (l *lab) watching() {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.policy.Run(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			l.t.Errorf("Run: %v", err)
		}
	})
}

func (l *lab) confirm() Generation {
	l.t.Helper()
	g, err := l.policy.Confirm(l.t.Context(), l.policy.now())
	if err != nil {
		l.t.Fatalf("Confirm: %v", err)
	}
	return g
}

// Whatever decides who may see a row, a look that begins after it has changed
// finds it, without any Relation message.
func TestALookFindsEveryChangeOfAccess(t *testing.T) {
	l := newLab(t, ownSQL, `create schema app; grant usage on schema app to authenticated;
		create function app.owner() returns uuid language sql stable as $$ select auth.uid() $$;
		create function app.level() returns int language plpgsql stable as $$ begin return 1; end $$;
		create type mood as enum ('sad', 'ok'); create type price as (net int, gross int); create domain short as text check (length(value) < 9);
		create table places (id int, mood mood, price price, prices price[], name short) partition by range (id);
		create table place partition of places for values from (0) to (100);
		alter table places enable row level security; create policy lvl on places using (app.level() > 0); grant select on places to authenticated;
		alter publication lab set (publish_via_partition_root = true)`)
	group, reader := l.role("grp", "nologin"), l.role("reader", "nologin")
	l.Exec("grant authenticated to " + reader)
	var mu sync.Mutex
	var seen []Changed
	l.policy.OnChange(func(c Changed) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, c)
	})
	l.watching()
	docs, places := l.relation("docs"), l.relation("places")
	s := l.subject(reader, user1)
	l.view(docs, s)
	l.view(places, s)
	quiet := l.confirm()
	if next := l.confirm(); next != quiet {
		t.Errorf("generation %d after %d though nothing has changed", next, quiet)
	}
	for _, sql := range []string{
		"alter table docs disable row level security", "alter table docs enable row level security", "alter table docs force row level security",
		"create policy more on docs using (true)", "alter policy more on docs using (false)", "drop policy more on docs",
		"revoke select on docs from authenticated", "grant select (id, owner, org) on docs to authenticated", "revoke select (org) on docs from authenticated",
		"alter table docs owner to GROUP", "revoke select on places from authenticated", "grant select on places to authenticated", "alter table places disable row level security",
		"alter table places enable row level security", "create or replace function auth.uid() returns uuid language sql stable as 'select null::uuid'",
		"revoke execute on function app.level() from public", "alter function app.level() set search_path = ''", "alter function app.level() owner to GROUP",
		"grant GROUP to READER", "revoke GROUP from READER", "alter role READER bypassrls", "alter role READER nobypassrls", "alter role READER noinherit",
		"revoke usage on schema public from authenticated, public", "grant usage on schema public to public", "alter database DB set search_path = 'app', 'public'",
		"alter type mood rename value 'ok' to 'fine'", "alter type mood add value 'mad'", "alter type price drop attribute net", "alter type price add attribute currency text",
		"alter domain short drop constraint short_check", "create function public.coalesced(int) returns int language sql as 'select 1'",
		"create cast (mood as price) with inout", "create operator public.=== (leftarg = int, rightarg = int, function = int4eq)",
		"alter function public.coalesced(int) rename to lower", "alter function public.lower(int) set schema app", "alter operator public.===(int, int) set schema app", "drop table docs",
	} {
		before := l.confirm()
		l.Exec(strings.NewReplacer("GROUP", group, "READER", reader, "DB", l.Name).Replace(sql))
		if after := l.confirm(); after == before {
			t.Errorf("%s: nothing noticed", sql)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	relations, types := map[uint32]int{}, map[uint32]int{}
	for _, c := range seen {
		for _, oid := range c.Relations {
			relations[oid]++
		}
		for _, oid := range c.Types {
			types[oid]++
		}
	}
	if relations[docs.OID] < 10 || relations[places.OID] < 4 || len(types) != 3 {
		t.Errorf("told of %v and types %v", relations, types)
	}
}

// The log has many Relations of a table whose policies change often. What concerns
// them all is not read once for each: looks would take longer and longer, and rows
// wait for them.
func TestOneReadingServesAllRelationsOfATable(t *testing.T) {
	l := newLab(t, ownSQL)
	l.watching()
	s := l.subject("authenticated", user1)
	rels := make([]*wal.Relation, 20)
	for i := range rels {
		rels[i] = l.relation("docs")
		l.view(rels[i], s)
	}
	l.confirm()
	taken := func() int64 { return l.policy.pool.Stat().AcquireCount() }
	before := taken()
	l.Exec("alter table docs disable row level security")
	l.confirm()
	if n := taken() - before; n > 5 {
		t.Errorf("%d connections were taken to read what 20 Relations of one table are; want one, and few for the test", n)
	}
	for _, rel := range rels {
		if v, ok := l.policy.Known(rel, s); !ok || v.RowSecurity {
			t.Fatalf("Known = %+v, %t; want no row-level security", v, ok)
		}
	}
	runtime.KeepAlive(rels)
}

func TestWhatHasChangedIsReadAgainBeforeAnybodyIsTold(t *testing.T) {
	l := newLab(t, ownSQL)
	l.policy.config.AccessAge = time.Hour
	l.watching()
	rel, s := l.relation("docs"), l.subject("authenticated", user1)
	changes := inserts(rel, l.rows(rel, "order by id"))
	before := l.view(rel, s)
	where := l.policy.Guard(s).Where(rel, wal.Insert)
	rules := l.policy.tables.of(rel, s.Role).current()
	g := l.confirm()
	l.Exec("create role " + l.Name + "_other; drop role " + l.Name + "_other; create function nothing() returns int language sql as 'select 1'")
	if next := l.confirm(); next == g {
		t.Error("a new function goes unnoticed")
	}
	if v := l.view(rel, s); v.Epoch != before.Epoch || l.policy.Guard(s).Where(rel, wal.Insert) != where || l.policy.tables.of(rel, s.Role).current() != rules {
		t.Error("rules that say the same have not kept their identity")
	}
	l.Exec("drop policy own on docs")
	l.confirm()
	if v := l.view(rel, s); v.Epoch != before.Epoch+1 || !v.NoPolicy {
		t.Errorf("View = %+v", v)
	}
	if got := l.visible(s, changes); slices.Contains(got, true) {
		t.Errorf("Visible = %v", got)
	}
}

func TestWhatALookFindsUnchangedIsReadNoMore(t *testing.T) {
	l := newLab(t, ownSQL)
	l.policy.config.AccessAge = time.Minute
	began := time.Now()
	var passed atomic.Int64 // however long statements take, it is known how old views are
	l.policy.now = func() time.Time { return began.Add(time.Duration(passed.Load())) }
	l.watching()
	passed.Add(int64(time.Second))
	l.confirm() // a look that has begun without a view reads it again
	rel, s := l.relation("docs"), l.subject("authenticated", user1)
	l.view(rel, s)
	for range 20 {
		passed.Add(int64(15 * time.Second))
		l.confirm()
		l.view(rel, s)
	}
	if n := measured(t, l.metrics, "walcast_policy_loads_total"); n > 1 {
		t.Errorf("%v loads of a view that looks have found unchanged", n)
	}
}

// What commits after a glance is not seen by what was looked at: rows right behind a
// change of access are younger than it.
func TestARowAfterAGlanceIsYoungerThanWhatIsKnown(t *testing.T) {
	l := newLab(t, ownSQL)
	l.keeping()
	l.policy.config.AccessAge = time.Hour // nobody looks on his own
	l.watching()
	l.confirm()
	s := l.subject("anon", "{}")
	for i, glances := range []bool{false, true} {
		l.Exec(fmt.Sprintf("create policy p%d on docs using (true)", i))
		if glances {
			l.policy.Glance(t.Context())
		}
		if got := l.judges(s, l.insert(100+i)); got != glances {
			t.Errorf("glanced: %t; judged: %t", glances, got)
		}
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	l.policy.Glance(done) // returns, as New's does where nobody looks
	New(DefaultConfig(), l.Pool, slog.New(slog.DiscardHandler), nil).Glance(t.Context())
}

func TestAllWhoWaitShareALook(t *testing.T) {
	l := newLab(t, ownSQL)
	l.policy.config.AccessAge = time.Hour
	l.watching()
	l.view(l.relation("docs"), l.subject("authenticated", user1))
	l.confirm()
	before := measured(t, l.metrics, "walcast_policy_looks_total")
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() { l.confirm() })
	}
	wg.Wait()
	if n := measured(t, l.metrics, "walcast_policy_looks_total") - before; n > 250 {
		t.Errorf("%v looks for 500 who wait at once", n)
	}
}

func TestALookThatFailsIsAnErrorAndTheNextOneTriesAgain(t *testing.T) {
	l := newLab(t, ownSQL)
	l.watching()
	rel, s := l.relation("docs"), l.subject("authenticated", user1)
	l.view(rel, s)
	l.confirm()
	l.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`)
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := l.policy.Confirm(t.Context(), l.policy.now()); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.policy.Confirm(ctx, l.policy.now().Add(time.Hour)); err == nil {
		t.Error("Confirm of what has not come is no error")
	}
}

func TestWhatOthersRegisterIsLookedAt(t *testing.T) {
	l := newLab(t, "create type price as (net int, gross int)")
	told := make(chan Changed, 10)
	l.policy.OnChange(func(c Changed) { told <- c })
	l.watching()
	var oid uint32
	if err := l.Pool.QueryRow(t.Context(), "select 'price'::regtype::oid").Scan(&oid); err != nil {
		t.Fatal(err)
	}
	if err := l.policy.Depend(t.Context(), DependType, oid); err != nil {
		t.Fatal(err)
	}
	g := l.confirm()
	l.Exec("alter type price rename attribute net to gros")
	if next := l.confirm(); next == g {
		t.Error("nothing noticed")
	}
	if c := <-told; !slices.Equal(c.Types, []uint32{oid}) {
		t.Errorf("told of %+v; want type %d", c, oid)
	}
}

// BenchmarkLook is one look at 20 tables with 50 policies and 20 functions.
func BenchmarkLook(b *testing.B) {
	l := newLab(b, "create schema app; grant usage on schema app to authenticated")
	for i := range 20 {
		l.Exec(fmt.Sprintf(`create function app.f%[1]d(int) returns bool language sql as 'select true';
			create table t%[1]d (id int primary key, a text, b uuid, c int, d int, e timestamptz); alter table t%[1]d enable row level security; grant select on t%[1]d to authenticated;
			create policy a on t%[1]d using (app.f%[1]d(id)); create policy b on t%[1]d using (b = auth.uid())`, i))
		if i%2 == 0 {
			l.Exec(fmt.Sprintf("create policy c on t%d using (c = 1)", i))
		}
	}
	s := l.subject("authenticated", user1)
	var rels []*wal.Relation
	for i := range 20 {
		rels = append(rels, l.relation(fmt.Sprint("t", i)))
		l.view(rels[i], s)
	}
	conn, err := l.policy.connect(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	for b.Loop() {
		if _, _, err := l.policy.look(b.Context(), conn, l.policy.now()); err != nil {
			b.Fatal(err)
		}
	}
	explain(b, conn, l.policy.watch.wanted(l.policy.tables.all()).dependencies())
}

// explain reports how long Postgres itself is at it.
func explain(b *testing.B, conn *pgx.Conn, of dependencies) {
	var lines []string
	for range 20 {
		rows, err := conn.Query(b.Context(), "explain (analyze, timing off) "+sightSQL, of.args()...)
		if err != nil {
			b.Fatal(err)
		}
		if lines, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			b.Fatal(err)
		}
	}
	var ms float64
	if _, err := fmt.Sscanf(lines[len(lines)-1], "Execution Time: %f ms", &ms); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(ms*1000, "µs-in-postgres/op")
}

// Looks read the catalog and no table, and so do the lists of what is published.
func TestALookDoesNotWaitForALockOnATable(t *testing.T) {
	l := newLab(t, docsSQL+"; create table parted (id int) partition by list (id); create table part partition of parted for values in (1)")
	tx, err := l.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }() // it is over anyway
	if _, err := tx.Exec(t.Context(), "lock table docs, parted, part in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	l.policy.config.Timeout = time.Second // a look that waits fails
	l.watching()
	l.confirm()
}

func TestWhatIsPublishedIsListed(t *testing.T) {
	l := newLab(t, "drop publication lab; create table a (id int); create table b (id int); create table parted (id int) partition by list (id);"+
		"create table part partition of parted for values in (1); create schema s; create table s.c (id int); create view v as select 1; create temp table tt (id int)")
	for _, of := range []struct {
		publication string
		since       int // the version
		want        string
	}{
		{"create publication lab", 0, ""},
		{"create publication lab for table a", 0, "a"},
		{"create publication lab for table parted", 0, "part parted"},
		{"create publication lab for all tables", 0, "a b part parted s.c"},
		{"create publication lab for tables in schema s, table b", 15, "b s.c"},
	} {
		if l.major() < of.since {
			continue
		}
		l.Exec(of.publication)
		conn, err := l.Pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var list listed
		err = list.refresh(t.Context(), conn.Conn(), l.policy.now())
		conn.Release()
		if err != nil {
			t.Fatal(err)
		}
		oids := []uint32{}
		for _, d := range list.found {
			if d.kind == dependAccess {
				oids = append(oids, d.oid)
			}
		}
		var got string
		if err := l.Pool.QueryRow(t.Context(), "select coalesce(string_agg(o::regclass::text, ' ' order by o::regclass::text collate \"C\"), '') from unnest($1::oid[]) as o", oids).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != of.want {
			t.Errorf("%s: listed %q; want %q", of.publication, got, of.want)
		}
		l.Exec("drop publication lab")
	}
}
