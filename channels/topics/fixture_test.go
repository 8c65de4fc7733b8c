package topics

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"walcast/protocol"
	"walcast/replication/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var room = protocol.Topic{Name: "realtime:room"}

// box is an Outbox of vsn 1.0.0 that keeps what was pushed.
type box struct {
	mu     sync.Mutex
	frames []*protocol.Frame
}

func (b *box) Push(f *protocol.Frame) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.frames = append(b.frames, f)
}

// words are what frames say that a test can tell apart, in order.
func (b *box) words(known ...string) (words []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.frames {
		text := string(f.Payload())
		i := slices.IndexFunc(known, func(w string) bool { return strings.Contains(text, w) })
		if i < 0 {
			words = append(words, text)
			continue
		}
		words = append(words, known[i])
	}
	return words
}

// want compares what was pushed. Each of want is a part of one frame and of no other.
func (b *box) want(t *testing.T, what string, want ...string) {
	t.Helper()
	if got := b.words(want...); !slices.Equal(got, want) {
		t.Errorf("%s got %q; want %q", what, got, want)
	}
}

// fixture is topics with a registry and a log that can be read.
type fixture struct {
	*Topics
	t   *testing.T
	reg *prometheus.Registry
	log *strings.Builder
}

func newFixture(t *testing.T, c Config) *fixture {
	c.Window = time.Hour
	if c.MaxTopics == 0 {
		c.MaxTopics = 100
	}
	if c.MaxBroadcastBytes == 0 {
		c.MaxBroadcastBytes = 2000
	}
	f := &fixture{t: t, reg: prometheus.NewRegistry(), log: &strings.Builder{}}
	f.Topics = New(c, slog.New(slog.NewTextHandler(io.Writer(f.log), nil)), f.reg)
	return f
}

// join is a member with a box.
func (f *fixture) join(key protocol.Topic, c MemberConfig) (*Member, *box) {
	b := &box{}
	c.Outbox = b
	c.Address.Topic, c.Address.JoinRef = key.Name, `"1"`
	m := f.Join(key, c)
	f.t.Cleanup(m.Leave)
	return m, b
}

// value is that of a metric, with a label's value if it has one.
func (f *fixture) value(name, label string) float64 {
	f.t.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			if family.GetName() == name && (label == "" || m.Label[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// text is a client's broadcast.
func text(n int) protocol.Broadcast {
	return protocol.Broadcast{Relay: fmt.Appendf(nil, `{"event":"e","payload":"broadcast %d."}`, n)}
}

// logical is a logical message.
func logical(content string) *wal.Change {
	return &wal.Change{Operation: wal.Message, Prefix: MessagePrefix, Content: content}
}

// row is a row of realtime.messages; NULL is a value that is null.
func row(topic, event, private, id, payload, binary string) *wal.Change {
	c := &wal.Change{Operation: wal.Insert, Relation: &wal.Relation{
		Schema: "realtime", Table: "messages_2026_01_02", Columns: []wal.Column{
			{Name: "topic"}, {Name: "event"}, {Name: "private"}, {Name: "id"}, {Name: "payload"}, {Name: "binary_payload"},
		},
	}}
	for _, v := range []string{topic, event, private, id, payload, binary} {
		value := wal.Value{Kind: wal.Text, Text: v}
		if v == "NULL" {
			value = wal.Value{Kind: wal.Null}
		}
		c.New = append(c.New, value)
	}
	return c
}
