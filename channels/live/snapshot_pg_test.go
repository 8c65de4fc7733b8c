package live

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/jackc/pgx/v5"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

const notes = `create table notes (id int primary key, owner text, body text);
	insert into notes values (1, 'ann', 'a'), (2, 'bob', 'b'), (3, 'ann', null);
	grant select on notes to anon, authenticated`

func TestASnapshotHasTheRowsThatTheSubjectMaySee(t *testing.T) {
	l := newLab(t, nil, notes,
		`create table secrets (id int primary key, owner text, body text); alter table secrets enable row level security;
		insert into secrets select * from notes; grant select on secrets to authenticated;
		create policy own on secrets for select using (owner = current_setting('request.jwt.claims')::jsonb ->> 'sub')`,
		`create table halves (id int primary key, open text, shut text); insert into halves values (1, 'o', 's'); grant select (id, open) on halves to anon`).run()
	l.want("anon", "{}", of("notes", `,"order":"id"`), `{"id":1,"owner":"ann","body":"a"}`, `{"id":2,"owner":"bob","body":"b"}`, `{"id":3,"owner":"ann","body":null}`)
	l.want("anon", "{}", of("notes", `,"order":"id.desc","limit":1,"filter":"owner=eq.ann"`), `{"id":3,"owner":"ann","body":null}`)
	l.want("anon", "{}", of("notes", `,"limit":0`))
	l.want("anon", "{}", of("notes", `,"order":"body.desc.nullslast,id","limit":"2"`), `{"id":2,"owner":"bob","body":"b"}`, `{"id":1,"owner":"ann","body":"a"}`)
	l.want("authenticated", `{"sub":"ann"}`, of("secrets", `,"order":"id"`), `{"id":1,"owner":"ann","body":"a"}`, `{"id":3,"owner":"ann","body":null}`)
	l.want("authenticated", `{"sub":"eve"}`, of("secrets", ""))
	l.want("anon", "{}", of("halves", ""), `{"id":1,"open":"o"}`)
}

