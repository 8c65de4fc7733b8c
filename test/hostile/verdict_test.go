package hostile

import (
	"slices"
	"testing"
	"time"
)

func TestVerdict(t *testing.T) {
	good := func() outcome {
		return outcome{
			attack: "a", running: 20 * time.Second,
			streams: []judged{{Stream: openTable, Sent: 100, Delays: slices.Repeat([]time.Duration{time.Millisecond}, 100)}},
			peak:    100 << 20, after: 90 << 20, logged: 10_000,
		}
	}
	for _, c := range []struct {
		what string
		harm func(*outcome)
		want int // faults: of contents, of figures
		time int
	}{
		{"nothing", func(*outcome) {}, 0, 0},
		{"a loss", func(o *outcome) { o.streams[0].Missing = 1 }, 1, 0},
		{"a leak", func(o *outcome) { o.streams[0].Leaked = 1 }, 1, 0},
		{"a stall", func(o *outcome) { o.streams[0].Delays[98], o.streams[0].Delays[99] = time.Second, time.Second }, 0, 1},
		{"memory", func(o *outcome) { o.peak = 301 << 20 }, 0, 1},
		{"memory that stays", func(o *outcome) { o.after = 200 << 20 }, 0, 1},
		{"a flood of the log", func(o *outcome) { o.logged = 100 << 20 }, 0, 1},
		{"state that fills the disk", func(o *outcome) { o.state = 100 << 20 }, 0, 1},
		{"a server that ended", func(o *outcome) { o.faults = append(o.faults, "walcast ended") }, 1, 0},
		{"nobody let in", func(o *outcome) { o.visits = []visit{{refused: "timeout"}} }, 1, 0},
		{"long waits for a join", func(o *outcome) { o.visits = []visit{{joined: 3 * time.Second}} }, 0, 1},
	} {
		o := good()
		c.harm(&o)
		if got := len(o.harm()); got != c.want {
			t.Errorf("%s: %d faults of contents %q, want %d", c.what, got, o.harm(), c.want)
		}
		if got := len(o.excess()); got != c.time {
			t.Errorf("%s: %d figures above their limits %q, want %d", c.what, got, o.excess(), c.time)
		}
	}
}
