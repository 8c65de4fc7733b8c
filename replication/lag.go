package replication

import (
	"time"

	"walcast/replication/wal"
)

// maxSamples bounds what is remembered of a server that is far ahead.
const maxSamples = 64

// lag tells how far reading is behind. It compares where the server's WAL
// ended at known moments with what has been received.
type lag struct {
	received wal.LSN    // everything that commits before it has come
	samples  []walEndAt // those beyond received, oldest first
	end      wal.LSN    // the newest sample's
	commit   time.Time  // of the newest transaction received while behind
}

// walEndAt is where the server's WAL ended at a moment.
type walEndAt struct {
	end wal.LSN
	at  time.Time
}

// sampled takes in where the server's WAL ended at a moment.
func (l *lag) sampled(end wal.LSN, at time.Time) {
	l.end = end
	if end <= l.received {
		l.caughtUp()
		return
	}
	l.samples = append(thinned(l.samples), walEndAt{end, at})
}

// thinned makes room where there is none: it keeps the oldest and halves the
// rest.
func thinned(samples []walEndAt) []walEndAt {
	if len(samples) < maxSamples {
		return samples
	}
	for i := range maxSamples / 2 {
		samples[i] = samples[2*i]
	}
	return samples[:maxSamples/2]
}

// read takes in that everything that commits before position has come. commit
// is the time of the last transaction, zero if there was none.
func (l *lag) read(position wal.LSN, commit time.Time) {
	l.received = max(l.received, position)
	for len(l.samples) > 0 && l.samples[0].end <= l.received {
		l.samples = l.samples[1:]
	}
	if len(l.samples) == 0 {
		l.caughtUp()
	} else if !commit.IsZero() {
		l.commit = commit
	}
}

func (l *lag) caughtUp() { l.samples, l.commit = nil, time.Time{} }

// bytes is the WAL that the server had at the last sample and that has not come.
func (l *lag) bytes() int64 {
	if l.end <= l.received {
		return 0
	}
	return int64(l.end - l.received)
}

// age is that of the oldest commit that has not come, 0 when caught up. It is
// at least as old as the oldest sample that is ahead, and younger than the
// last transaction that has come; the latter is nearer the truth after a long
// time without reading.
func (l *lag) age(now time.Time) time.Duration {
	if len(l.samples) == 0 {
		return 0
	}
	oldest := l.samples[0].at
	if !l.commit.IsZero() && l.commit.Before(oldest) {
		oldest = l.commit
	}
	return max(now.Sub(oldest), 0)
}
