package fanout

import (
	"context"
	"time"

	"walcast/internal/heavy"
)

// How many catch-ups match and send changes at a time; others wait for their turn.
// Those that have had to ask Postgres have turns of their own.
const (
	catchUpsAtOnce = 64
	askingAtOnce   = 512
)

// turnTime is how long a catch-up computes before others have their turn. With many
// that take turns at each few changes, most of the time would go into the turns.
const turnTime = 2 * time.Millisecond

// catchUpLimits bound how many catch-ups do something at a time. Others wait.
type catchUpLimits struct {
	turns  *turns        // of catch-ups that have changes matched and not sent yet
	asking *turns        // of those of them that may have to wait for Postgres between
	heavy  *heavy.Work   // has a turn for each that computes
	next   chan struct{} // has a token for each that computes, or will next: messages must not wait behind all others
}

func newCatchUpLimits(w *heavy.Work) catchUpLimits {
	if w == nil {
		w = heavy.New()
	}
	return catchUpLimits{
		turns: newTurns(catchUpsAtOnce), asking: newTurns(askingAtOnce),
		heavy: w, next: make(chan struct{}, w.Most()),
	}
}

// begin waits until few others compute.
func (l *catchUpLimits) begin() {
	l.next <- struct{}{}
	l.heavy.Begin()
}

// end has others compute.
func (l *catchUpLimits) end() {
	l.heavy.End()
	<-l.next
}

// compute calls f when few others compute.
func (l *catchUpLimits) compute(f func()) {
	l.begin()
	defer l.end()
	f()
}

// turn is when a catch-up may do something: it has one of the turns, and computes
// with a part of the processors that clients' work may take. It takes the second
// only with the first, as catch-ups that have the first wait for the second. It belongs
// to the goroutine of its catch-up.
type turn struct {
	limits *catchUpLimits
	by     owner
	of     *turns    // those that it is one of, nil while it is none
	from   *turns    // those that it takes part in, nil for catchUpLimits.turns
	since  time.Time // when it has begun to compute, zero while it does not
}

// begin waits for a turn, unless there is one that has not lasted long yet. It is
// false when ctx is done.
func (t *turn) begin(ctx context.Context) bool {
	if t.isOver() {
		t.end()
	}
	if t.of == nil && !t.take(ctx, t.turns()) {
		return false
	}
	t.compute()
	return true
}

func (t *turn) isOver() bool { return !t.since.IsZero() && time.Since(t.since) >= turnTime }

// take waits for one of the turns. It is false when ctx is done.
func (t *turn) take(ctx context.Context, of *turns) bool {
	if !of.take(ctx, t.by) {
		return false
	}
	t.of = of
	return true
}

func (t *turn) turns() *turns {
	if t.from != nil {
		return t.from
	}
	return t.limits.turns
}

// compute waits until few others compute.
func (t *turn) compute() {
	if t.since.IsZero() {
		t.limits.begin()
		t.since = time.Now()
	}
}

// rest has others compute.
func (t *turn) rest() {
	if !t.since.IsZero() {
		t.limits.end()
		t.since = time.Time{}
	}
}

// end gives the turn back, and returns what it was one of; nil for none.
func (t *turn) end() (of *turns) {
	t.rest()
	if of = t.of; of != nil {
		of.give(t.by)
		t.of = nil
	}
	return of
}

// again takes the turn that end has given back, unless ctx is done.
func (t *turn) again(ctx context.Context, of *turns) {
	if of != nil {
		t.take(ctx, of)
	}
}

// asks has others take their turn: those that have nothing to ask must not wait for
// Postgres. From now on the catch-up takes turns with those that ask.
func (t *turn) asks() {
	t.rest()
	if t.from == nil {
		t.end()
		t.from = t.limits.asking
	}
}
