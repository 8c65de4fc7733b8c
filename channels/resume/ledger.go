package resume

import (
	"slices"
	"strconv"
	"sync"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// Served is a channel of a session, as the Ledger sees it.
type Served interface {
	// Standing is up to where every change has been pushed that the channel is
	// to get, zero if that is not known.
	Standing() changelog.Standing
	// Heard is the number up to which every broadcast has been pushed, 0 if
	// that is not known.
	Heard() uint64
	// Bookmark is that of the channel, always the same.
	Bookmark() *Bookmark
}

// Ledger notes what the pings of one session stand for: a pong proves that
// everything has arrived that was pushed before its ping. A nil Ledger, of a
// session without a client_id, notes nothing. It is safe for concurrent use.
type Ledger struct {
	mu       sync.Mutex
	serial   uint64
	channels []Served
	pings    []ping // those without a pong, oldest first
}

// ping is one ping and what its pong will prove.
type ping struct {
	payload string
	claims  []claim
}

// claim is what had been pushed for one channel when a ping was made.
type claim struct {
	bookmark *Bookmark
	era      uint64 // of the bookmark
	at       changelog.Standing
	heard    uint64
}

// pingLimit bounds the pings without a pong. Beyond it a new ping replaces the
// newest: if it replaced the oldest, a slow client would never prove anything.
const pingLimit = 64

// Add has the pings from now on stand for a channel too. A caller whose channel
// may have ended meanwhile must call Remove then.
func (l *Ledger) Add(s Served) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.channels = append(l.channels, s)
}

// Remove has the pings from now on stand for a channel no more.
func (l *Ledger) Remove(s Served) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.channels = slices.DeleteFunc(l.channels, func(other Served) bool { return other == s })
}

// Mark returns the payload of a ping whose pong proves that everything has
// arrived that was pushed before. Only one goroutine at a time may call Mark
// and push the ping.
func (l *Ledger) Mark() string {
	if l == nil {
		return ""
	}
	serial, channels := l.next()
	var newest wal.Position
	claims := make([]claim, len(channels))
	for i, c := range channels {
		claims[i] = claim{bookmark: c.Bookmark(), era: c.Bookmark().present()} // first: the era must not be newer than the standing
		claims[i].at, claims[i].heard = c.Standing(), c.Heard()
		if at := claims[i].at.Position; at.Compare(newest) > 0 {
			newest = at
		}
	}
	made := ping{payload: newest.String() + "#" + strconv.FormatUint(serial, 10), claims: claims}
	l.note(made)
	return made.payload
}

// next numbers a ping and lists what it stands for.
func (l *Ledger) next() (serial uint64, channels []Served) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	return l.serial, slices.Clone(l.channels)
}

func (l *Ledger) note(made ping) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pings) == pingLimit {
		l.pings = l.pings[:pingLimit-1]
	}
	l.pings = append(l.pings, made)
}

// Proven takes the payload of a pong. A pong to no ping of this Ledger proves
// nothing.
func (l *Ledger) Proven(payload string) {
	if l == nil {
		return
	}
	for _, c := range l.answered(payload) {
		c.bookmark.prove(c.era, c.at, c.heard)
	}
}

// answered takes out the ping that a pong answers, and those before it.
func (l *Ledger) answered(payload string) []claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.pings, func(p ping) bool { return p.payload == payload })
	if i < 0 {
		return nil
	}
	claims := l.pings[i].claims
	l.pings = slices.Delete(l.pings, 0, i+1)
	return claims
}
