package fanout

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"walcast/diagnose"
	"walcast/internal/devdb"
	"walcast/internal/logtest"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

const patient = time.Minute // how long a test waits for what must come

// fixture is a fanout on a real Postgres whose log the test writes by hand.
type fixture struct {
	testing.TB
	*logtest.Writer
	db     *devdb.DB
	config Config
	shards int // 0 for one a core
	policy *policy.Policy
	spoken *spoken
	fanout *Fanout
}

var firstHistory = changelog.History{System: "1", Timeline: 1, Slot: "walcast"}

// newFixture makes a database by the statements, publishes all its tables and
// runs a fanout on a log that has begun.
func newFixture(t testing.TB, statements ...string) *fixture {
	t.Helper()
	f := newIdleFixture(t, statements...)
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	return f
}

// newIdleFixture is newFixture, but the log has not begun and nothing runs yet.
func newIdleFixture(t testing.TB, statements ...string) *fixture {
	t.Helper()
	db := logtest.Database(t, statements...)
	f := &fixture{
		TB: t, Writer: logtest.NewWriter(t, db), db: db, spoken: &spoken{},
		policy: policy.New(policy.DefaultConfig(), db.Pool, slog.New(slog.DiscardHandler), nil),
		config: Config{
			MaxChangeBytes: 1 << 20, ResumeWait: 20 * time.Second, Operators: policy.NewOperators(db.Pool, nil),
			Raised: func(b *diagnose.Binding, s *policy.Subject, err error) protocol.Problem {
				return protocol.Problem{Message: fmt.Sprintf("%s for %s: %v", b.Spec.Table, s.Role, err), Code: protocol.CodePolicyRaised}
			},
		},
	}
	f.renew()
	return f
}

// renew makes another fanout on the log as it is, which does not run yet.
func (f *fixture) renew() {
	f.fanout = newFanout(f.config, f.Changes, f.policy, f.spoken, slog.New(slog.DiscardHandler), nil)
	f.fanout.addShards(cmp.Or(f.shards, runtime.GOMAXPROCS(0)))
}

// run runs the fanout, and looks at the rules of access, until the test ends.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	fanout, rules := f.fanout, f.policy
	go func() {
		looked := make(chan error, 1)
		go func() { looked <- rules.Run(ctx) }()
		err := fanout.Run(ctx)
		<-looked
		done <- err
	}()
	f.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			f.Errorf("Run = %v; want nil", err)
		}
	})
}

// spoken reads messages from SQL whose content is a topic's name and a number.
type spoken struct {
	mu      sync.Mutex
	sent    []string
	refused int
}

// said is a message to a topic.
func said(topic string, number int) *wal.Change {
	return &wal.Change{Operation: wal.Message, Content: fmt.Sprint(topic, " ", number)}
}

func (s *spoken) Message(c *wal.Change, reports bool) (protocol.Topic, Message) {
	name, number, ok := strings.Cut(c.Content, " ")
	if !ok {
		if reports {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refused++
		}
		return protocol.Topic{}, nil
	}
	return protocol.Topic{Name: protocol.TopicPrefix + name}, &saying{s, "message " + number}
}

type saying struct {
	to   *spoken
	text string
}

func (s *saying) Sent() {
	s.to.mu.Lock()
	defer s.to.mu.Unlock()
	s.to.sent = append(s.to.sent, s.text)
}

func (s *saying) Deliver(member any) { member.(*inbox).write(s.text, nil) }

// inbox is an outbox, and a member of a topic, that writes down what came:
// "row 1" for a row with id 1, "message 2", "resync code", "problem code".
type inbox struct {
	mu       sync.Mutex
	came     *sync.Cond
	lines    []string
	frames   []*protocol.Frame // nil for messages
	full     chan struct{}     // not nil: there is no room until it is closed
	isEnding atomic.Bool
}

func newInbox() *inbox {
	b := &inbox{}
	b.came = sync.NewCond(&b.mu)
	return b
}

func (b *inbox) Ending() bool { return b.isEnding.Load() }

func (b *inbox) Push(f *protocol.Frame) { b.write(lineOf(f), f) }

func (b *inbox) Room(ctx context.Context, _ int) {
	if b.full == nil {
		return
	}
	select {
	case <-b.full:
	case <-ctx.Done():
	}
}

func (b *inbox) write(line string, f *protocol.Frame) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines, b.frames = append(b.lines, line), append(b.frames, f)
	b.came.Broadcast()
}

// pushed is a frame as clients read it.
type pushed struct {
	Event   string
	Payload struct {
		IDs  []int64
		Data struct {
			Record, OldRecord map[string]any `json:",omitempty"`
			Old               map[string]any `json:"old_record"`
			Errors            []string
			Seq               int
		}
		Status, Code, Reason   string
		From, Oldest, Position *string
	}
}

// contentOf is a frame's JSON object, which of an event stream is the data alone.
func contentOf(f *protocol.Frame) (p pushed, position string, err error) {
	content := f.Payload()
	if content[0] == '{' {
		return p, "", json.Unmarshal(content, &p)
	}
	for line := range strings.Lines(string(content)) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch field {
		case "event":
			p.Event = value
		case "id":
			position = value
		case "data":
			err = json.Unmarshal([]byte(value), &p.Payload)
		}
	}
	return p, position, err
}

