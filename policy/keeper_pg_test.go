package policy

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/replication/wal"
)

// keepingLab is a lab whose policy keeps what it knows over restarts.
type keepingLab struct {
	*lab
	path   string
	logged bytes.Buffer
	stop   func()
	// standby says that another process writes the file.
	standby atomic.Bool
}

// keepingDocs has a table that is younger than what the slot has still to read, and a
// row from after that whose transaction had its id before: only who has looked between
// knows of that.
func keepingDocs(t *testing.T) (l *keepingLab, old *wal.Change) {
	l = &keepingLab{lab: newLab(t, docsSQL), path: filepath.Join(t.TempDir(), "state", "walcast.access")}
	l.keeping()
	l.insert(100) // the stream begins before the table is changed
	tx, err := l.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select txid_current()"); err != nil {
		t.Fatal(err)
	}
	l.Exec("create policy p on docs using (id > 0)")
	l.start()
	t.Cleanup(func() { l.stop() })
	l.view(l.relation("docs"), l.subject("anon", "{}"))
	if _, err := tx.Exec(t.Context(), "insert into docs (id, d) values (101, 0)"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	changes := l.decoded()
	return l, changes[len(changes)-1]
}

func (l *keepingLab) start() {
	config := DefaultConfig()
	config.StateFile, config.AccessAge = l.path, time.Millisecond // before that it is told by transactions
	p := New(config, l.Pool, slog.New(slog.NewTextHandler(&l.logged, nil)), nil)
	p.Restore()
	l.policy = p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Keep(ctx, func() bool { return !l.standby.Load() }) }()
	l.stop = func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("Keep: %v", err)
		}
		done <- nil
	}
}

// file is the state file as it is.
func (l *keepingLab) file() string {
	l.t.Helper()
	text, err := os.ReadFile(l.path)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

func TestWhatIsKnownOfAccessOutlivesARestart(t *testing.T) {
	l, old := keepingDocs(t)
	for _, change := range []struct {
		sql  string
		want bool
	}{
		{"select", true},
		{"create function f() returns int language sql as 'select 1'; create table other (id int)", true},
		{"revoke select on docs from anon; grant select on docs to anon", false},
	} {
		l.stop()
		l.Exec(change.sql)
		l.start()
		if got := l.judges(l.subject("anon", "{}"), old); got != change.want {
			t.Errorf("after %q: judges an older row: %t; want %t", change.sql, got, change.want)
		}
	}
	if !l.judges(l.subject("anon", "{}"), l.insert(102)) {
		t.Error("does not judge a younger row")
	}
}

// A crash loses at most what has changed in the last second.
func TestWhatIsKnownOfAccessIsWrittenWhileItRuns(t *testing.T) {
	l, old := keepingDocs(t)
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-ticker.C {
		if read, err := readKept(l.path); err == nil && len(read.objects) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("not written")
		}
	}
	crashed := l.stop
	t.Cleanup(crashed)
	l.start()
	if !l.judges(l.subject("anon", "{}"), old) {
		t.Error("an older row is not judged")
	}
}

func TestAStandbyDoesNotWriteWhatItKnowsOfAccess(t *testing.T) {
	l, _ := keepingDocs(t)
	l.stop()
	before := l.file()
	l.standby.Store(true)
	l.start()
	l.Exec("grant select on docs to public")
	l.view(l.relation("docs"), l.subject("anon", "{}"))
	l.stop()
	if after := l.file(); after != before {
		t.Errorf("a standby has written %s; want what there was, %s", after, before)
	}
}

// A file of another version or database, or a damaged one, says nothing.
func TestAStateFileThatMeansNothingIsLeftOut(t *testing.T) {
	l, old := keepingDocs(t)
	l.stop()
	text := l.file()
	if !strings.Contains(text, `"access"`) || len(text) > 1000 {
		t.Fatalf("kept: %s", text)
	}
	for says, damaged := range map[string]string{
		"it is damaged":                     strings.Replace(text, `"p":`, `"p":1`, 1),
		"read head":                         "",
		"it was written by another version": strings.Replace(text, fingerprints(), "0123456789abcdef", 1),
		"of another database":               strings.Replace(text, `"System":"`, `"System":"1`, 1),
	} {
		if err := os.WriteFile(l.path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		l.logged.Reset()
		l.start()
		if l.judges(l.subject("anon", "{}"), old) {
			t.Errorf("%s: believed", says)
		}
		l.stop()
		if !strings.Contains(l.logged.String(), says) {
			t.Errorf("logged %q; want %q", l.logged.String(), says)
		}
	}
}

func TestTheStateFileIsBounded(t *testing.T) {
	k := &kept{objects: map[dependency]object{}}
	now := time.Unix(time.Now().Unix(), 0)
	since := span{at: wal.Snapshot{Least: 1 << 40, Next: 1<<40 + 9, UnderWay: []uint64{1 << 40, 1<<40 + 3}}, last: 1<<31 + 8}
	for i := range 60_000 {
		k.objects[dependency{dependAccess, uint32(1<<31 + i)}] = object{found: found{print: -1 << 62}, trace: uint64(i + 1), since: since, at: now.Add(-time.Duration(i) * time.Second), isRestored: true}
	}
	path := filepath.Join(t.TempDir(), "state")
	if err := k.write(path, now); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(path)
	if err != nil || stat.Size() > keptMost {
		t.Fatalf("%d bytes, %v; want %d at most", stat.Size(), err, keptMost)
	}
	read, err := readKept(path)
	if err != nil || len(read.objects) < 15_000 {
		t.Fatalf("readKept: %v, %d objects", err, len(read.objects))
	}
	for d, o := range read.objects {
		if was := k.objects[d]; o.print != was.print || o.trace != was.trace || !o.at.Equal(was.at) || !o.since.equal(&was.since) {
			t.Fatalf("%v: read %+v; want %+v", d, o, was)
		}
	}
}

// Ids of transactions of two clusters, or of two timelines of one, cannot be compared.
func TestWhatIsKnownOfAnotherServerIsForgotten(t *testing.T) {
	l := labOn(t, devdb.OpenServer(t, devdb.Options{}), docsSQL)
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	ctx, k := t.Context(), l.policy.keeper
	for _, server := range []struct {
		name    string
		another func()
		want    bool
	}{
		{"only started again", func() {}, false},
		{"another timeline", func() { k.of.Timeline = "00000099" }, true},
		{"another cluster", func() { k.of.System += "9" }, true},
		{"transactions lost", func() { k.gone.seen.Next = 1 << 40 }, true},
	} {
		l.policy.tables.of(rel, "anon").expire()
		l.view(rel, s)
		server.another()
		l.StopServer()
		l.StartServer()
		l.Pool.Reset()
		conn, err := l.Pool.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sight, err := readSight(ctx, conn.Conn(), dependencies{})
		conn.Release()
		if err != nil {
			t.Fatal(err)
		}
		if err := l.policy.tables.admit(ctx, sight); err != nil {
			t.Fatal(err)
		}
		objects, _ := k.list()
		_, _, fresh := l.policy.tables.of(rel, "anon").fresh(l.policy.now(), time.Hour)
		if forgot := len(objects) == 0; forgot != server.want || fresh == server.want {
			t.Errorf("%s: forgot %t; want %t (still goes by what it knew: %t)", server.name, forgot, server.want, fresh)
		}
	}
}
