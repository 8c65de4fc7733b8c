package takeover

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// attendant is a client that tells who is present on the topic "crowd", as a stock client
// does by presence_state and presence_diff.
type attendant struct {
	t    *testing.T
	conn *websocket.Conn

	mu    sync.Mutex
	refs  map[string]map[string]bool // by key; nil before the state
	heard []string                   // "+key" and "-key" for each meta of a diff
	began time.Time                  // when it was asked what it hears
	took  map[string]time.Duration   // when it first heard something since
}

// attend joins on a node under a key, and waits for the first state.
func (f *field) attend(n *node, key, client string) *attendant {
	f.t.Helper()
	token := program.Sign(jwt.MapClaims{"role": "anon", "exp": time.Now().Add(time.Hour).Unix()})
	url := fmt.Sprintf("ws://%s/realtime/v1/websocket?vsn=1.0.0&apikey=%s", n.Address, token)
	if client != "" {
		url += "&client_id=" + client
	}
	var conn *websocket.Conn
	until(f.t, n.name+" to let a client in", func() (in bool) {
		var err error
		conn, _, err = websocket.DefaultDialer.DialContext(f.t.Context(), url, nil)
		return err == nil
	})
	a := &attendant{t: f.t, conn: conn, took: map[string]time.Duration{}}
	var reading sync.WaitGroup
	reading.Go(a.read)
	f.t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
	a.send("phx_join", fmt.Sprintf(`{"config":{"presence":{"key":%q}}}`, key))
	a.until("the first state", func() bool { return a.refs != nil })
	return a
}

func (a *attendant) send(event, payload string) {
	text := fmt.Appendf(nil, `{"join_ref":"1","ref":"1","topic":"realtime:crowd","event":%q,"payload":%s}`, event, payload)
	if err := a.conn.WriteMessage(websocket.TextMessage, text); err != nil {
		a.t.Error(err)
	}
}

// tracks tracks a number.
func (a *attendant) tracks(n int) {
	a.send("presence", fmt.Sprintf(`{"type":"presence","event":"track","payload":{"n":%d}}`, n))
}

type present map[string]struct {
	Metas []struct {
		Ref string `json:"phx_ref"`
	}
}

func (a *attendant) read() {
	for {
		_, frame, err := a.conn.ReadMessage()
		if err != nil {
			return
		}
		var m struct {
			Event   string
			Payload json.RawMessage
		}
		if err := json.Unmarshal(frame, &m); err != nil {
			a.t.Errorf("read %s: %v", frame, err)
			return
		}
		a.mu.Lock()
		switch m.Event {
		case "presence_state":
			a.refs = map[string]map[string]bool{}
			state := present{}
			a.decode(m.Payload, &state)
			a.join(state)
		case "presence_diff":
			var diff struct{ Joins, Leaves present }
			a.decode(m.Payload, &diff)
			a.join(diff.Joins)
			a.hear("+", diff.Joins)
			a.leave(diff.Leaves)
			a.hear("-", diff.Leaves)
		}
		a.mu.Unlock()
	}
}

func (a *attendant) decode(text []byte, into any) {
	if err := json.Unmarshal(text, into); err != nil {
		a.t.Errorf("read %s: %v", text, err)
	}
}

func (a *attendant) join(p present) {
	for key, of := range p {
		if a.refs[key] == nil {
			a.refs[key] = map[string]bool{}
		}
		for _, meta := range of.Metas {
			a.refs[key][meta.Ref] = true
		}
	}
}

func (a *attendant) leave(p present) {
	for key, of := range p {
		for _, meta := range of.Metas {
			if !a.refs[key][meta.Ref] {
				a.t.Errorf("%s left with the ref %s, which was not there", key, meta.Ref)
			}
			delete(a.refs[key], meta.Ref)
		}
		if len(a.refs[key]) == 0 {
			delete(a.refs, key)
		}
	}
}

func (a *attendant) hear(sign string, p present) {
	for key := range p {
		a.heard = append(a.heard, sign+key)
		if _, before := a.took[sign+key]; !before {
			a.took[sign+key] = time.Since(a.began)
		}
	}
}

func (a *attendant) until(what string, is func() bool) {
	a.t.Helper()
	until(a.t, what, func() bool { a.mu.Lock(); defer a.mu.Unlock(); return is() })
}

// sees waits until those with the keys are present, once each, and no others.
func (a *attendant) sees(keys ...string) {
	a.t.Helper()
	a.until("a client to see "+strings.Join(keys, ", "), func() bool {
		for _, refs := range a.refs {
			if len(refs) != 1 {
				return false
			}
		}
		return slices.Equal(slices.Sorted(maps.Keys(a.refs)), keys)
	})
}

// begin forgets what was heard before.
func (a *attendant) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard, a.began, a.took = nil, time.Now(), map[string]time.Duration{}
}

// wantHeard compares what was heard since begin.
func (a *attendant) wantHeard(want ...string) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.heard, want) {
		a.t.Errorf("a client has heard %q; want %q", a.heard, want)
	}
}

// after is how long after begin something was heard.
func (a *attendant) after(what string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.took[what].Round(time.Millisecond)
}

// says is who is present as the node tells over HTTP.
func (n *node) says() []string {
	n.t.Helper()
	request, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, "http://"+n.Address+"/api/presence/crowd", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+program.Sign(jwt.MapClaims{"role": "service_role", "exp": time.Now().Add(time.Hour).Unix()}))
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	state := present{}
	if err != nil || json.Unmarshal(body, &state) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(state))
}

// patient are settings with which nodes do not send clients away.
var patient = []string{"--ready-lag", "10m"}

