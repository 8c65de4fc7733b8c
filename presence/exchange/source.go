package exchange

import "time"

const (
	// sourceAge is how long a node may be silent before it counts as gone. What it has told
	// goes the grace time later.
	sourceAge = 2500 * time.Millisecond
	// sourceAwaited is how long a node that is silent is waited for by joins.
	sourceAwaited = 1250 * time.Millisecond
	// maxSources bounds how many nodes are kept in mind.
	maxSources = 256
	// askAgain is how long the answer to a question is waited for.
	askAgain = time.Second
	// askedMost is how many topics are asked of a node at a time.
	askedMost = 4_000
)

// source is a process of another node, as it is seen here.
type source struct {
	run     string
	heard   time.Time // when its last message came
	gone    bool      // it counts as gone, and what it has told is still here
	checked uint64    // up to which every delta has come, or is asked for

	wanted map[*interest]time.Time // topics that are to be asked for; when they were asked, zero if not yet
	line   []*interest             // those not asked yet, and some not wanted any more
	asked  int                     // of wanted, those that were asked
}

// want has a topic asked for. It reports whether it was not on the way already.
func (s *source) want(i *interest) bool {
	if _, isWanted := s.wanted[i]; isWanted {
		return false
	}
	s.wanted[i] = time.Time{}
	s.line = append(s.line, i)
	return true
}

// got notes that what was wanted of a topic has come, or is not wanted any more.
func (s *source) got(i *interest) {
	if at, isWanted := s.wanted[i]; isWanted {
		delete(s.wanted, i)
		if !at.IsZero() {
			s.asked--
		}
	}
}

// due takes the topics that are to be asked for now.
func (s *source) due(now time.Time) (due []*interest) {
	for len(s.line) > 0 && s.asked < askedMost {
		i := s.line[0]
		s.line = s.line[1:]
		if at, isWanted := s.wanted[i]; isWanted && at.IsZero() {
			s.wanted[i] = now
			s.asked++
			due = append(due, i)
		}
	}
	if len(s.line) == 0 {
		s.line = nil
	}
	return due
}

// overdue puts what was asked for and has not come in line again.
func (s *source) overdue(now time.Time) {
	for i, at := range s.wanted {
		if !at.IsZero() && now.Sub(at) > askAgain {
			s.wanted[i] = time.Time{}
			s.line = append(s.line, i)
			s.asked--
		}
	}
}

// leave is that it counts as gone: nothing is asked of it any more.
func (s *source) leave() {
	s.gone, s.wanted, s.line, s.asked = true, map[*interest]time.Time{}, nil, 0
}
