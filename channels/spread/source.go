package spread

import "time"

const (
	// sourceAge is how long a process that is silent is kept in mind. One that comes back
	// later is taken for one of which everything was missed.
	sourceAge = time.Minute
	// sourceAwaited is how long one that is silent is waited for by joins.
	sourceAwaited = 1250 * time.Millisecond
	// maxSources bounds how many are kept in mind.
	maxSources = 256
)

// source is a process of another node, as it is seen here.
type source struct {
	run   string
	heard time.Time // when it sent its last summary, or when it was met
	met   bool      // it has sent a summary
	// checked is the number up to which every broadcast to a topic with an interest here
	// has come, or is noted as missing.
	checked uint64
	isGone  bool
}
