package replication

import (
	"math/rand/v2"
	"time"
)

// timing has the time-outs and intervals of the reader. Tests shorten them.
type timing struct {
	connectTiming
	streamTiming
	retryTiming
	successionTiming
	followerTiming
}

// connectTiming is for what comes before a stream.
type connectTiming struct {
	query          time.Duration // one statement over an ordinary connection, during a stream too
	sender         time.Duration // after which Postgres takes a silent reader for dead
	slotGrace      time.Duration // for a former connection of this process to let go of the slot
	slotCreation   time.Duration // for open transactions to end
	creationReport time.Duration // between two lines in the log about what blocks that
}

// streamTiming is for what happens beside a stream.
type streamTiming struct {
	statusUpdate  time.Duration // between two status updates to Postgres; must stay under sender
	tick          time.Duration // between two looks at what may be confirmed and at the silence of Postgres
	ask           time.Duration // without a word from Postgres until it is asked for one
	listen        time.Duration // between two looks at whether it is silent
	doubt         time.Duration // of silence until an ordinary connection is asked why
	answer        time.Duration // for the answer to that; without one Postgres is away
	silence       time.Duration // without a word until it counts as dead, whatever it says
	sample        time.Duration // between two looks at how much WAL Postgres has and retains
	publications  time.Duration // between two looks at the publications
	heartbeatLate time.Duration // for our own heartbeat to come back
	headway       time.Duration // for a consumer that the log waits for to make headway
	terminate     time.Duration // for Postgres to let go of the slot when we stop
}

// retryTiming is for the pauses between two attempts to stream.
type retryTiming struct {
	retryFirst time.Duration // first pause after what passes by itself
	retryMost  time.Duration // longest such pause
	slowFirst  time.Duration // first pause when an operator has to act
	slowMost   time.Duration // longest such pause
	lookAgain  time.Duration // between two looks for a publication that is missing
	steady     time.Duration // a stream that lived this long starts the pauses anew
}

// unheardWithin is how long Postgres may be away, at most, until that is known of a
// stream whose connection stays open.
func (t streamTiming) unheardWithin() time.Duration { return t.doubt + t.listen + t.answer }

func defaultTiming() timing {
	return timing{
		connectTiming: connectTiming{
			query:          10 * time.Second,
			sender:         senderTimeout,
			slotGrace:      senderTimeout + 10*time.Second, // Postgres drops a vanished reader after senderTimeout
			slotCreation:   time.Minute,
			creationReport: 5 * time.Second,
		},
		streamTiming: streamTiming{
			statusUpdate:  10 * time.Second,
			tick:          time.Second,
			ask:           time.Second,
			listen:        500 * time.Millisecond,
			doubt:         3 * time.Second,
			answer:        3 * time.Second,
			silence:       senderTimeout * 3 / 2,
			sample:        5 * time.Second,
			publications:  2 * time.Second,
			heartbeatLate: 10 * time.Second,
			headway:       10 * time.Second,
			terminate:     time.Second,
		},
		retryTiming: retryTiming{
			retryFirst: 100 * time.Millisecond,
			retryMost:  5 * time.Second,
			slowFirst:  5 * time.Second,
			slowMost:   time.Minute,
			lookAgain:  2 * time.Second,
			steady:     10 * time.Second,
		},
		successionTiming: successionTiming{
			look:       200 * time.Millisecond,
			precedence: 400 * time.Millisecond,
			idle:       5 * time.Second,
			comeback:   10 * time.Second, // the longest pause between two attempts to reconnect
		},
		followerTiming: followerTiming{check: 200 * time.Millisecond, again: 500 * time.Millisecond, lost: 10 * time.Second},
	}
}

// among is the timing of a node of a cluster, where others have clients that wait: a
// reader that is frozen or cut off is given up sooner.
func (t timing) among(others bool) timing {
	if others {
		t.sender, t.idle = 3500*time.Millisecond, time.Second
		t.statusUpdate, t.tick = 700*time.Millisecond, 350*time.Millisecond
	}
	return t
}

// pause is how long to wait before the attempt after the given number of
// failures in a row, the last of which asked for the remedy. It is spread, so
// that many servers do not come back to Postgres in step.
func (t retryTiming) pause(f *fault, failures int) time.Duration {
	first, most := t.retryFirst, t.retryMost
	switch {
	case f.cause == causeReopen:
		return 0
	case f.remedy == operate && (f.cause == causePublication || f.cause == causeLists || f.cause == causeFilter): // a look at the catalog: clients wait
		return t.lookAgain
	case f.cause == causeLists: // each time clients have to resync
		first, most = t.lookAgain, t.slowMost
	case f.remedy == retrySlowly, f.remedy == operate:
		first, most = t.slowFirst, t.slowMost
	}
	wait := first
	for i := 1; i < failures && wait < most; i++ {
		wait *= 2
	}
	wait = min(wait, most)
	return wait/2 + rand.N(wait/2+1)
}
