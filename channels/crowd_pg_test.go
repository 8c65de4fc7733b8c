package channels

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/wal"
)

const crowdTables = `
	create table docs (id int primary key, owner uuid, body text);
	alter table docs enable row level security; grant select on docs to authenticated;
	create policy own on docs for select to authenticated using ((select auth.uid()) = owner);
	create table marks (id int primary key); grant select on marks to authenticated`

// TestTenThousandUsersGetTheirRowsAndNoOther of a table where everybody has
// their own, and Postgres is asked nothing while rows flow.
func TestTenThousandUsersGetTheirRowsAndNoOther(t *testing.T) {
	const users = 10_000
	f := newFixture(t, DefaultConfig(), crowdTables)
	docs, marks := f.Relation("docs"), f.Relation("marks")
	crowd := make([]*client, users)
	for i := range crowd {
		crowd[i] = f.connect("authenticated", userID(i))
		crowd[i].send("realtime:room", protocol.EventJoin, `{"config":`+bindings(
			`{"event":"*","schema":"public","table":"docs"},{"event":"INSERT","schema":"public","table":"marks"}`)+`}`)
	}
	for _, c := range crowd {
		c.waitFor(protocol.EventSystem, 1)
	}
	f.Commit(logtest.Insert(docs, "1000000", "00000000-0000-4000-9000-000000000000", "nobody's"), logtest.Insert(marks, "1"))
	for _, c := range crowd {
		c.wantRows(f, []any{1.0})
	}
	f.hub.arming.lookAgain(t.Context())
	f.waitChecked()
	before, began := f.db.Pool.Stat().AcquireCount(), time.Now()
	want := f.flow(docs, users)
	f.Commit(logtest.Insert(marks, "2"))
	for i, c := range crowd {
		c.wantRows(f, slices.Concat([]any{1.0}, want[i], []any{2.0}))
	}
	looks := int64(time.Since(began)/(changedEvery*watchEvery)) + 1 // by the clock, whatever flows
	if n := f.db.Pool.Stat().AcquireCount() - before; n > looks {
		t.Errorf("%d statements while rows flowed; want none but %d looks at the catalog", n, looks)
	}
}

// flow inserts a row for every user, in random order, and updates one in ten so
// that it is the next user's. It returns the ids that each user is to get.
func (f *fixture) flow(docs *wal.Relation, users int) [][]any {
	want := make([][]any, users)
	order := rand.New(rand.NewPCG(1, 2)).Perm(users)
	for chunk := range slices.Chunk(order, 100) {
		var changes []*wal.Change
		for _, i := range chunk {
			changes = append(changes, logtest.Insert(docs, fmt.Sprint(i), userID(i), "mine"))
			want[i] = append(want[i], float64(i))
			if i%10 == 0 {
				next := (i + 1) % users
				changes = append(changes, &wal.Change{
					Operation: wal.Update, Relation: docs, New: logtest.Row(fmt.Sprint(i), userID(next), "given"),
				})
				want[next] = append(want[next], float64(i))
			}
		}
		f.Commit(changes...)
	}
	return want
}

func userID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

// wantRows waits for the last of the rows, and wants all of them and no other.
func (c *client) wantRows(f *fixture, want []any) {
	f.Helper()
	if got := records(c.waitFor(protocol.EventPostgresChanges, len(want)), "id"); !slices.Equal(got, want) {
		f.Fatalf("rows %v; want %v", got, want)
	}
}

// TestABindingTakesOneKiB of all that a hub keeps for it, its share of channel
// and session included.
func TestABindingTakesOneKiB(t *testing.T) {
	const sessions, each, limit = 1000, 100, 1024
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	before := heapBytes()
	crowd := make([]*client, sessions)
	for i := range crowd {
		var list []byte
		for j := range each {
			list = fmt.Appendf(list, `,{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.%d"}`, i*each+j)
		}
		crowd[i] = f.connect("anon", "")
		crowd[i].send("realtime:room", protocol.EventJoin, `{"config":`+bindings(string(list[1:]))+`}`)
	}
	for _, c := range crowd {
		c.waitFor(protocol.EventSystem, 1)
		c.box.drop()
	}
	f.hub.arming.lookAgain(t.Context())
	f.waitChecked()
	f.Commit(logtest.Insert(rel, "1", "4711", "here"))
	crowd[47].waitFor(protocol.EventPostgresChanges, 1)
	took := (heapBytes() - before) / (sessions * each)
	t.Logf("%d bytes a binding", took)
	if took > limit {
		t.Errorf("%d bytes a binding; want at most %d", took, limit)
	}
	runtime.KeepAlive(crowd)
}

// drop forgets what came: it is of the test, not of the hub.
func (b *box) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frames = nil
}

func heapBytes() int {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
		<-time.After(time.Millisecond) // finalizers
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
