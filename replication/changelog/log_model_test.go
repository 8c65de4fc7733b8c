package changelog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"walcast/replication/wal"
)

// model is the log as one would write it without bounds: everything that ever
// was in the present history, and what the transactions are.
type model struct {
	t    *rapid.T
	log  *Log
	now  time.Time
	next wal.LSN // where the next commit record may stand

	history int
	start   wal.LSN
	all     []*wal.Change
	ends    []wal.LSN // of complete transactions and keepalives, in order
	open    []*wal.Change

	cursors   []*modelCursor
	confirmed wal.LSN
}

// modelCursor has the position up to which it must have been told everything,
// or a resync.
type modelCursor struct {
	*Cursor
	history int
	after   wal.Position
}

func TestLogAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, now: noon, log: New(Config{
			Bytes:  rapid.SampledFrom([]int64{0, 300, 2000}).Draw(t, "bytes"),
			Window: rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "window"),
		})}
		m.begin()
		t.Repeat(map[string]func(*rapid.T){
			"append":    m.append,
			"keepalive": m.keepalive,
			"release":   m.release,
			"reconnect": m.reconnect,
			"begin":     m.mayBegin,
			"follow":    m.follow,
			"after":     m.afterKnown,
			"next":      m.nextOfOne,
			"":          m.check,
		})
		m.drain()
	})
}

func (m *model) begin() {
	m.history++
	m.start = wal.LSN(0x1000 * m.history)
	m.next, m.all, m.ends, m.open, m.confirmed = m.start, nil, nil, nil, 0
	m.log.Begin(History{Slot: fmt.Sprint(m.history)}, m.start, "")
}

// mayBegin keeps histories long.
func (m *model) mayBegin(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "another history") == 0 {
		m.begin()
	}
}

// append continues the open transaction, or begins one.
func (m *model) append(t *rapid.T) {
	lsn := m.next
	if len(m.open) > 0 {
		lsn = m.open[0].Position.LSN
	}
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		c := &wal.Change{Position: wal.Position{LSN: lsn, Seq: uint32(len(m.open))}, Bytes: rapid.IntRange(1, 150).Draw(t, "bytes")}
		m.open = append(m.open, c)
	}
	fresh := m.open[len(m.open)-len(m.pending()):]
	m.all = append(m.all, fresh...)
	m.next = lsn + 8
	var end wal.LSN
	if rapid.Bool().Draw(t, "complete") {
		if n := len(m.open); n > 0 && rapid.Bool().Draw(t, "changes a table") {
			c := &wal.Change{Operation: wal.Commit, Position: wal.Position{LSN: lsn, Seq: uint32(n)}, Bytes: rapid.IntRange(1, 150).Draw(t, "bytes")}
			m.all, fresh = append(m.all, c), append(slices.Clone(fresh), c)
		}
		end = lsn + 8*wal.LSN(rapid.IntRange(1, 5).Draw(t, "length"))
		m.ends, m.open, m.next = append(m.ends, end), nil, end
	}
	m.log.Append(m.now, fresh, end)
}

// pending is what of the open transaction is not in all.
func (m *model) pending() []*wal.Change {
	n := len(m.open)
	for n > 0 && !slices.Contains(m.all, m.open[n-1]) {
		n--
	}
	return m.open[n:]
}

func (m *model) keepalive(t *rapid.T) {
	if len(m.open) > 0 {
		m.log.Append(m.now, nil, m.open[0].Position.LSN) // tells nothing
		return
	}
	end := m.next + 8*wal.LSN(rapid.IntRange(0, 2).Draw(t, "length"))
	if end != m.start && (len(m.ends) == 0 || end > m.ends[len(m.ends)-1]) {
		m.ends = append(m.ends, end)
	}
	m.next = end
	m.log.Append(m.now, nil, end)
}

func (m *model) release(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
	confirmed := m.log.Release(m.now)
	if confirmed < m.confirmed {
		t.Fatalf("Release = %v after %v", confirmed, m.confirmed)
	}
	m.confirmed = confirmed
	if confirmed == 0 {
		return
	}
	if !slices.Contains(m.ends, confirmed) {
		t.Fatalf("Release = %v, which is no end of anything: %v", confirmed, m.ends)
	}
	oldest := m.log.chunks.left()
	for _, c := range m.all {
		if c.Position.LSN < confirmed && c.Position.Compare(oldest) > 0 {
			t.Fatalf("Release = %v while %v is held", confirmed, c.Position)
		}
	}
}

// reconnect sends again what was not confirmed, or less.
func (m *model) reconnect(t *rapid.T) {
	m.log.Begin(History{Slot: fmt.Sprint(m.history)}, max(m.confirmed, m.start), "")
	if len(m.all) == 0 {
		return
	}
	from := rapid.IntRange(0, len(m.all)-1).Draw(t, "from")
	m.log.Append(m.now, m.all[from:], 0)
}

func (m *model) follow(*rapid.T) {
	c := m.log.Follow()
	m.cursors = append(m.cursors, &modelCursor{c, m.history, c.position})
}

// afterKnown asks for a position that a client may have.
func (m *model) afterKnown(t *rapid.T) {
	known := []wal.Position{wal.Before(m.start), m.log.Head()}
	for _, c := range m.all {
		known = append(known, c.Position)
	}
	p := rapid.SampledFrom(known).Draw(t, "position")
	c, err := m.log.After(context.Background(), p)
	if isLost := m.missing(p); isLost != (err != nil) {
		t.Fatalf("After(%v) = %v with %v lost; want an error only if something is", p, err, isLost)
	}
	if err == nil {
		m.cursors = append(m.cursors, &modelCursor{c, m.history, p})
	}
}

