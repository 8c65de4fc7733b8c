package takeover

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/devdb"
	"walcast/test/program"
)

func TestMain(m *testing.M) { os.Exit(devdb.Main(m).Run()) }

// TestTakeover has the program built once, for all that may happen to it.
func TestTakeover(t *testing.T) {
	binary := program.Build(t, raceFlag...)
	for name, try := range map[string]func(*testing.T, string){
		"the reader is killed":                          killed,
		"the reader is frozen, and thawed":              frozen,
		"the reader is frozen, thawed and stopped":      frozenAndStopped,
		"the reader is cut off from Postgres":           cutOff,
		"rolling deploys":                               rolling,
		"a rolling deploy to another host":              rollingElsewhere,
		"two stand by":                                  twoStandBy,
		"Postgres restarts":                             postgresRestarts,
		"a standby is stopped before it ever held":      stoppedBefore,
		"nodes of a cluster know each other":            directory,
		"the reader of a cluster is killed":             relayed,
		"the reader of a cluster is frozen, and thawed": frozenReader,
		"a follower is cut off from the bus":            cutFromBus,
		"the reader of a cluster is cut off":            readerCutOff,
		"nodes use a NATS server that there is":         elsewhere,
		"a client goes from node to node":               moving,
		"clients take along what they have received":    carried,
		"a table is altered while nodes follow":         altered,
		"a standby that could not take over is no one":  misfit,
		"clients of several nodes talk to each other":   talking,
		"broadcasts are lost between nodes":             unheard,
		"clients of several nodes see each other":       attended,
		"a client takes along what it tracks":           moved,
		"nodes with members are cut off":                parted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try(t, binary)
		})
	}
}

// write commits rows with the ids from first to last.
func (f *field) write(first, last int) {
	f.t.Helper()
	for id := first; id <= last; id++ {
		f.db.Exec(`insert into messages values ($1, 'x')`, id)
	}
}

func killed(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	a, b := f.reader(), f.standby()
	byPosition, byID := f.follow("", a, b), f.follow("c", a, b)
	f.write(1, 3)
	byPosition.has(3)
	byID.has(3)
	b.standsBy()
	began := time.Now()
	a.signal(syscall.SIGKILL)
	f.write(4, 5)
	b.awaitReader()
	t.Logf("the standby reads the slot %s after the kill", time.Since(began).Round(time.Millisecond))
	byPosition.hasOnce(5)
	f.write(6, 7)
	byPosition.hasOnce(7)
	byID.wasTold(1, 7) // only the one that was killed knew the client
}

// frozen has the reader thawed too late: it sends its clients away and touches nothing.
func frozen(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	a, b := f.reader(), f.standby()
	c, stays := f.follow("", a, b), f.stay("stays", a)
	f.write(1, 3)
	c.has(3)
	stays.has(3)
	began := time.Now()
	a.signal(syscall.SIGSTOP)
	f.write(4, 5)
	b.awaitReader()
	t.Logf("the standby reads the slot %s after the freeze", time.Since(began).Round(time.Millisecond))
	c.hasOnce(5)
	kept := f.kept()
	if !strings.Contains(fmt.Sprint(kept), fmt.Sprintf("process %d ", b.ID())) {
		t.Errorf("state folder has %q; want the marker of the new reader, process %d", kept, b.ID())
	}
	a.signal(syscall.SIGCONT)
	a.awaitStandby()
	stays.wasClosed(1012)
	f.write(6, 7)
	c.hasOnce(7)
	if diff := cmp.Diff(kept, f.kept()); diff != "" {
		t.Errorf("the thawed reader has changed the state (-before +after):\n%s", diff)
	}
	b.awaitReader()
	b.stop()
	a.awaitReader()
	f.write(8, 9)
	c.hasOnce(9)
}

func frozenAndStopped(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	a, b := f.reader(), f.standby()
	c := f.follow("", a, b)
	f.write(1, 2)
	c.has(2)
	a.signal(syscall.SIGSTOP)
	b.awaitReader()
	kept := f.kept()
	a.signal(syscall.SIGTERM)
	a.signal(syscall.SIGCONT)
	until(t, "the thawed reader to stop", a.Ended)
	if code := a.State().ExitCode(); code != 0 {
		t.Errorf("exit code %d; want 0", code)
	}
	if diff := cmp.Diff(kept, f.kept()); diff != "" {
		t.Errorf("the thawed reader has changed the state (-before +after):\n%s", diff)
	}
	f.write(3, 4)
	c.hasOnce(4)
}