func TestASnapshotSeesOnePointInTime(t *testing.T) {
	l := newLab(t, nil, notes).run()
	conn := l.session()
	l.exec(conn, "begin; insert into notes values (4, 'ann', 'd'); savepoint s; insert into notes values (5, 'ann', 'e'); release s")
	var xid uint32
	if err := conn.QueryRow(t.Context(), "select pg_current_xact_id()::xid::text::bigint", pgx.QueryExecModeSimpleProtocol).Scan(&xid); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	s, err := l.take("anon", "{}", of("notes", "")+","+of("notes", `,"filter":"id=gt.3"`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Counts[0] != 3 || s.Counts[1] != 0 || s.Visible.Sees(xid) || s.Heads[0].Key[0] != "id" {
		t.Errorf("snapshot %v has %v rows by %v; want 3 and 0, and that it does not see %d", s.Visible, s.Counts, s.Heads, xid)
	}
	if d := s.At.Sub(before); d < -time.Minute || d > time.Minute {
		t.Errorf("the snapshot is of %s; want %s", s.At, before)
	}
	l.exec(conn, "commit")
	var end string
	if err := l.db.Pool.QueryRow(t.Context(), "select pg_current_wal_insert_lsn()::text").Scan(&end); err != nil {
		t.Fatal(err)
	}
	if now, err := wal.ParseLSN(end); err != nil || s.End == 0 || s.End >= now {
		t.Errorf("all that it sees is before %s, and the WAL ends at %s, %v; want that this is later", s.End, now, err)
	}
	for _, c := range []struct {
		change wal.Change
		sees   bool
	}{
		{wal.Change{XID: xid, Position: wal.Position{LSN: s.End - 8}}, false},
		{wal.Change{XID: xid - 1, Position: wal.Position{LSN: s.End - 8}}, true},
		{wal.Change{XID: xid - 1, Position: wal.Position{LSN: s.End}}, false},
	} {
		if got := s.Sees(&c.change); got != c.sees {
			t.Errorf("Sees(%d at %s) = %v; want %v", c.change.XID, c.change.Position, got, c.sees)
		}
	}
}

func TestSnapshotsAreRefusedWithACode(t *testing.T) {
	l := newLab(t, func(c *SnapshotLimits) { c.SnapshotRows = 3; c.SnapshotTimeout = time.Second }, notes,
		`create table docs (id int primary key, doc json); grant select on docs to anon`,
		`create table slow (id int primary key); insert into slow select generate_series(1, 3); grant select on slow to anon; alter table slow enable row level security;
		create policy sleepy on slow using (pg_sleep(10) is null)`,
		`create function fail(int) returns boolean language plpgsql as $$ begin raise 'row % is secret', $1; end $$;
		create table raises (id int primary key); insert into raises values (7); grant select on raises to anon; alter table raises enable row level security;
		create policy raising on raises using (fail(id))`,
		`create role stranger nologin`).run()
	l.want("anon", "{}", of("notes", `,"filter":"id=lt.3","order":"id"`), `{"id":1,"owner":"ann","body":"a"}`, `{"id":2,"owner":"bob","body":"b"}`)
	l.db.Exec(`insert into notes values (4, 'x', 'y')`)
	if r := l.refused("anon", "{}", of("notes", ""), protocol.CodeSnapshotTooLarge); !strings.Contains(r.Problem.Message, "3 rows") {
		t.Errorf("refused with %q; want the limit in it", r.Problem.Message)
	}
	l.want("anon", "{}", of("notes", `,"limit":1,"filter":"id=eq.4"`), `{"id":4,"owner":"x","body":"y"}`)
	l.refused("anon", "{}", of("docs", `,"order":"doc"`), protocol.CodeInvalidOrder)
	l.refused("anon", "{}", of("slow", ""), protocol.CodeSnapshotTimeout)
	if r := l.refused("anon", "{}", of("raises", ""), protocol.CodePolicyRaised); strings.Contains(r.Problem.Message, "7") || !strings.Contains(r.Problem.Message, "P0001") {
		t.Errorf("refused with %q; want the SQLSTATE, and no row", r.Problem.Message)
	}
	if r := l.refused("anon", "{}", of("notes", `,"limit":1`)+","+of("raises", ""), protocol.CodePolicyRaised); r.Binding != 1 {
		t.Errorf("refused is binding %d; want that of raises", r.Binding)
	}
	l.refused("nobody", "{}", of("notes", ""), protocol.CodeSnapshotDenied)
	if r := l.refused("authenticated", "{}", of("slow", ""), protocol.CodeSnapshotDenied); r.Problem.Fix != `GRANT SELECT ON "public"."slow" TO "authenticated";` {
		t.Errorf("the fix is %q; want the grant", r.Problem.Fix)
	}
	if got := l.metric("walcast_channels_snapshots_total", "refused"); got < 7 {
		t.Errorf("%v refusals were counted; want 7 at least", got)
	}
}

// TestRowsThatRaiseAreNoDatabaseThatIsAway, whatever SQLSTATE they choose: the snapshot is
// refused, and is not tried for ever in silence.
func TestRowsThatRaiseAreNoDatabaseThatIsAway(t *testing.T) {
	raising := func(name, state string) string {
		return `create function ` + name + `_fails(int) returns boolean language plpgsql as $$ begin raise 'row % is secret', $1 using errcode = '` + state + `'; end $$;
			create table ` + name + ` (id int primary key); insert into ` + name + ` values (4242); grant select on ` + name + ` to anon; alter table ` + name + ` enable row level security;
			create policy raising on ` + name + ` using (` + name + `_fails(id))`
	}
	l := newLab(t, nil, notes, raising("serialized", "40001"), raising("locked", "55P03"), raising("short", "53200"), raising("stopping", "57P01"), raising("internal", "XX000"),
		`create table paths (id int primary key, path text); insert into paths values (1, '/a['); grant select on paths to anon; alter table paths enable row level security;
		create policy internal on paths using (path = '' or xpath_exists(path, '<a/>'))`).run()
	for table, state := range map[string]string{"serialized": "40001", "locked": "55P03", "short": "53200", "stopping": "57P01", "internal": "XX000", "paths": ""} {
		if r := l.refused("anon", "{}", of(table, ""), protocol.CodePolicyRaised); strings.Contains(r.Problem.Message, "4242") || !strings.Contains(r.Problem.Message, state) {
			t.Errorf("the snapshot of %s is refused with %q; want SQLSTATE %s, and no row", table, r.Problem.Message, state)
		}
	}
	if r := l.refused("anon", "{}", of("notes", "")+","+of("paths", ""), protocol.CodePolicyRaised); r.Binding != 1 {
		t.Errorf("refused is binding %d; want that of paths", r.Binding)
	}
}

func TestEqualSnapshotsShareOneQuery(t *testing.T) {
	l := newLab(t, nil, notes)
	s := l.subject("anon", "{}")
	const clients = 1000
	var asked []*Asked
	for i := range clients {
		entry := of("notes", `,"order":"id"`)
		if i == 7 {
			entry = of("notes", `,"order":"id.desc"`)
		}
		asked = append(asked, l.snapshots.Ask(SnapshotRequest{Subject: s, Bindings: l.bindings(entry)}))
	}
	if got := l.metric("walcast_channels_snapshots_waiting", ""); got != 2 {
		t.Errorf("%v snapshots wait; want 2", got)
	}
	l.run()
	first, err := l.wait(asked[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range asked {
		if got, err := l.wait(a); err != nil || (got == first) != (i != 7) {
			t.Fatalf("client %d has snapshot %p, %v; want %p for all but the seventh", i, got, err, first)
		}
	}
	if got := l.metric("walcast_channels_snapshots_total", "ok"); got != 2 {
		t.Errorf("%v snapshots were taken; want 2", got)
	}
	if got := l.metric("walcast_channels_snapshot_bytes", ""); got == 0 {
		t.Error("the rows take no memory; want some")
	}
	for _, a := range asked {
		a.Release()
		a.Release()
	}
	l.until("all memory is free", func() bool { return l.metric("walcast_channels_snapshot_bytes", "") == 0 })
	l.db.Exec("insert into notes values (4, 'x', 'y')")
	if s, err := l.take("anon", "{}", of("notes", `,"order":"id"`)); err != nil || s.Counts[0] != 4 {
		t.Errorf("later snapshot = %v, %v; want another one, of 4 rows", s, err)
	}
}

// A client that has had rows is not to get others from before it asked.
func TestAFreshSnapshotIsNotOlderThanItsRequest(t *testing.T) {
	l := newLab(t, nil, notes).run()
	s := l.subject("anon", "{}")
	for i := range 5 {
		l.db.Exec(`insert into notes values ($1, 'x', 'y')`, 10+i)
		a := l.snapshots.Ask(SnapshotRequest{Subject: s, Bindings: l.bindings(of("notes", "")), Fresh: true})
		t.Cleanup(a.Release)
		if got, err := l.wait(a); err != nil || got.Counts[0] != 4+i {
			t.Fatalf("snapshot %d = %+v, %v; want %d rows", i, got, err, 4+i)
		}
	}
	a := l.snapshots.Ask(SnapshotRequest{Subject: s, Bindings: l.bindings(of("notes", ""))})
	t.Cleanup(a.Release)
	before, err := l.wait(a)
	if err != nil {
		t.Fatal(err)
	}
	l.Changes.Begin(changelog.History{System: "2"}, l.LSN, "")
	if s, err := l.take("anon", "{}", of("notes", "")); err != nil || s == before || s.From.History.System != "2" {
		t.Errorf("after another history has begun = %+v, %v; want a snapshot of that", s, err)
	}
}

func TestASnapshotThatNobodyWantsIsNotRead(t *testing.T) {
	l := newLab(t, nil, notes)
	a := l.snapshots.Ask(SnapshotRequest{Subject: l.subject("anon", "{}"), Bindings: l.bindings(of("notes", ""))})
	a.Release()
	if got := l.metric("walcast_channels_snapshots_waiting", ""); got != 0 {
		t.Errorf("%v snapshots wait; want none", got)
	}
	l.run()
	l.want("anon", "{}", of("notes", `,"limit":0`))
	if got := l.metric("walcast_channels_snapshots_total", "ok"); got != 1 {
		t.Errorf("%v snapshots were taken; want 1", got)
	}
}

// While one account has all the connections that it may have, others have theirs.
func TestNoAccountHasAllConnections(t *testing.T) {
	l := newLab(t, nil, `create table slow (id int primary key); insert into slow values (1); grant select on slow to anon; alter table slow enable row level security;
		create policy sleepy on slow using (pg_sleep(60) is null)`, `create table free (id int primary key); grant select on free to anon`).run()
	for i := range 20 {
		s := l.subject("anon", fmt.Sprintf(`{"sub":"greedy","iat":%d}`, i/2))
		a := l.snapshots.Ask(SnapshotRequest{Subject: s, Bindings: l.bindings(of("slow", fmt.Sprintf(`,"limit":%d`, i+1)))})
		t.Cleanup(a.Release)
	}
	l.want("anon", `{"sub":"another"}`, of("free", ""))
}

// The clients of the first do not take its rows: the next waits, until the first has
// had long enough.
func TestMemoryIsWaitedFor(t *testing.T) {
	l := newLab(t, func(c *SnapshotLimits) { c.SnapshotBytes = 1 << 20; c.SnapshotTimeout = 5 * time.Second },
		`create table large (id int primary key, body text); insert into large select n, repeat('x', 1000) from generate_series(1, 700) n; grant select on large to anon`).run()
	first, err := l.take("anon", "{}", of("large", ""))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	second, err := l.take("anon", "{}", of("large", `,"order":"id"`))
	if err != nil || second.Counts[0] != 700 {
		t.Fatalf("second = %v, %v; want 700 rows", second, err)
	}
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("the second was taken after %s; want it to wait for the first", took)
	}
	if _, _, ok := first.Rows(0, 0, 1); ok {
		t.Error("the first still has its rows")
	}
	l.db.Exec("insert into large select n, repeat('x', 1000) from generate_series(701, 1400) n")
	if r := l.refused("anon", "{}", of("large", ""), protocol.CodeSnapshotTooLarge); !strings.Contains(r.Problem.Message, "bytes") {
		t.Errorf("refused with %q; want the limit of bytes", r.Problem.Message)
	}
}

// A client that does not read may have been given some rows for ever. They do not keep the
// others in memory.
func TestRowsThatWereTakenKeepNoOthers(t *testing.T) {
	l := newLab(t, nil, `create table large (id int primary key, body text); insert into large select n, repeat('x', 1000) from generate_series(1, 1000) n; grant select on large to anon`).run()
	asked := l.snapshots.Ask(SnapshotRequest{Subject: l.subject("anon", "{}"), Bindings: l.bindings(of("large", ""))})
	taken, err := l.wait(asked)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := taken.Rows(0, 0, 1)
	other := func() weak.Pointer[byte] {
		last, _, _ := taken.Rows(0, 999, 1)
		return weak.Make(&last[0][0])
	}()
	asked.Release()
	l.until("the rows are gone", func() bool {
		runtime.GC()
		return other.Value() == nil
	})
	if !strings.Contains(string(first[0]), "xxx") {
		t.Errorf("the row that was taken is %q", first)
	}
}

// Clients of one account have all of the memory and do not take their rows. Others do not
// wait for them: the account gives back what was read first, and no more than is needed.
func TestNoAccountHasAllMemory(t *testing.T) {
	l := newLab(t, func(c *SnapshotLimits) { c.SnapshotBytes = 1 << 20; c.SnapshotTimeout = time.Hour },
		`create table large (id int primary key, body text); insert into large select n, repeat('x', 1000) from generate_series(1, 1000) n; grant select on large to anon`).run()
	var greedy []*Asked
	ask := func(claims, more string) *Asked {
		a := l.snapshots.Ask(SnapshotRequest{Subject: l.subject("anon", claims), Bindings: l.bindings(of("large", more))})
		t.Cleanup(a.Release)
		return a
	}
	for i := range 9 { // the last has no room
		greedy = append(greedy, ask(fmt.Sprintf(`{"sub":"greedy","iat":%d}`, i), fmt.Sprintf(`,"limit":%d`, 110+i)))
	}
	for _, a := range greedy[:8] {
		if _, err := l.wait(a); err != nil {
			t.Fatal(err)
		}
	}
	l.until("the last one is being read", func() bool {
		l.snapshots.mu.Lock()
		defer l.snapshots.mu.Unlock()
		return l.snapshots.memory.isReading()
	})
	s, err := l.wait(ask(`{"sub":"other"}`, `,"limit":10`))
	if err != nil || s.Counts[0] != 10 {
		t.Fatalf("another account's = %+v, %v; want 10 rows", s, err)
	}
	var left []bool
	for _, a := range greedy[:8] {
		taken, _ := a.Result()
		_, _, ok := taken.Rows(0, 0, 1)
		left = append(left, ok)
	}
	if !slices.Equal(left, []bool{false, true, true, true, true, true, true, true}) {
		t.Errorf("which of the first account's have their rows: %v; want all but the one that was read first", left)
	}
	if _, _, ok := s.Rows(0, 0, 1); !ok {
		t.Error("the other has no rows")
	}
	if got := l.metric("walcast_channels_snapshots_revoked_total", ""); got != 1 {
		t.Errorf("%v snapshots were revoked; want 1", got)
	}
}

// TestWhatPostgresAnswersInPlaceOfASnapshotIsLogged: the snapshot is asked for again, and
// nothing else would tell why it does not come.
func TestWhatPostgresAnswersInPlaceOfASnapshotIsLogged(t *testing.T) {
	l := newLab(t, nil, notes)
	other, err := pgx.Connect(t.Context(), l.db.Server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.Background()) }()
	l.exec(other, "alter database "+l.db.Name+" allow_connections false")
	l.run()
	if s, err := l.take("anon", "{}", of("notes", "")); !isAway(err) {
		t.Fatalf("a snapshot of a database that takes no connections = %+v, %v; want that there is none yet", s, err)
	}
	if log := l.log.String(); !strings.Contains(log, "not currently accepting connections") {
		t.Errorf("the log is %q; want the error of Postgres", log)
	}
}

func TestSnapshotsWaitForTheDatabaseAndTheLog(t *testing.T) {
	db := devdbServer(t)
	l := labOn(t, nil, db)
	l.run()
	l.want("anon", "{}", of("notes", `,"limit":0`))
	l.db.StopServer()
	if s, err := l.take("anon", "{}", of("notes", "")); err == nil || !isAway(err) {
		t.Errorf("snapshot without a database = %v, %v; want *AwayError", s, err)
	}
	l.db.StartServer()
	l.until("there is a snapshot again", func() bool {
		s, err := l.take("anon", "{}", of("notes", ""))
		return err == nil && s.Counts[0] == 3
	})
}
