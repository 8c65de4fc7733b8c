package moving

import "time"

const (
	// silentAfter is how long nothing has to come of a node until it counts as gone.
	silentAfter = 3 * time.Second
	// allAfter is how long all that a node knows may take to come before it is asked again.
	allAfter = 2 * time.Second
	// mostSources bounds how many nodes are kept in mind, those that are gone too.
	mostSources = 256
)

// source is another node, as it is seen here.
type source struct {
	heard  time.Time
	doubts until  // as it says
	newest uint64 // telling that has come
	// hasAll says that all that the node knows has come, and every telling since.
	hasAll bool
	asked  time.Time // when it was asked for all, last
	parts  uint64    // of the answer that have come
}

// until is a doubt with the times at which it ends, zero without one.
type until struct{ all, lost time.Time }

func (d doubt) until(now time.Time) (u until) {
	if d.all > 0 {
		u.all = now.Add(d.all)
	}
	if d.lost > 0 {
		u.lost = now.Add(d.lost)
	}
	return u
}

// sources are the other nodes. They are not safe for concurrent use.
type sources struct {
	keep    time.Duration
	here    map[string]*source
	missing map[string]time.Time // those gone without a word: until when their clients may come
	// silent is since when there are more nodes than have told anything, and left is how
	// many may be among them that have said that they go, the last at leftAt.
	silent time.Time
	left   int
	leftAt time.Time
	// unsureUntil is until when it is not known who is missing: too many were, or nodes are
	// of a version that tells nothing of clients, or a node that has gone was not sure.
	unsureUntil time.Time
}

func newSources(keep time.Duration) *sources {
	return &sources{keep: keep, here: map[string]*source{}, missing: map[string]time.Time{}}
}

// hear notes that a message of a node has come. isNew says that it was not there.
func (s *sources) hear(m *message, now time.Time) (of *source, isNew bool) {
	of = s.here[m.run]
	if isNew = of == nil; isNew {
		if len(s.here) >= mostSources {
			s.doubt(now.Add(s.keep))
			return nil, false
		}
		of = &source{}
		s.here[m.run] = of
	}
	of.heard, of.doubts = now, doubt{min(m.doubt.all, s.keep), min(m.doubt.lost, s.keep)}.until(now)
	return of, isNew
}

// tells notes that a telling has come, and that one before it has not.
func (s *sources) tells(of *source, m *message, now time.Time) {
	of.hasAll = of.hasAll && m.number <= of.newest+1
	of.newest = max(of.newest, m.number)
	if !m.bye {
		return
	}
	delete(s.here, m.run)
	s.left, s.leftAt = s.left+1, now
	s.doubt(of.doubts.lost) // it cannot say so any more
	if !of.hasAll {
		s.miss(m.run, now)
	}
}

// doubt notes until when it is not known who is missing.
func (s *sources) doubt(until time.Time) {
	if until.After(s.unsureUntil) {
		s.unsureUntil = until
	}
}

// tellsAll notes that a part of all has come. isWhole says that it was the last.
func (s *sources) tellsAll(of *source, m *message) (isWhole bool) {
	switch m.part {
	case of.parts:
	case 0:
	default:
		return false // one is lost: it is asked for again
	}
	if of.parts = m.part + 1; m.more {
		return false
	}
	of.parts, of.hasAll, of.newest = 0, true, m.number
	delete(s.missing, m.run)
	return true
}

// due are the nodes that are to be asked for all.
func (s *sources) due(now time.Time) (runs []string) {
	for run, of := range s.here {
		if !of.hasAll && now.Sub(of.asked) >= allAfter {
			of.asked = now
			runs = append(runs, run)
		}
	}
	return runs
}

// expire takes out nodes that are silent.
func (s *sources) expire(now time.Time) (gone []string) {
	for run, of := range s.here {
		if now.Sub(of.heard) > silentAfter {
			delete(s.here, run)
			s.miss(run, now)
			gone = append(gone, run)
		}
	}
	for run, until := range s.missing {
		if !now.Before(until) {
			delete(s.missing, run)
		}
	}
	return gone
}

// leftFor is how long a node that has said that it goes may take to be gone.
const leftFor = 10 * time.Second

// compare holds who has told something against how many nodes there are, this one among
// them. A node that goes is counted until it is gone.
func (s *sources) compare(nodes int, now time.Time) {
	if nodes <= len(s.here)+1 || now.Sub(s.leftAt) > leftFor {
		s.left = 0
	}
	switch {
	case nodes <= len(s.here)+1+s.left:
		s.silent = time.Time{}
	case s.silent.IsZero():
		s.silent = now
	case now.Sub(s.silent) > silentAfter:
		s.doubt(now.Add(s.keep))
	}
}

// forgive has no node count as silent by what this one has not heard, as it was frozen.
func (s *sources) forgive(now time.Time) {
	for _, of := range s.here {
		of.heard = now
	}
}

// miss notes that a node is gone which may have had clients that nobody was told of.
func (s *sources) miss(run string, now time.Time) {
	if len(s.missing) >= mostSources {
		s.doubt(now.Add(s.keep))
		return
	}
	s.missing[run] = now.Add(s.keep)
}

// lacks is for how long clients may come from a node that is gone, and may have known more.
func (s *sources) lacks(now time.Time) time.Duration {
	last := s.unsureUntil
	for _, until := range s.missing {
		if until.After(last) {
			last = until
		}
	}
	return max(0, last.Sub(now))
}

// certain reports whether who is not known by those that are here, or what they have told,
// is known by nobody.
func (s *sources) certain(now time.Time) bool {
	for _, of := range s.here {
		if !of.hasAll || now.Before(of.doubts.all) {
			return false
		}
	}
	return s.silent.IsZero() && s.lacks(now) == 0
}