func cutOff(t *testing.T, binary string) {
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	f := newField(t, binary, db)
	way := newNetwork(t, db)
	near := strings.Replace(db.DSN, fmt.Sprintf(":%d/", db.Server.Port), fmt.Sprintf(":%d/", way.port()), 1)
	a := f.reader("--database-url", near)
	b := f.standby()
	c := f.follow("", b, a)
	f.write(1, 3)
	c.has(3)
	began := time.Now()
	way.set(true)
	f.write(4, 5)
	b.awaitReader()
	t.Logf("the standby reads the slot %s after the cut", time.Since(began).Round(time.Millisecond))
	if r := a.ready(); r.Code == 200 {
		until(t, "the one that is cut off to notice", func() bool { return a.ready().Code == 503 })
	}
	f.write(6, 7)
	way.set(false)
	a.awaitStandby()
	c.hasOnce(7)
	b.stop()
	a.awaitReader()
	f.write(8, 9)
	c.hasOnce(9)
}

// rolling replaces the reader again and again under load, each time by a process that
// was started before. All share the state folder.
func rolling(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	fleet := []*node{f.reader(), f.standby()}
	fleet[1].standsBy()
	byPosition, byID := f.follow("", fleet...), f.follow("c", fleet...)
	f.write(1, 3)
	byPosition.has(3)
	byID.has(3)
	stopped := time.Now()
	fleet[0].stop()
	fleet[1].awaitReader()
	t.Logf("the standby reads the slot %s after the stop began", time.Since(stopped).Round(time.Millisecond))
	f.write(4, 6)
	byPosition.hasOnce(6)
	byID.hasOnce(6)
	byID.wasClosed(1012)
	for _, line := range []string{"standing by: ", "slot is free: taking over", "replication started", "taken over: "} {
		if text := fleet[1].log.Around(time.Now().UnixNano(), time.Hour, 0, 0); strings.Count(text, line) != 1 {
			t.Errorf("%q is logged %d times; want once", line, strings.Count(text, line))
		}
	}
}

// rollingElsewhere has a state folder for each: clients that only the one before knew
// are told.
func rollingElsewhere(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	elsewhere := t.TempDir()
	f.reader("--state-dir", elsewhere).stop() // what it knows is of an earlier time
	f.db.Exec(`select pg_drop_replication_slot($1)`, f.db.Name)
	a := f.reader()
	b := f.standby("--state-dir", elsewhere)
	byPosition, byID := f.follow("", a, b), f.follow("c", a, b)
	f.write(1, 3)
	byPosition.has(3)
	byID.has(3)
	a.stop()
	f.write(4, 5)
	b.awaitReader()
	byPosition.hasOnce(5)
	until(t, "the client to be told", func() bool { byID.mu.Lock(); defer byID.mu.Unlock(); return len(byID.resyncs) > 0 })
	f.write(6, 7)
	byPosition.hasOnce(7)
	byID.wasTold(1, 7)
}

func twoStandBy(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	a := f.reader()
	b := f.standby()
	c := f.standby()
	client := f.follow("", c, b, a)
	f.write(1, 3)
	client.has(3)
	a.signal(syscall.SIGKILL)
	b.awaitReader()
	c.standsBy()
	f.write(4, 5)
	client.hasOnce(5)
	b.signal(syscall.SIGKILL)
	c.awaitReader()
	f.write(6, 7)
	client.hasOnce(7)
}

// postgresRestarts leaves the slot and the clients where they were.
func postgresRestarts(t *testing.T, binary string) {
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	f := newField(t, binary, db)
	a, b := f.reader(), f.standby()
	c := f.follow("", a, b)
	f.write(1, 3)
	c.has(3)
	db.StopServer()
	until(t, "both to tell", func() bool { return a.ready().Code == 503 && b.ready().Code == 503 })
	b.standsBy()
	db.StartServer()
	a.awaitReader()
	f.write(4, 5)
	c.hasOnce(5)
	b.standsBy()
	c.wasClosed()
	a.signal(syscall.SIGKILL)
	b.awaitReader()
	f.write(6, 7)
	c.hasOnce(7)
}

func stoppedBefore(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	a, b := f.reader(), f.standby()
	c := f.follow("c", b, a)
	f.write(1, 2)
	c.has(2)
	kept := f.kept()
	b.stop()
	if diff := cmp.Diff(kept, f.kept()); diff != "" {
		t.Errorf("a standby has changed the state (-before +after):\n%s", diff)
	}
	f.write(3, 4)
	c.hasOnce(4)
	c.wasClosed()
	if c.refusals == 0 {
		t.Error("the standby did not send the client elsewhere")
	}
}

// misfit is given what could not go on with the reader's work.
func misfit(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	other := devdb.Open(t)
	newField(t, binary, other)
	f.db.Exec(`create publication another for table messages`)
	a := f.reader()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--publication", "another"}, "for publication supabase_realtime, and this process is to read another from it"},
		{[]string{"--database-url", other.DSN}, "belongs to database"},
	} {
		b := f.start(test.args...)
		until(t, "the start to end", b.Ended)
		if b.State().ExitCode() != 1 || b.log.Find(test.want) == 0 {
			t.Errorf("%v: exit code %d; want 1 and a sentence with %q", test.args, b.State().ExitCode(), test.want)
		}
	}
	a.awaitReader()
}
