package hostile

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// stream is something numbered that the victim must receive, in order: the rows
// of a table, broadcasts, presence. It is safe for concurrent use.
type stream struct {
	name   string
	newest bool // only the last number must come: those before may be merged

	mu   sync.Mutex
	sent []time.Time // when the one of number i+1 was done; zero until then
	got  []arrival
}

// arrival is one number that has come. Numbers below 1 are of what the victim
// must not see.
type arrival struct {
	number int
	at     time.Time
}

// begin returns the next number.
func (s *stream) begin() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, time.Time{})
	return len(s.sent)
}

// done notes when what has a number was committed, or sent.
func (s *stream) done(number int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[number-1] = at
}

// take notes what has come.
func (s *stream) take(number int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, arrival{number, at})
}

// count is how many have come.
func (s *stream) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

// judged is what became of a stream.
type judged struct {
	Stream                           string
	Sent                             int
	Missing, Twice, Disorder, Leaked int
	Delays                           []time.Duration // from done to arrival, sorted
	Calm                             []time.Duration // the same of what was done before the attack
}

// whole reports whether all came, once and in order, and nothing else.
func (j judged) whole() bool { return j.Missing+j.Twice+j.Disorder+j.Leaked == 0 }

// judge says what became of everything that is done by now, and was done in peace
// if it was before a time.
func (s *stream) judge(attacked time.Time) judged {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := judged{Stream: s.name}
	seen := make([]bool, len(s.sent)+1)
	last := 0
	for _, a := range s.got {
		switch {
		case a.number < 1 || a.number > len(s.sent):
			j.Leaked++
			continue
		case seen[a.number]:
			j.Twice++
			continue
		case a.number < last:
			j.Disorder++
		}
		seen[a.number], last = true, max(last, a.number)
		switch done := s.sent[a.number-1]; {
		case done.IsZero():
		case done.Before(attacked):
			j.Calm = append(j.Calm, max(0, a.at.Sub(done)))
		default:
			j.Delays = append(j.Delays, max(0, a.at.Sub(done)))
		}
	}
	for i, done := range s.sent {
		if done.IsZero() {
			continue
		}
		j.Sent++
		if !seen[i+1] && (!s.newest || i == len(s.sent)-1) {
			j.Missing++
		}
	}
	slices.Sort(j.Delays)
	slices.Sort(j.Calm)
	return j
}

// fold makes one of all that have the same name, in the order of names.
func fold(all []judged) (folded []judged) {
	slices.SortStableFunc(all, func(a, b judged) int { return strings.Compare(a.Stream, b.Stream) })
	for _, j := range all {
		if len(folded) == 0 || folded[len(folded)-1].Stream != j.Stream {
			folded = append(folded, judged{Stream: j.Stream})
		}
		to := &folded[len(folded)-1]
		to.Sent += j.Sent
		to.Missing += j.Missing
		to.Twice += j.Twice
		to.Disorder += j.Disorder
		to.Leaked += j.Leaked
		to.Delays = append(to.Delays, j.Delays...)
		to.Calm = append(to.Calm, j.Calm...)
	}
	for i := range folded {
		slices.Sort(folded[i].Delays)
		slices.Sort(folded[i].Calm)
	}
	return folded
}

// quantile is the delay that a share of all does not exceed; delays are sorted.
func quantile(delays []time.Duration, share float64) time.Duration {
	if len(delays) == 0 {
		return 0
	}
	return delays[min(len(delays)-1, int(share*float64(len(delays))))]
}
