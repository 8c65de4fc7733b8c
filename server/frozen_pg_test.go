package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"walcast/internal/devdb"
)

// processes are the postmaster of a server and its children.
func processes(t *testing.T, s *devdb.Server) (pids []int) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(s.Data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(file), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	pids = append(pids, postmaster)
	all, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		status, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", postmaster)) {
			continue // it has ended meanwhile, or is another's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// freeze stops all processes of a server, so that its sockets take connections and
// bytes and nothing answers, until thaw or the end of the test.
func freeze(t *testing.T, s *devdb.Server) (thaw func()) {
	t.Helper()
	pids := processes(t, s)
	signal := func(what syscall.Signal) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, what); err != nil && err != syscall.ESRCH {
				t.Error(err)
			}
		}
	}
	signal(syscall.SIGSTOP) // the postmaster first: no child comes afterwards
	t.Cleanup(func() { signal(syscall.SIGCONT) })
	return func() { signal(syscall.SIGCONT) }
}

// TestAChannelThatJoinsWhileTheDatabaseIsFrozenIsTold within 10 s, and when it works; a
// join that waits for its bindings fails with the code.
func TestAChannelThatJoinsWhileTheDatabaseIsFrozenIsTold(t *testing.T) {
	const promised = 10 * time.Second
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	s := startServer(t, configFor(db))
	first, waits, second := s.dial(t, "2.0.0"), s.dial(t, "2.0.0"), s.dial(t, "1.0.0")
	join := func(c *client, options string) time.Time {
		c.send("1", "realtime:room", "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[%s]%s}}`, onMessages, options))
		return time.Now()
	}
	thaw := freeze(t, db.Server)
	joined := join(first, "")
	join(waits, `,"postgres_changes_options":{"wait":true,"timeout":9000}`)
	wantAway := func(c *client, since time.Time) {
		t.Helper()
		c.next("phx_reply")
		if p := c.hearsOf("database_away"); p.Status != "ok" || p.Message != "warning: Realtime was unable to connect to the project database" {
			t.Errorf("told %+v; want a warning", p)
		}
		if took := time.Since(since); took > promised {
			t.Errorf("told after %s; want %s at most", took, promised)
		}
	}
	wantAway(first, joined)
	var reply struct {
		Status   string
		Response struct{ Code, Reason string }
	}
	if err := json.Unmarshal(waits.next("phx_reply").Payload, &reply); err != nil {
		t.Fatal(err)
	}
	if reply.Status != "error" || reply.Response.Code != "database_away" || !strings.HasPrefix(reply.Response.Reason, "PostgresChangesSubscribeTimeout: ") {
		t.Errorf("the join that waits is answered %+v; want a failure with its code", reply)
	}
	// From here on it is known that the database is away.
	asked := time.Now()
	second.send("1", "realtime:secret", "phx_join", `{"config":{"private":true}}`)
	if reply := string(second.next("phx_reply").Payload); !strings.Contains(reply, "Realtime was unable to connect to the project database") {
		t.Errorf("a private join is answered %s; want that the database is away", reply)
	}
	if took := time.Since(asked); took > promised/2 {
		t.Errorf("a private join is refused after %s, and others wait behind it", took)
	}
	wantAway(second, join(second, ""))
	thaw()
	for _, c := range []*client{first, second} {
		c.hearsOf(subscribed)
	}
	db.Exec(`insert into messages values (1, 42, 'a')`)
	for _, c := range []*client{first, second} {
		c.wantChanges("INSERT 1 a")
	}
}
