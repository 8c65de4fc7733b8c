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
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

const (
	secret  = "a-secret-for-tests-with-at-least-32-characters"
	patient = 20 * time.Second // how long a test waits for what must come
)

// fixture is a hub on a real Postgres whose log the test writes by hand.
type fixture struct {
	*testing.T
	db     *devdb.DB
	log    *changelog.Log
	hub    *Hub
	policy *policy.Policy
	lsn    wal.LSN
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
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	for _, s := range statements {
		db.Exec(s)
	}
	db.Exec("create publication rows for all tables")
	logger := slog.New(slog.DiscardHandler)
	verifier, err := auth.NewVerifier(auth.Config{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, db: db, log: changelog.New(changelog.Config{Bytes: 64 << 20, Window: time.Hour}), lsn: 0x1000, reg: prometheus.NewRegistry()}
	f.log.Begin(changelog.History{System: "1", Timeline: 1, Slot: "walcast"}, f.lsn, "")
	tables := catalog.New(db.Pool, []string{"rows"})
	config.Operators = policy.NewOperators(db.Pool, nil)
	f.policy = policy.New(policy.DefaultConfig(), db.Pool, logger, nil)
	f.hub = NewHub(config, f.log, tables, f.policy, verifier, logger, f.reg)
	return f
}

// relation is a published table as the stream would describe it.
func (f *fixture) relation(table string) *wal.Relation {
	f.Helper()
	rels, err := catalog.New(f.db.Pool, []string{"rows"}).Published(f.Context(), "public", table)
	if err != nil || len(rels) != 1 {
		f.Fatalf("Published(%q) = %v, %v; want one relation", table, rels, err)
	}
	return rels[0]
}

// row is a row of text values; "NULL" is null.
func row(values ...string) (r wal.Row) {
	for _, v := range values {
		if v == "NULL" {
			r = append(r, wal.Value{Kind: wal.Null})
			continue
		}
		r = append(r, wal.Value{Kind: wal.Text, Text: v})
	}
	return r
}

// commit appends one transaction of changes to the log.
func (f *fixture) commit(changes ...*wal.Change) {
	f.lsn += 0x100
	for i, c := range changes {
		c.Position = wal.Position{LSN: f.lsn, Seq: uint32(i)}
		c.CommitTime = time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
		c.Bytes = 100
	}
	f.log.Append(time.Now(), changes, f.lsn+8)
}

// present has what is committed from here on come after all that the database has
// done: a change of access has its place among the rows.
func (f *fixture) present() {
	f.Helper()
	var text string
	if err := f.db.Pool.QueryRow(f.Context(), "select pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		f.Fatal(err)
	}
	lsn, err := wal.ParseLSN(text)
	if err != nil {
		f.Fatal(err)
	}
	f.lsn = max(f.lsn, lsn&^7)
}

func insert(rel *wal.Relation, values ...string) *wal.Change {
	return &wal.Change{Operation: wal.Insert, Relation: rel, New: row(values...)}
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
