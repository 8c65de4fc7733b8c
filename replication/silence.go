package replication

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// silence is how a stream has fallen silent.
type silence struct {
	since time.Time // when the last word came; zero while there is nothing to wonder about
	away  bool      // Postgres does not answer an ordinary connection either
}

// soundings is how often Postgres must say that its walsender has nothing to send or
// waits for us, though nothing comes, until the connection counts as dead: on a busy
// machine a word may just be late.
const soundings = 2

// silenceWatch finds out why a stream is silent. The acknowledger has asked Postgres
// for a word long before; where none comes the walsender may be busy with a large
// transaction, the connection may be dead, or Postgres away. An ordinary connection
// tells which. run belongs to one goroutine.
type silenceWatch struct {
	socket    *socketReader
	asking    *atomicTime // since when the stream waits for an answer of the catalog
	pool      querier
	slot      string
	walsender uint32 // pid of the server's process that streams to us
	timing    streamTiming
	patience  time.Duration // with a walsender that says that it is not busy
	progress  *progress
}

// run looks at the silence until ctx is done. It fails when the connection is dead.
func (w *silenceWatch) run(ctx context.Context) error {
	tick := time.NewTicker(w.timing.listen)
	defer tick.Stop()
	asked, idle := 0, 0 // soundings of this silence, and those in a row that found no work
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		silent := w.silent(now)
		switch {
		case silent < w.timing.doubt:
			asked, idle = 0, 0
			w.progress.fellSilent(silence{})
			continue
		case silent < time.Duration(1+asked)*w.timing.doubt:
			continue
		}
		asked++
		busy, err := w.sound(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case w.silent(now) < silent: // a word has come meanwhile
			continue
		}
		w.progress.fellSilent(silence{since: now.Add(-silent), away: err != nil})
		if busy || err != nil || w.asking.since(now) > 0 {
			idle = 0
		} else {
			idle++
		}
		if idle >= soundings && silent >= w.patience {
			return errStalled
		}
	}
}

// silent is for how long Postgres has been silent: the stream, or the catalog while the
// stream waits for it.
func (w *silenceWatch) silent(now time.Time) time.Duration {
	return max(w.socket.silence(now), w.asking.since(now))
}

// soundQuery asks what the walsender does that has slot $1. Of a slot that another
// process has, or none, the stream is dead.
const soundQuery = `select case when s.active_pid = $2 then coalesce(a.wait_event, '') else 'WalSender' end
	from pg_replication_slots s left join pg_stat_activity a on a.pid = s.active_pid where s.slot_name = $1`

// sound asks Postgres whether the walsender is busy. If it is not, it waits for WAL,
// or for us to take what it has sent. A server that has no such slot is another one,
// and knows nothing of it. An error means that there is no answer.
func (w *silenceWatch) sound(ctx context.Context) (busy bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.timing.answer)
	defer cancel()
	rows, err := w.pool.Query(ctx, soundQuery, w.slot, w.walsender)
	if err != nil {
		return false, err
	}
	waitsFor, err := pgx.CollectOneRow(rows, pgx.RowTo[string])
	if errors.Is(err, pgx.ErrNoRows) {
		return true, nil
	}
	return !strings.HasPrefix(waitsFor, "WalSender"), err
}
