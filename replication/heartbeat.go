package replication

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/replication/pgoutput"
)

const (
	// heartbeatContent begins the content of heartbeats; a number and the name of the
	// server's slot follow. Earlier versions did not name the slot.
	heartbeatContent = "heartbeat "
	// beginning ends that of the heartbeat of a stream that begins.
	beginning = " begins"
)

// AnnounceEvery is how often a server writes at least, so that others know of it.
const AnnounceEvery = time.Hour

// heartbeatRead is a heartbeat, of this server or another.
type heartbeatRead struct {
	number uint64
	slot   string // "" if it is not known
	begins bool   // the stream of the server begins
}

// readHeartbeat recognises a heartbeat. They are not for consumers of the log.
func readHeartbeat(m *pgoutput.LogicalMessage) (h heartbeatRead, ok bool) {
	if m == nil || m.Prefix != messagePrefix {
		return h, false
	}
	rest, ok := strings.CutPrefix(m.Content, heartbeatContent)
	if !ok {
		return h, false
	}
	rest, h.begins = strings.CutSuffix(rest, beginning)
	digits, slot, _ := strings.Cut(rest, " ")
	if slotName.MatchString(slot) {
		h.slot = slot
	}
	h.number, _ = strconv.ParseUint(digits, 10, 64) // what is no number counts as 0, which is never awaited
	return h, true
}

// heartbeats writes logical messages while no transaction comes, and waits for
// each to come back through the stream. That shows that the whole way works, and
// lets an idle server free WAL: only a transactional message does. It also tells
// other servers that read the database of this one. check belongs to one goroutine,
// arrived to the one that reads the stream.
type heartbeats struct {
	messages  ownMessages
	idle      time.Duration // time without a transaction after which one is written
	lateAfter time.Duration // time after which one that has not come back is late
	late      prometheus.Counter
	logger    *slog.Logger

	lastTransaction *atomicTime   // when the last transaction came
	returned        atomic.Uint64 // number of the newest heartbeat that came back

	newest  heartbeat
	written time.Time // when the last one was, or was tried
}

// heartbeat is the newest that this stream has written.
type heartbeat struct {
	number uint64
	sent   time.Time // zero when it is not awaited
	failed bool      // the last attempt to write one failed
	isLate bool      // it is late, and that was logged
}

// next numbers the next one: larger than those before, also those of other runs
// and those of a time when the clock was ahead. returned is the newest that has
// come back.
func (h *heartbeat) next(now time.Time, returned uint64) uint64 {
	h.number = max(uint64(now.UnixMicro()), h.number+1, returned+1)
	return h.number
}

// arrived notes that a heartbeat came back, or that of another server came.
func (hs *heartbeats) arrived(number uint64) {
	hs.returned.Store(max(hs.returned.Load(), number))
}

// check writes a heartbeat if no transaction has come for long enough, and looks
// after one that was written before.
func (hs *heartbeats) check(ctx context.Context) {
	h, now := &hs.newest, time.Now()
	if !h.sent.IsZero() {
		hs.await(now)
		return
	}
	if hs.lastTransaction.since(now) < hs.idle && now.Sub(hs.written) < AnnounceEvery {
		return
	}
	h.next(now, hs.returned.Load())
	hs.written = now
	if err := hs.messages.heartbeat(ctx, h.number); err != nil {
		if !h.failed && ctx.Err() == nil {
			hs.logger.Warn("heartbeat could not be written: an idle server will keep WAL longer than needed", "err", err)
		}
		h.failed = true
		hs.lastTransaction.set(now) // try again after another pause
		return
	}
	h.failed, h.sent = false, now
}

// await takes note when the newest heartbeat has come back, or is late.
func (hs *heartbeats) await(now time.Time) {
	h := &hs.newest
	switch {
	case hs.returned.Load() >= h.number:
		if h.isLate {
			hs.logger.Info("heartbeat came back", "after", now.Sub(h.sent))
		}
		h.sent, h.isLate = time.Time{}, false
		hs.lastTransaction.set(now)
	case !h.isLate && now.Sub(h.sent) > hs.lateAfter:
		h.isLate = true
		hs.late.Inc()
		hs.logger.Warn("heartbeat did not come back: Postgres' decoder is stuck or far behind", "after", now.Sub(h.sent))
	}
}
