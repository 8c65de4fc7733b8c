package replication

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// confirmStep is how much WAL the slot may let go before Postgres is told at once
// instead of with the next status update, in bytes: one segment, the unit in which
// Postgres frees WAL.
const confirmStep = 16 << 20

// writeLimit bounds one write of a few bytes; a server that does not take them
// is gone.
const writeLimit = 5 * time.Second

// maxStallFactor bounds the patience with a server that is silent again and again,
// soon after a stream has begun: it may be busy with something that it cannot
// interrupt, and starting anew makes it start anew too.
const maxStallFactor = 32

// errStalled ends a stream because Postgres is silent.
var errStalled = &fault{remedy: retryFast, cause: causeStalled, advice: "nothing was heard from Postgres for too long"}

// acknowledger tells Postgres how far it may free WAL, and holds back what is
// still in the resume window: the slot moves only to what the log has released.
// It is the only writer of its connection, and it watches over the silence of
// the server. run and terminate belong to one goroutine at a time, received to
// the one that reads the stream; request may be called by any.
type acknowledger struct {
	log      *changelog.Log
	conn     net.Conn
	socket   *socketReader
	progress *progress
	timing   streamTiming
	patience time.Duration // with a silent server
	hurry    func() bool   // the server's answer is wanted now

	newest    atomic.Uint64 // the newest LSN received over this connection; stored by received only
	requested chan struct{} // the server wants a status update

	confirmed wal.LSN // what the slot was moved to
}

// stallPatience is how long a server may be silent after a number of streams in
// a row that ended for its silence.
func stallPatience(silence time.Duration, stalls int) time.Duration {
	return silence * time.Duration(min(1<<min(stalls, 10), maxStallFactor))
}

// received notes an LSN that the server has told: what is before it has come
// over this connection.
func (a *acknowledger) received(lsn wal.LSN) {
	a.newest.Store(max(a.newest.Load(), uint64(lsn)))
}

// request has run send a status update at once.
func (a *acknowledger) request() {
	select {
	case a.requested <- struct{}{}:
	default: // requested already
	}
}

// run sends status updates until ctx is done. It fails when the server is
// silent for too long or does not take an update.
func (a *acknowledger) run(ctx context.Context) error {
	tick := time.NewTicker(a.timing.tick)
	defer tick.Stop()
	var reported, asked time.Time
	for {
		now := time.Now()
		releasable := a.release(now)
		silence := a.socket.silence(now)
		ask := silence > a.timing.ask && !asked.After(now.Add(-silence)) || a.hurry()
		if silence > a.patience {
			return errStalled
		}
		if ask || now.Sub(reported) >= a.timing.statusUpdate || releasable-a.confirmed >= confirmStep {
			if err := a.report(now, releasable, ask); err != nil {
				return err
			}
			reported = now
			if ask {
				asked = now
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-a.requested:
			reported = time.Time{}
		case <-tick.C:
		}
	}
}

// release lets the log drop what has left the window and returns where the
// slot may move to. After a reconnect, what the log has released can be ahead of
// what has come over this connection. The slot then stays where it is: an LSN
// that the server has not sent over this connection must never be confirmed.
func (a *acknowledger) release(now time.Time) wal.LSN {
	released := a.log.Release(now)
	if released > wal.LSN(a.newest.Load()) {
		return a.confirmed
	}
	return max(released, a.confirmed)
}

// report sends a status update, and moves the slot to confirm if that is
// ahead of where it was moved to before.
func (a *acknowledger) report(now time.Time, confirm wal.LSN, ask bool) error {
	write := wal.LSN(a.newest.Load())
	var b []byte
	if confirm > a.confirmed {
		b = appendConfirmation(b, write, confirm, now)
	}
	if len(b) == 0 || ask {
		b = standbyStatus{write: write, now: now, reply: ask}.append(b)
	}
	if err := a.send(now, b); err != nil {
		return fmt.Errorf("send status update: %w", err)
	}
	if confirm > a.confirmed {
		a.confirmed = confirm
		a.progress.confirm(confirm)
	}
	return nil
}

func (a *acknowledger) send(now time.Time, b []byte) error {
	if err := a.conn.SetWriteDeadline(now.Add(writeLimit)); err != nil {
		return err
	}
	_, err := a.conn.Write(b)
	return err
}

// terminate confirms what may be confirmed, ends the connection in an orderly
// way and waits a little for the server to close its side, for then the slot is
// free.
func (a *acknowledger) terminate() {
	now := time.Now()
	if err := a.report(now, a.release(now), false); err != nil {
		return // the slot stays where it was
	}
	if err := a.send(now, terminateMessage); err != nil {
		return
	}
	_ = a.conn.SetReadDeadline(now.Add(a.timing.terminate)) // fails only on a closed connection
	for buffer := make([]byte, 4096); ; {
		if _, err := a.conn.Read(buffer); err != nil {
			return
		}
	}
}
