package replication

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// nobody is a database that does not answer.
type nobody struct{}

func (nobody) Query(ctx context.Context, _ string, _ ...any) (pgx.Rows, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (nobody) Exec(ctx context.Context, _ string, _ ...any) (pgconn.CommandTag, error) {
	<-ctx.Done()
	return pgconn.CommandTag{}, ctx.Err()
}

// TestChannelsCanBeToldInTimeThatPostgresIsAway: 10 s are promised, of which channels
// need 3 (outage_test.go there has the sum).
func TestChannelsCanBeToldInTimeThatPostgresIsAway(t *testing.T) {
	timing := defaultTiming()
	if within := timing.unheardWithin(); within > 6500*time.Millisecond {
		t.Errorf("that Postgres is away is known within %v; want 6.5 s", within)
	}
	if timing.ask+timing.tick > timing.doubt-time.Second+timing.answer {
		t.Errorf("a word is asked for %v after the last; want some seconds for it to come", timing.ask+timing.tick)
	}
	if within := timing.publications; within > 2*time.Second {
		t.Errorf("a missing publication is known within %v; want 2 s, as 5 s follow", within)
	}
	if pause := timing.retryMost; pause > 5*time.Second {
		t.Errorf("a Postgres that is back is found within %v; want 5 s", pause)
	}
}

func TestASilentPostgresIsAwayIfNothingAnswers(t *testing.T) {
	silences := map[string]func(w *silenceWatch) *atomicTime{
		"the stream": func(w *silenceWatch) *atomicTime { return w.socket.waiting },
		"the catalog, which the stream waits for": func(w *silenceWatch) *atomicTime { return w.asking },
	}
	for name, of := range silences {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { silentPostgresIsAway(t, of) }) })
	}
}

func silentPostgresIsAway(t *testing.T, of func(*silenceWatch) *atomicTime) {
	timing := defaultTiming().streamTiming
	w := &silenceWatch{
		socket: newSocketReader(), asking: newAtomicTime(time.Now()), pool: nobody{}, timing: timing, patience: timing.doubt,
		progress: &progress{streaming: true, since: time.Now()},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	heard := func() time.Time { return w.progress.status(time.Now()).Heard }

	began := time.Now()
	of(w).set(began)
	time.Sleep(timing.doubt) //nolint:forbidigo // of a fake clock
	synctest.Wait()
	if got := heard(); !got.IsZero() {
		t.Fatalf("after %v it counts as away since %v; want a question first", timing.doubt, got)
	}
	time.Sleep(timing.unheardWithin() - timing.doubt) //nolint:forbidigo // of a fake clock
	synctest.Wait()
	if got := heard(); !got.Equal(began) {
		t.Fatalf("heard of at %v; want %v, when the last word came", got, began)
	}
	of(w).clear()
	time.Sleep(timing.answer + timing.listen) //nolint:forbidigo // of a fake clock
	synctest.Wait()
	if got := heard(); !got.IsZero() {
		t.Errorf("heard of at %v after a word; want now", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run = %v; want nil, as an absence ends no stream", err)
	}
}

// TestAStallNowAndThenIsNoReasonForPatience, but one stream after the other that ends
// for silence is: what Postgres is busy with would begin anew.
func TestAStallNowAndThenIsNoReasonForPatience(t *testing.T) {
	var o outcomes
	for range 3 {
		o.add(errStalled, true)
	}
	if o.stalled != 1 {
		t.Errorf("%d stalls after streams that lived; want 1", o.stalled)
	}
	for range 3 {
		o.add(errStalled, false)
	}
	if o.stalled != 4 {
		t.Errorf("%d stalls in a row; want 4", o.stalled)
	}
	if o.add(&fault{cause: causeNetwork}, false); o.stalled != 0 {
		t.Errorf("%d stalls after another end; want none", o.stalled)
	}
}
