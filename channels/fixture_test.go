package channels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"walcast/auth"
	"walcast/internal/devdb"
	"walcast/internal/logtest"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

const (
	secret  = "a-secret-for-tests-with-at-least-32-characters"
	patient = 20 * time.Second // how long a test waits for what must come
)

// fixture is a hub on a real Postgres whose log the test writes by hand.
type fixture struct {
	*testing.T
	*logtest.Writer
	db     *devdb.DB
	hub    *Hub
	policy *policy.Policy
	reg    *prometheus.Registry
}

// sample reads a counter that has one label.
func (f *fixture) sample(name, value string) float64 {
	f.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			if family.GetName() == name && m.Label[0].GetValue() == value {
				return m.Counter.GetValue()
			}
		}
	}
	return 0
}

// gauge reads a gauge without labels.
func (f *fixture) gauge(name string) float64 {
	f.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.Metric[0].GetGauge().GetValue()
		}
	}
	f.Fatalf("no gauge %s", name)
	return 0
}

// newFixture makes a database by the statements, publishes all its tables and
// runs a hub on it.
func newFixture(t *testing.T, config Config, statements ...string) *fixture {
	t.Helper()
	f := newIdleFixture(t, config, statements...)
	f.run()
	return f
}

// run runs the hub, and looks at the rules of access, until the test ends.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var running errgroup.Group
	hub, rules := f.hub, f.policy
	running.Go(func() error { return hub.Run(ctx) })
	running.Go(func() error { return rules.Run(ctx) })
	f.Cleanup(func() {
		cancel()
		if err := running.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			f.Errorf("Run = %v; want nil", err)
		}
	})
}

// newIdleFixture is newFixture, but nothing runs yet.
func newIdleFixture(t *testing.T, config Config, statements ...string) *fixture {
	t.Helper()
	db := logtest.Database(t, statements...)
	logger := slog.New(slog.DiscardHandler)
	verifier, err := auth.NewVerifier(auth.Config{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, Writer: logtest.NewWriter(t, db), db: db, reg: prometheus.NewRegistry()}
	f.Changes.Begin(changelog.History{System: "1", Timeline: 1, Slot: "walcast"}, f.LSN, "")
	tables := logtest.Catalog(db)
	config.Operators = policy.NewOperators(db.Pool, nil)
	f.policy = policy.New(policy.DefaultConfig(), db.Pool, logger, nil)
	f.hub = NewHub(config, f.Changes, tables, f.policy, verifier, logger, f.reg)
	return f
}

// token signs claims with an hour to live unless they say otherwise.
func token(t *testing.T, role, sub string, ttl time.Duration) string {
	t.Helper()
	claims := jwt.MapClaims{"role": role, "exp": time.Now().Add(ttl).Unix()}
	if sub != "" {
		claims["sub"] = sub
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// client is a session whose socket is memory.
type client struct {
	f       *fixture
	session *Session
	box     *box
	refs    int
}

// box is an Outbox that keeps what it gets.
type box struct {
	version protocol.Version
	mu      sync.Mutex
	came    *sync.Cond
	frames  []*protocol.Frame
}

func (b *box) Push(f *protocol.Frame) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frames = append(b.frames, f)
	b.came.Broadcast()
}

func (b *box) Close(int, string) {}

// connect opens a session of vsn 2.0.0.
func (f *fixture) connect(role, sub string) *client {
	f.Helper()
	b := &box{version: protocol.V2}
	b.came = sync.NewCond(&b.mu)
	c := &client{f: f, box: b}
	c.session = f.hub.Open(b, Identity{Version: protocol.V2, Token: token(f.T, role, sub, time.Hour)})
	f.Cleanup(c.session.Close)
	return c
}

// send hands a message to the session and returns its ref.
func (c *client) send(topic, event, payload string) string {
	c.refs++
	ref := fmt.Sprintf("%d", c.refs)
	c.session.Handle(c.f.Context(), protocol.Message{
		JoinRef: protocol.Ref(`"` + ref + `"`), Ref: protocol.Ref(`"` + ref + `"`),
		Topic: topic, Event: event, Payload: []byte(payload),
	})
	return ref
}

// message is a frame as a client reads it.
type message struct {
	joinRef, ref, topic, event string
	payload                    map[string]any
	frame                      *protocol.Frame
}

func (c *client) read(f *protocol.Frame) (m message) {
	c.f.Helper()
	var parts [5]json.RawMessage
	if err := json.Unmarshal(f.Payload(), &parts); err != nil {
		c.f.Fatalf("frame %s: %v", f.Payload(), err)
	}
	for i, to := range []*string{&m.joinRef, &m.ref, &m.topic, &m.event} {
		*to = strings.Trim(string(parts[i]), `"`)
	}
	if err := json.Unmarshal(parts[4], &m.payload); err != nil {
		c.f.Fatalf("payload %s: %v", parts[4], err)
	}
	m.frame = f
	return m
}

// wait returns the first n frames once they are there.
func (c *client) wait(n int) (messages []message) {
	c.f.Helper()
	timer := time.AfterFunc(patient, c.box.came.Broadcast)
	defer timer.Stop()
	start := time.Now()
	c.box.mu.Lock()
	defer c.box.mu.Unlock()
	for len(c.box.frames) < n {
		if time.Since(start) >= patient {
			c.f.Fatalf("waited %s for %d frames, have %d: %s", patient, n, len(c.box.frames), c.box.dump())
		}
		c.box.came.Wait()
	}
	for _, f := range c.box.frames {
		messages = append(messages, c.read(f))
	}
	return messages
}

func (b *box) dump() string {
	var lines []string
	for _, f := range b.frames {
		lines = append(lines, string(f.Payload()))
	}
	return strings.Join(lines, "\n")
}

// waitFor returns the first n frames of an event once they are there.
func (c *client) waitFor(event string, n int) []message {
	c.f.Helper()
	for seen := n - 1; ; {
		all := c.wait(seen + 1)
		seen = len(all)
		messages := slices.DeleteFunc(all, func(m message) bool { return m.event != event })
		if len(messages) >= n {
			return messages
		}
	}
}

// join joins a topic with a config and waits for the reply and, when it has
// bindings, for the system event that says they are checked.
func (c *client) join(topic, config string) message {
	c.f.Helper()
	ref := c.send(topic, protocol.EventJoin, `{"config":`+config+`}`)
	replies := c.waitFor(protocol.EventReply, 1)
	for _, m := range replies {
		if m.ref == ref {
			return m
		}
	}
	c.f.Fatalf("no reply to join %s: %s", ref, c.box.dump())
	return message{}
}

// count is how many frames of an event have come.
func (c *client) count(event string) (n int) {
	c.box.mu.Lock()
	defer c.box.mu.Unlock()
	for _, frame := range c.box.frames {
		if c.read(frame).event == event {
			n++
		}
	}
	return n
}

// records are the values of a column in the rows delivered so far.
func records(messages []message, column string) (values []any) {
	for _, m := range messages {
		if data, ok := m.payload["data"].(map[string]any); ok {
			record, _ := data["record"].(map[string]any)
			values = append(values, record[column])
		}
	}
	return values
}
