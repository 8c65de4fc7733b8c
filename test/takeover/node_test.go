package takeover

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"walcast/internal/await"
	"walcast/internal/devdb"
	"walcast/test/program"
)

// patience bounds whatever a test waits for: Postgres takes 15 s to give up a reader.
const patience = 90 * time.Second

// field is a database, and the walcasts that have one slot of it.
type field struct {
	t      *testing.T
	binary string
	db     *devdb.DB
	state  string // folder that nodes on one host share
	nodes  []*node
}

// node is a walcast.
type node struct {
	*program.Process
	t     *testing.T
	name  string
	state string // its folder
	log   *program.Logbook
}

func newField(t *testing.T, binary string, db *devdb.DB) *field {
	t.Helper()
	devdb.SupabaseRoles(db)
	db.Exec(`create table messages (id int primary key, body text); grant select on messages to anon;
		create publication supabase_realtime for table messages`)
	return &field{t: t, binary: binary, db: db, state: filepath.Join(t.TempDir(), "state")}
}

// start starts a walcast. It prints to a log that a failed test shows.
func (f *field) start(args ...string) *node {
	f.t.Helper()
	n := &node{t: f.t, name: string(rune('A' + len(f.nodes))), state: f.state, log: &program.Logbook{}}
	args = append([]string{"--database-url", f.db.DSN, "--slot", f.db.Name, "--state-dir", f.state}, args...)
	var err error
	if n.Process, err = program.Start(f.binary, n.log, args...); err != nil {
		f.t.Fatal(err)
	}
	f.nodes = append(f.nodes, n)
	f.t.Cleanup(func() {
		n.Kill()
		until(f.t, n.name+" to end", n.Ended)
		for _, sign := range program.CrashSigns() {
			if n.log.Find(sign) != 0 {
				f.t.Errorf("%s printed %s", n.name, sign)
			}
		}
		if f.t.Failed() {
			f.t.Logf("log of %s:\n%s", n.name, n.log.Around(time.Now().UnixNano(), time.Hour, 0, 0))
		}
	})
	return n
}

// reader starts a walcast that gets the slot at once.
func (f *field) reader(args ...string) *node {
	f.t.Helper()
	return f.start(args...).awaitReader()
}

// standby starts a walcast that finds the slot in use.
func (f *field) standby(args ...string) *node {
	f.t.Helper()
	return f.start(args...).awaitStandby()
}

// readiness is what /readyz says.
type readiness struct {
	Code   int
	Role   string
	Ready  bool
	Reason string
}

func (n *node) ready() (r readiness) {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + n.Address + "/readyz")
	if err != nil {
		return r
	}
	defer response.Body.Close()
	if json.NewDecoder(response.Body).Decode(&r) != nil {
		return readiness{}
	}
	r.Code = response.StatusCode
	return r
}

func (n *node) awaitReader() *node {
	n.t.Helper()
	until(n.t, n.name+" to read the slot", func() bool {
		n.mustLive()
		r := n.ready()
		return r.Code == http.StatusOK && r.Role == "reader" && r.Ready
	})
	return n
}

func (n *node) awaitStandby() *node {
	n.t.Helper()
	until(n.t, n.name+" to stand by", func() bool {
		n.mustLive()
		r := n.ready()
		return r.Code == http.StatusServiceUnavailable && r.Role == "standby" && !r.Ready && r.Reason != ""
	})
	return n
}

func (n *node) mustLive() {
	n.t.Helper()
	if n.Ended() {
		n.t.Fatalf("%s has ended:\n%s", n.name, n.log.Around(time.Now().UnixNano(), time.Hour, 0, 0))
	}
}

// standsBy wants the node to stand by still, and to be healthy.
func (n *node) standsBy() {
	n.t.Helper()
	if r := n.ready(); r.Role != "standby" || r.Code != http.StatusServiceUnavailable {
		n.t.Errorf("/readyz of %s says %+v; want that it stands by", n.name, r)
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + n.Address + "/healthz")
	if err != nil {
		n.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		n.t.Errorf("/healthz of %s says %s; want 200", n.name, response.Status)
	}
}

func (n *node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.Signal(s); err != nil {
		n.t.Fatalf("send %s to %s: %v", s, n.name, err)
	}
}

// stop ends the node in order.
func (n *node) stop() {
	n.t.Helper()
	if ended, err := n.Stop(); ended != nil || err != nil {
		n.t.Errorf("stop of %s: %v, %v; want exit code 0", n.name, ended, err)
	}
}

// kept is what is in the state folder: the content of each file.
func (f *field) kept() map[string]string {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(f.state, "*"))
	if err != nil {
		f.t.Fatal(err)
	}
	kept := map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.t.Fatal(err)
		}
		kept[filepath.Base(name)] = string(text)
	}
	return kept
}

// until waits for a condition.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	await.True(t, patience, what, is)
}
