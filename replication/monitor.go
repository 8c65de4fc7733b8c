package replication

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/replication/pgoutput"
)

// messagePrefix is that of all our logical messages.
const messagePrefix = "walcast"

// heartbeatContent begins the content of heartbeats; a number follows.
const heartbeatContent = "heartbeat "

// heartbeatNumber recognises a heartbeat, of whichever server. They are not
// for consumers of the log.
func heartbeatNumber(m *pgoutput.LogicalMessage) (number uint64, ok bool) {
	if m == nil || m.Prefix != messagePrefix {
		return 0, false
	}
	digits, ok := strings.CutPrefix(m.Content, heartbeatContent)
	if !ok {
		return 0, false
	}
	number, _ = strconv.ParseUint(digits, 10, 64) // any other is nobody's number
	return number, true
}

// monitor looks at the server over the pool while the stream runs: whether the
// publications are still there or there is one more, and whether a heartbeat
// is due.
func (s *stream) monitor(ctx context.Context) {
	tick := time.NewTicker(s.timing.sample)
	defer tick.Stop()
	checked := time.Now()
	var h heartbeat
	for {
		if now := time.Now(); now.Sub(checked) >= s.timing.publications {
			checked = now
			s.checkPublications(ctx)
		}
		if s.config.Heartbeat > 0 && (!s.standby || s.progress.seenTimeline() != 0) {
			s.keepBeating(ctx, &h)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// checkPublications tells of a missing publication before a change needs it.
func (s *stream) checkPublications(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.query)
	defer cancel()
	missing, err := s.publications.missing(ctx, s.pool)
	if err != nil {
		return // the stream will tell if the server is in trouble
	}
	if more, err := s.optional.readable(ctx, s.pool, s.config.Slot); err == nil && !containsAll(s.reading, more) {
		s.reopen.Store(true)
	}
	if len(missing) == 0 {
		s.progress.warn("")
		return
	}
	f := publicationMissing(missing, s.publications.create)
	s.progress.warn(f.Error())
	s.logger.Error("publication is missing: its changes are being lost", "publications", missing, "err", f)
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// heartbeat is what is known of our own.
type heartbeat struct {
	number uint64    // of the last one sent
	sent   time.Time // zero when none is awaited
	failed bool      // the last attempt to send
	late   bool      // told already
}

// next numbers the next one: larger than those before, also those of other runs
// and those of a time when the clock was ahead. came is the newest that has
// come back.
func (h *heartbeat) next(now time.Time, came uint64) uint64 {
	h.number = max(uint64(now.UnixMicro()), h.number+1, came+1)
	return h.number
}

// keepBeating writes a message when no transaction has come for a while. It
// shows that the whole way works, and lets an idle server free WAL: only a
// transactional message does.
func (s *stream) keepBeating(ctx context.Context, h *heartbeat) {
	now := time.Now()
	if !h.sent.IsZero() {
		s.awaitHeartbeat(h, now)
		return
	}
	if s.active.since(now) < s.config.Heartbeat {
		return
	}
	h.next(now, s.beat.Load())
	if err := s.emitHeartbeat(ctx, h.number); err != nil {
		if !h.failed && ctx.Err() == nil {
			s.logger.Warn("heartbeat could not be written: an idle server will keep WAL longer than needed", "err", err)
		}
		h.failed = true
		s.active.set(now) // try again after another pause
		return
	}
	h.failed, h.sent = false, now
}

func (s *stream) awaitHeartbeat(h *heartbeat, now time.Time) {
	switch {
	case s.beat.Load() >= h.number:
		if h.late {
			s.logger.Info("heartbeat came back", "after", now.Sub(h.sent))
		}
		h.sent, h.late = time.Time{}, false
		s.active.set(now)
	case !h.late && now.Sub(h.sent) > s.timing.heartbeatLate:
		h.late = true
		s.metrics.late.Inc()
		s.logger.Warn("heartbeat did not come back: Postgres' decoder is stuck or far behind", "after", now.Sub(h.sent))
	}
}

// emitHeartbeat does not wait for synchronous standbys: nobody would miss it.
func (s *stream) emitHeartbeat(ctx context.Context, number uint64) error {
	ctx, cancel := context.WithTimeout(ctx, s.timing.query)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local synchronous_commit = local`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `select pg_logical_emit_message(true, $1::text, $2::text)`,
			messagePrefix, heartbeatContent+strconv.FormatUint(number, 10))
		return err
	})
	if err != nil {
		return fmt.Errorf("emit logical message: %w", err)
	}
	return nil
}