// missing reports whether a change after p has left.
func (m *model) missing(p wal.Position) bool {
	oldest := m.log.Oldest()
	return slices.ContainsFunc(m.all, func(c *wal.Change) bool {
		return c.Position.Compare(p) > 0 && c.Position.Compare(oldest) <= 0
	})
}

func (m *model) nextOfOne(t *rapid.T) {
	if len(m.cursors) > 0 {
		m.step(rapid.SampledFrom(m.cursors).Draw(t, "cursor"), rapid.IntRange(0, 3).Draw(t, "limit"))
	}
}

// step moves a cursor and returns false when it has to wait.
func (m *model) step(c *modelCursor, limit int) bool {
	t := m.t
	var want []*wal.Change
	for _, change := range m.all {
		if change.Position.Compare(c.after) > 0 {
			want = append(want, change)
		}
	}
	mustResync := c.history != m.history || m.missing(c.after)
	got, wait, err := c.Take(limit)
	var resync *ResyncError
	switch {
	case errors.As(err, &resync) && mustResync:
		if resync.Position != m.log.Head() || c.position != m.log.Head() {
			t.Fatalf("resync to %v, cursor at %v; want Head %v", resync.Position, c.position, m.log.Head())
		}
		c.history, c.after = m.history, resync.Position
		return true
	case err != nil || mustResync:
		t.Fatalf("cursor after %v: error %v, must resync %v", c.after, err, mustResync)
	case (wait != nil) != (len(want) == 0):
		t.Fatalf("cursor after %v waits %v with %v to come", c.after, wait != nil, positions(want))
	case limit > 0 && len(got) > limit || !slices.Equal(got, want[:min(len(got), len(want))]):
		t.Fatalf("cursor after %v: %d of %v; want at most %d from the front of %v", c.after, len(got), positions(got), limit, positions(want))
	case len(got) > 0:
		c.after = got[len(got)-1].Position
	}
	return wait == nil
}

// check holds what is always true.
func (m *model) check(t *rapid.T) {
	stats, budget := m.log.Stats(), m.log.chunks.config.Bytes
	if newest := int64(150); budget > 0 && stats.Bytes > budget+newest {
		t.Fatalf("%d bytes held of at most %d", stats.Bytes, budget)
	}
	held, bytes := 0, int64(0)
	for _, c := range m.all {
		if c.Position.Compare(m.log.chunks.left()) > 0 {
			if c.Operation != wal.Commit {
				held++
			}
			bytes += int64(c.Bytes)
		}
	}
	if stats.Changes != held || stats.Bytes != bytes {
		t.Fatalf("Stats = %+v; want %d changes of %d bytes", stats, held, bytes)
	}
}

// drain ends the story: every cursor gets everything, then everything leaves
// and can be confirmed.
func (m *model) drain() {
	for _, c := range m.cursors {
		for m.step(c, 0) {
		}
	}
	confirmed := m.log.Release(m.now.Add(time.Hour))
	if len(m.ends) > 0 && confirmed != m.ends[len(m.ends)-1] {
		m.t.Fatalf("Release in the end = %v; want %v", confirmed, m.ends[len(m.ends)-1])
	}
}

// TestManyCursorsAtOnce is for the race detector: one appends, some keep up,
// some are slow, some come and go; a consumer that is not told to resync has no hole.
func TestManyCursorsAtOnce(t *testing.T) {
	const transactions, size = 300, 7
	l := New(Config{Bytes: 40_000, Window: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last := wal.Position{LSN: 0x1000 + 8*transactions, Seq: size - 1}
	var readers sync.WaitGroup
	for i := range 30 {
		c := l.Follow()
		readers.Go(func() {
			for expect := uint64(1 * size); c.position.Compare(last) < 0; {
				changes, err := c.Next(ctx, i%5*3)
				var resync *ResyncError
				if errors.As(err, &resync) {
					expect = 0
					continue
				}
				if err != nil {
					t.Errorf("reader %d at %v: %v", i, c.position, err)
					return
				}
				for _, change := range changes {
					n := uint64(change.Position.LSN-0x1000)/8*size + uint64(change.Position.Seq)
					if expect != 0 && n != expect {
						t.Errorf("reader %d got change %d; want %d", i, n, expect)
						return
					}
					expect = n + 1
				}
				if i%3 == 0 { // comes back by position
					if again, err := l.After(ctx, c.position); err == nil {
						c = again
					}
				}
			}
		})
	}
	pace := l.Follow()
	l.Begin(history, 0x1008, "")
	for n := range transactions {
		lsn, now := wal.LSN(0x1000+8*(n+1)), noon.Add(time.Duration(n)*time.Second)
		l.Append(now, rows(lsn, size)[:3], 0)
		l.Append(now, rows(lsn, size), lsn+8)
		l.Release(now)
		for pace.position.Compare(wal.Position{LSN: lsn, Seq: size - 1}) < 0 { // one keeps up, whatever the others do
			if _, err := pace.Next(ctx, 0); err != nil {
				t.Errorf("reader that keeps up at %v: %v", pace.position, err)
				cancel()
				readers.Wait()
				return
			}
		}
	}
	readers.Wait()
}