// attended has clients of several nodes see each other, while nodes die, freeze and come.
func attended(t *testing.T, binary string) {
	f, way := newField(t, binary, devdb.Open(t)), newBus(t)
	nodes := []*node{f.reader(way.node(t, patient...)...)}
	for range 3 {
		nodes = append(nodes, f.start(way.node(t, patient...)...).awaitFollower())
	}
	ann, bob, watcher := f.attend(nodes[1], "ann", ""), f.attend(nodes[2], "bob", ""), f.attend(nodes[0], "watcher", "")
	ann.tracks(1)
	bob.tracks(1)
	for _, a := range []*attendant{ann, bob, watcher} {
		a.sees("ann", "bob")
	}
	for _, n := range nodes { // one has no members
		until(t, n.name+" to say who is present", func() bool { return slices.Equal(n.says(), []string{"ann", "bob"}) })
	}
	if got := nodes[3].metric("walcast_presence_exchange_received_total"); got != 0 {
		t.Errorf("a node without members was told %v changes; want none", got)
	}

	watcher.begin()
	bob.begin()
	nodes[1].signal(syscall.SIGKILL)
	watcher.sees("bob")
	bob.sees("bob")
	watcher.wantHeard("-ann")
	t.Logf("members of a node that was killed leave after %s", watcher.after("-ann"))

	late := f.attend(nodes[3], "late", "")
	late.sees("bob")
	late.tracks(1)
	for _, a := range []*attendant{late, watcher, bob} {
		a.sees("bob", "late")
	}
	watcher.begin()
	bob.begin()
	nodes[2].signal(syscall.SIGSTOP)
	watcher.sees("late")
	late.sees("late")
	t.Logf("members of a node that is frozen leave after %s", watcher.after("-bob"))
	watcher.tracks(1)
	nodes[2].signal(syscall.SIGCONT)
	for _, a := range []*attendant{late, watcher, bob} {
		a.sees("bob", "late", "watcher")
	}
	bob.wantHeard("+watcher") // who was frozen does not take the others for gone
	for _, n := range []*node{nodes[0], nodes[2], nodes[3]} {
		until(t, n.name+" to say who is present", func() bool { return slices.Equal(n.says(), []string{"bob", "late", "watcher"}) })
	}
}

// moved has a client with a client_id come to another node, as its own was killed, or as its
// socket was lost. Nobody sees it leave.
func moved(t *testing.T, binary string) {
	f, way := newField(t, binary, devdb.Open(t)), newBus(t)
	settings := append(patient, "--presence-grace", "6s")
	nodes := []*node{f.reader(way.node(t, settings...)...)}
	for range 3 {
		nodes = append(nodes, f.start(way.node(t, settings...)...).awaitFollower())
	}
	near, far := f.attend(nodes[2], "", ""), f.attend(nodes[0], "", "")
	ann := f.attend(nodes[1], "ann", "tab")
	ann.tracks(1)
	near.sees("ann")
	far.sees("ann")
	near.begin()
	far.begin()
	nodes[1].signal(syscall.SIGKILL)
	ann = f.attend(nodes[2], "ann", "tab")
	ann.sees("ann")
	ann.tracks(1)
	ann.conn.Close()
	ann = f.attend(nodes[3], "ann", "tab")
	ann.sees("ann")
	ann.tracks(1)
	// Somebody whose node is killed now leaves after those before would have.
	eve := f.start(way.node(t, settings...)...).awaitFollower()
	f.attend(eve, "eve", "other").tracks(1)
	near.sees("ann", "eve")
	far.sees("ann", "eve")
	eve.signal(syscall.SIGKILL)
	near.sees("ann")
	far.sees("ann")
	near.wantHeard("+eve", "-eve")
	far.wantHeard("+eve", "-eve")
	t.Logf("with a grace time of 6s members of a node that was killed leave %s after they came", near.after("-eve")-near.after("+eve"))
	ann.send("phx_leave", `{}`)
	near.sees()
	far.sees()
}

// parted has two nodes lose each other, and go on by themselves.
func parted(t *testing.T, binary string) {
	f, way := newField(t, binary, devdb.Open(t)), newBus(t)
	a := f.reader(way.node(t, patient...)...)
	cable := networkTo(t, way.first)
	b := f.start(append(patient, "--cluster-listen", freeAddress(t), "--cluster-peers", fmt.Sprintf("127.0.0.1:%d", cable.port()),
		"--cluster-secret", clusterSecret, "--state-dir", t.TempDir())...).awaitFollower()
	ann, bob := f.attend(a, "ann", ""), f.attend(b, "bob", "")
	ann.tracks(1)
	bob.tracks(1)
	ann.sees("ann", "bob")
	bob.sees("ann", "bob")
	ann.begin()
	cable.set(true)
	ann.sees("ann")
	bob.sees("bob")
	t.Logf("members beyond the cut leave after %s", ann.after("-bob"))
	carl, dora := f.attend(a, "carl", ""), f.attend(b, "dora", "")
	carl.tracks(1)
	dora.tracks(1)
	ann.sees("ann", "carl")
	bob.sees("bob", "dora")
	ann.begin()
	cable.set(false)
	for _, of := range []*attendant{ann, bob, carl, dora} {
		of.sees("ann", "bob", "carl", "dora")
	}
	t.Logf("all see all %s after the cut is mended", ann.after("+dora"))
	for _, n := range []*node{a, b} {
		until(t, n.name+" to say who is present", func() bool { return slices.Equal(n.says(), []string{"ann", "bob", "carl", "dora"}) })
	}
}
