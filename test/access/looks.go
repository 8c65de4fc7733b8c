package access

import (
	"context"
	"math"
	"regexp"
	"slices"
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
	calm  []span // in which the metrics said that no row waited for Postgres
}

// span is a stretch of time in which something happened.
type span struct{ after, by int64 }

// lookEvery is how often the metrics are read.
const lookEvery = 100 * time.Millisecond

var (
	looksTotal = regexp.MustCompile(`(?m)^walcast_policy_looks_total\{result="ok"\} (\d+)$`)
	noneWait   = regexp.MustCompile(`(?m)^walcast_channels_undecided_bytes 0$`)
)

// follow reads the metrics until ctx is done.
func (l *looks) follow(ctx context.Context, p *process) {
	for program.Wait(ctx, lookEvery) {
		asked := time.Now().UnixNano()
		metrics := p.metrics(ctx)
		if found := looksTotal.FindStringSubmatch(metrics); found != nil {
			n, _ := strconv.Atoi(found[1])
			l.note(n, noneWait.MatchString(metrics), asked, time.Now().UnixNano())
		}
	}
}

// note notes how many looks there have been, and whether no row waited, as was asked
// and answered at moments.
func (l *looks) note(n int, calm bool, asked, answered int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ends) < n {
		l.ends = append(l.ends, span{l.asked, answered})
	}
	if calm {
		l.calm = append(l.calm, span{asked, answered})
	}
	l.asked = asked
}

// settled is the moment by which all was sent that was being decided at another: a
// look had begun and ended, for which what had been matched may have waited, and
// after it no row waited for Postgres.
func (l *looks) settled(at int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	looked := slices.IndexFunc(l.ends, func(s span) bool { return s.after >= at })
	if looked < 0 || looked+1 >= len(l.ends) {
		return math.MaxInt64 / 2
	}
	calm := slices.IndexFunc(l.calm, func(s span) bool { return s.after >= l.ends[looked+1].by })
	if calm < 0 {
		return math.MaxInt64 / 2
	}
	return l.calm[calm].by
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
