package policy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"walcast/replication/wal"
)

// keepingLab is a lab whose policy keeps what it knows over restarts.
type keepingLab struct {
	*lab
	path   string
	logged bytes.Buffer
	stop   func()
}

// keepingDocs has a table that is younger than what the slot has still to read, and a
// row of it.
func keepingDocs(t *testing.T) (l *keepingLab, old *wal.Change) {
	l = &keepingLab{lab: newLab(t, docsSQL), path: filepath.Join(t.TempDir(), "state", "walcast.access")}
	l.keeping()
	l.Exec("create policy p on docs using (id > 0)")
	l.start()
	t.Cleanup(func() { l.stop() })
	l.view(l.relation("docs"), l.subject("anon", "{}"))
	return l, l.insert(101)
}

func (l *keepingLab) start() {
	config := DefaultConfig()
	config.StateFile, config.AccessAge = l.path, time.Millisecond // before that it is told by transactions
	p := New(config, l.Pool, slog.New(slog.NewTextHandler(&l.logged, nil)), nil)
	p.Restore()
	l.policy = p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Keep(ctx) }()
	l.stop = func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("Keep: %v", err)
		}
		done <- nil
	}
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
		if read, err := readKept(l.path); err == nil && len(read.memories) == 1 {
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

// A file of another version or database, or a damaged one, says nothing.
func TestAStateFileThatMeansNothingIsLeftOut(t *testing.T) {
	l, old := keepingDocs(t)
	l.stop()
	text, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"anon"`) || len(text) > 500 {
		t.Fatalf("kept: %s", text)
	}
	for says, damaged := range map[string]string{
		"it is damaged":                     strings.Replace(string(text), "[[", "[[1", 1),
		"read head":                         "",
		"it was written by another version": strings.Replace(string(text), fingerprints(), "0123456789abcdef", 1),
		"of another database":               strings.Replace(string(text), `"System":"`, `"System":"1`, 1),
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
	k := &kept{memories: map[memoryKey]*memory{}}
	now := time.Now()
	for i := range 60_000 {
		role := fmt.Sprint("role", i%5)
		k.memories[memoryKey{uint32(1<<31 + i), role}] = &memory{read: now.Add(-time.Duration(i) * time.Second), sum: 1<<63 + uint64(i), force: force{held: heldSpan{1 << 31, now}, traced: span{at: now}}}
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
	if err != nil || len(read.memories) < keptMost/2/keptSize {
		t.Fatalf("readKept: %v, %d memories", err, len(read.memories))
	}
	for key, m := range read.memories {
		if was := k.memories[key]; m.sum != was.sum || m.force.held.before != was.force.held.before || m.force.latest().UnixMicro() != now.UnixMicro() {
			t.Fatalf("%v: read %+v; want %+v", key, m, was)
		}
	}
}