func lineOf(f *protocol.Frame) string {
	p, _, err := contentOf(f)
	switch {
	case err != nil:
		return err.Error()
	case p.Event == protocol.EventPostgresCommit:
		return "end " + *p.Payload.Position
	case p.Event != protocol.EventSystem:
		return fmt.Sprint("row ", p.Payload.Data.Record["id"])
	case p.Payload.Status == protocol.StatusError:
		return "stopped " + p.Payload.Code
	case p.Payload.Code == protocol.CodePolicyRaised || p.Payload.Code == protocol.CodeFilterRaised || p.Payload.Code == protocol.CodeTooSlow:
		return "problem " + p.Payload.Code
	}
	return "resync " + p.Payload.Code
}

// wait returns what came once there are n lines.
func (b *inbox) wait(t *testing.T, n int) []string {
	t.Helper()
	timer := time.AfterFunc(patient, b.came.Broadcast)
	defer timer.Stop()
	start := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.lines) < n {
		if time.Since(start) >= patient {
			t.Fatalf("waited %s for %d lines, have %d, the last of them %q", patient, n, len(b.lines), b.lines[max(0, len(b.lines)-20):])
		}
		b.came.Wait()
	}
	return append([]string(nil), b.lines...)
}

// read returns the frames of the first n lines once they are there.
func (b *inbox) read(t *testing.T, n int) (frames []pushed) {
	t.Helper()
	b.wait(t, n)
	for _, f := range b.frames[:n] {
		p, _, err := contentOf(f)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, p)
	}
	return frames
}

// ask is a request to topic room, as role anon unless said otherwise.
type ask struct {
	topic, role, claims   string
	version               protocol.Version
	bindings              string // entries of postgres_changes
	after                 []wal.Position
	provenance            changelog.Provenance // of all of after
	recognised, dedicated bool
	session               *Session
	published             func(schema, table string)
	broken                bool // the last of bindings
}

// subscribe makes a subscription that is closed at the end of the test.
func (f *fixture) subscribe(b *inbox, a ask, start Start) *Subscription {
	f.Helper()
	s := f.fanout.Subscribe(f.request(b, a), start)
	f.Cleanup(s.Close)
	return s
}

func (f *fixture) request(b *inbox, a ask) Request {
	f.Helper()
	if a.topic == "" {
		a.topic = "room"
	}
	if a.role == "" {
		a.role, a.claims = "anon", "{}"
	}
	if a.version == 0 {
		a.version = protocol.V1
	}
	if a.session == nil {
		a.session = &Session{}
	}
	join, err := protocol.ParseJoin(a.topic, []byte(`{"config":{"postgres_changes":[`+a.bindings+`]}}`))
	if err != nil {
		f.Fatal(err)
	}
	bindings, refused := diagnose.Parse(join.Bindings)
	if refused != nil {
		f.Fatal(refused.Message)
	}
	var after []changelog.Named
	for _, p := range a.after {
		after = append(after, changelog.Named{Position: p, Provenance: a.provenance})
	}
	return Request{
		Address:  protocol.Address{Version: a.version, Topic: protocol.TopicPrefix + a.topic, JoinRef: `"1"`},
		Topic:    protocol.Topic{Name: protocol.TopicPrefix + a.topic},
		Subject:  f.subject(a.role, a.claims),
		Bindings: bindings, After: after, Member: b, Outbox: b, Session: a.session, Dedicated: a.dedicated,
		Client: Client{Recognised: a.recognised},
		Checks: Checks{Published: a.published, Doubtful: func() {}, Broken: func(s *protocol.Binding) bool { return a.broken && s.ID == bindings[len(bindings)-1].Spec.ID }},
	}
}

// subject is held until the test ends.
func (f *fixture) subject(role, claims string) *policy.Subject {
	s := f.policy.Subject(role, claims)
	f.Cleanup(func() { f.policy.Release(s) })
	return s
}

// waitSent waits until everything in the log was pushed for a subscription.
func (f *fixture) waitSent(s *Subscription) {
	f.Helper()
	f.until("the subscription has come to the log's head", func() bool {
		return s.Standing().Position.Compare(f.Changes.Head()) >= 0
	})
}

// waitLanes waits until every lane has pushed what the log has.
func (f *fixture) waitLanes() {
	f.Helper()
	for _, s := range f.fanout.shards {
		for _, l := range []*lane{s.direct, s.secured} {
			f.until("a lane has come to the log's head", func() bool {
				return f.Changes.Reach(l.delivery.sentUpTo()).Position.Compare(f.Changes.Head()) >= 0
			})
		}
	}
}

// releaseAll empties the log once every lane has read it: a lane that has not
// would miss it too.
func (f *fixture) releaseAll() {
	f.Helper()
	f.waitLanes()
	f.Changes.Release(time.Now().Add(2 * time.Hour))
}

// until is await.True with looks so close to each other that benchmarks can use it.
func (f *fixture) until(what string, done func() bool) {
	f.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patient); !done(); <-ticker.C {
		if time.Now().After(deadline) {
			f.Fatalf("waited %s until %s", patient, what)
		}
	}
}

const messagesTable = `create table messages (id int primary key, channel_id int, body text);
	grant all on messages to anon, authenticated, service_role`

const everyRow = `{"event":"*","schema":"public","table":"messages"}`

// rows are the lines of rows with ids from first up to before last.
func rows(first, last int) (lines []string) {
	for i := first; i < last; i++ {
		lines = append(lines, fmt.Sprint("row ", i))
	}
	return lines
}
