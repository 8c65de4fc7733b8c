package policy

import (
	"sync"
	"time"
)

// past is when looks at the catalog were taken, and which transactions they saw. Of a
// table that nothing was known of it tells since when what is read is in the catalog.
type past struct {
	mu    sync.Mutex
	looks []pastLook // in the order of time
}

// pastLook is what is kept of a look. Times are by Postgres' clock.
type pastLook struct {
	at           time.Time
	oldest, next uint32 // as of its snapshot
}

// Looks that are closer than pastApart are kept as one, the later. pastMost of them
// reach back for more than a resume window by default.
const (
	pastApart = 100 * time.Millisecond
	pastMost  = 2048
)

// note keeps a look.
func (p *past) note(s *sight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.looks)
	if n > 1 && p.looks[n-1].at.Sub(p.looks[n-2].at) < pastApart {
		p.looks = p.looks[:n-1]
	}
	if len(p.looks) >= pastMost {
		p.looks = append(p.looks[:0], p.looks[pastMost/4:]...)
	}
	p.looks = append(p.looks, pastLook{s.at, s.snapshot.oldest, s.snapshot.next})
}

// since says between which looks the transaction that wrote a catalog row has
// committed: not before after, and before at, which is zero if no look is known to
// have seen it. A transaction that was under way may have been the one, under the id
// of a subtransaction. What was before the first look is not known, and after is
// margin before it.
func (p *past) since(xid uint32, margin time.Duration) (after, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, l := range p.looks {
		switch {
		case int32(xid-l.oldest) < 0:
			if i == 0 {
				return l.at, l.at
			}
			return after, l.at
		case int32(xid-l.next) >= 0:
			after = l.at
		case i == 0:
			after = l.at.Add(-margin)
		}
	}
	return after, time.Time{}
}

// latest is the last look, and the first transaction that had not begun then. If there
// was none it is now, as nothing is known of the time before.
func (p *past) latest(now time.Time) (at time.Time, next uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.looks) == 0 {
		return now, 0
	}
	last := p.looks[len(p.looks)-1]
	return last.at, last.next
}
