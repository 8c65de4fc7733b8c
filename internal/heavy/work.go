// Package heavy holds back what clients have the server compute for long, so that
// what is live finds a processor at once.
//
// Neighbours: gateway reads large messages in turns, channels joins and leaves with
// many bindings, fanout catches up.
package heavy

import "runtime"

// What takes long begins about here: some tens of microseconds.
const (
	Bytes    = 8 << 10 // of a message
	Bindings = 100     // of a channel
)

// Work is what takes a processor for long: reading a message of megabytes, indexing
// thousands of bindings, reading the log from an earlier position. All of it
// together has one processor less than there are, as the scheduler takes goroutines
// one after the other: with as many that always compute as there are processors,
// rows and replies wait behind them, some milliseconds at each step of their way.
// Goroutines that wait have their turns in the order in which they came.
//
// A goroutine that has a turn waits for nothing outside: not for Postgres, not for a
// client, nor for a lock whose holder waits for such or for a turn.
type Work struct {
	turns chan struct{} // has a token for each turn that is taken
}

// New returns work for the processors that Go uses. All of a server shares one.
func New() *Work { return &Work{turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))} }

// Begin waits for a turn, which End gives back.
func (w *Work) Begin() { w.turns <- struct{}{} }

// End gives a turn back.
func (w *Work) End() { <-w.turns }

// Do calls f in a turn.
func (w *Work) Do(f func()) {
	w.Begin()
	defer w.End()
	f()
}

// If calls f, in a turn if it takes long.
func (w *Work) If(long bool, f func()) {
	if !long {
		f()
		return
	}
	w.Do(f)
}

// Most is how many turns there are at once.
func (w *Work) Most() int { return cap(w.turns) }

// Taken is how many turns are taken now.
func (w *Work) Taken() int { return len(w.turns) }
