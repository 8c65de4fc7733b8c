package access

import (
	"context"
	"math"
	"regexp"
	"sort"
	"strconv"
	"sync"
	"time"

	"walcast/test/program"
)

// looks is when walcast has looked whether access has changed, as its metrics
// tell. What the docs say of access-age is true as long as Postgres answers looks;
// on a busy machine they take longer, and the judge has to know how long. It is
// safe for concurrent use.
type looks struct {
	mu    sync.Mutex
	asked int64 // when the metrics were asked for last
	ends  []span
}

// span is a stretch of time in which something happened.
type span struct{ after, by int64 }

// lookEvery is how often the metrics are read.
const lookEvery = 100 * time.Millisecond

var looksTotal = regexp.MustCompile(`(?m)^walcast_policy_looks_total\{result="ok"\} (\d+)$`)

// follow reads the metrics until ctx is done.
func (l *looks) follow(ctx context.Context, p *process) {
	for program.Wait(ctx, lookEvery) {
		asked := time.Now().UnixNano()
		if found := looksTotal.FindStringSubmatch(p.metrics(ctx)); found != nil {
			n, _ := strconv.Atoi(found[1])
			l.note(n, asked, time.Now().UnixNano())
		}
	}
}

// note notes how many looks there have been, as was asked and answered at moments.
func (l *looks) note(n int, asked, answered int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ends) < n {
		l.ends = append(l.ends, span{l.asked, answered})
	}
	l.asked = asked
}

// known is the moment of which everything was known at another: the last look that
// had ended by then began behind the one before it.
func (l *looks) known(at int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	ended := sort.Search(len(l.ends), func(i int) bool { return l.ends[i].by > at })
	if ended < 2 {
		return math.MinInt64 / 2
	}
	return l.ends[ended-2].after
}

// longest is how old what was known has been at most.
func (l *looks) longest() (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 2; i < len(l.ends); i++ {
		if l.ends[i-2].after == 0 {
			continue // they were counted together when the metrics were first read
		}
		longest = max(longest, time.Duration(l.ends[i].by-l.ends[i-2].after))
	}
	return longest
}
