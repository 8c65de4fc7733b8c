package replication

import (
	"context"
	"fmt"
	"time"

	"walcast/replication/wal"
)

// confirmStep is how far the slot may move before the server is told out of
// turn: one WAL segment, the unit in which it can free WAL.
const confirmStep = 16 << 20

// writeLimit bounds one write of a few bytes; a server that does not take them
// is gone.
const writeLimit = 5 * time.Second

// maxStallFactor bounds the patience with a server that is silent again and
// again: it may be busy with something that it cannot interrupt, and starting
// anew makes it start anew too.
const maxStallFactor = 32

// errStalled ends a stream whose server is silent.
var errStalled = &fault{remedy: retryFast, cause: causeStalled, advice: "nothing was heard from Postgres for too long"}

// attend is the only writer of the connection: it sends status updates and
// watches over the silence of the server, until ctx is done.
func (s *stream) attend(ctx context.Context) error {
	tick := time.NewTicker(s.timing.tick)
	defer tick.Stop()
	patience := s.timing.silence * time.Duration(min(1<<min(s.stalls, 10), maxStallFactor))
	var reported time.Time
	asked := false
	for {
		now := time.Now()
		releasable := s.release(now)
		silence := s.in.silence(now)
		ask := silence > patience/2 && !asked || s.reopen.Load() // an idle stream ends at the answer
		asked = silence > patience/2
		if silence > patience {
			return errStalled
		}
		if ask || now.Sub(reported) >= s.config.StatusInterval || releasable-s.confirmed >= confirmStep {
			if err := s.report(now, releasable, ask); err != nil {
				return err
			}
			reported = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.reply:
			reported = time.Time{}
		case <-tick.C:
		}
	}
}

// release lets the log drop what has left the window and returns where the
// slot may move to. After a reconnect that can be ahead of what has come over
// this connection; it waits until it is not, as a position that the server has
// not given us here must never be confirmed.
func (s *stream) release(now time.Time) wal.LSN {
	released := s.log.Release(now)
	if released > wal.LSN(s.newest.Load()) {
		return s.confirmed
	}
	return max(released, s.confirmed)
}

// report sends a status update, and moves the slot to confirm if that is
// ahead of where it was moved to before.
func (s *stream) report(now time.Time, confirm wal.LSN, ask bool) error {
	write := wal.LSN(s.newest.Load())
	var b []byte
	if confirm > s.confirmed {
		b = appendConfirmation(b, write, confirm, now)
	}
	if len(b) == 0 || ask {
		b = standbyStatus{write: write, now: now, reply: ask}.append(b)
	}
	if err := s.send(now, b); err != nil {
		return fmt.Errorf("send status update: %w", err)
	}
	if confirm > s.confirmed {
		s.confirmed = confirm
		s.progress.confirm(confirm)
	}
	return nil
}

func (s *stream) send(now time.Time, b []byte) error {
	if err := s.conn.SetWriteDeadline(now.Add(writeLimit)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}

// goodbye acknowledges what may be, ends the connection in an orderly way and
// waits a moment for the server to close its side, for then the slot is free.
func (s *stream) goodbye() {
	now := time.Now()
	if err := s.report(now, s.release(now), false); err != nil {
		return // the slot stays where it was
	}
	if err := s.send(now, terminateMessage); err != nil {
		return
	}
	_ = s.conn.SetReadDeadline(now.Add(s.timing.goodbye)) // fails only on a closed connection
	for buffer := make([]byte, 4096); ; {
		if _, err := s.conn.Read(buffer); err != nil {
			return
		}
	}
}
