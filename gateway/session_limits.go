package gateway

import (
	"net/netip"
	"sync"
)

// sessionLimits counts open sessions, all and by network, against their limits. It
// is safe for concurrent use.
type sessionLimits struct {
	max, maxPerNetwork int // 0 is none

	mu        sync.Mutex
	count     int
	bytes     int                // of tokens and headers, see largeOf
	lined     int                // bytes of the large handshakes that wait in line
	byNetwork map[netip.Addr]int // empty without maxPerNetwork
}

func newSessionLimits(l Limits) *sessionLimits {
	return &sessionLimits{max: l.MaxSessions, maxPerNetwork: l.MaxSessionsPerAddress, byNetwork: map[netip.Addr]int{}}
}

// line reports whether a handshake whose head has so many bytes may wait in line: those
// that do are in memory as well as those that were let in. Each that may must leave the line.
func (l *sessionLimits) line(size int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes+l.lined+size > largeHandshakes {
		return false
	}
	l.lined += size
	return true
}

func (l *sessionLimits) leaveLine(size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lined -= size
}

// admit counts one more, with so many bytes of a large handshake, or returns why it
// may not come in. Each that was admitted must be released.
func (l *sessionLimits) admit(address netip.Addr, large int) *rejection {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max > 0 && l.count >= l.max {
		return rejectSessions
	}
	if large > 0 && l.bytes+large > largeHandshakes {
		return rejectLarge
	}
	if l.maxPerNetwork > 0 {
		n := network(address)
		if l.byNetwork[n] >= l.maxPerNetwork {
			return rejectAddress
		}
		l.byNetwork[n]++
	}
	l.count++
	l.bytes += large
	return nil
}

// release counts one less.
func (l *sessionLimits) release(address netip.Addr, large int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	l.bytes -= large
	if l.maxPerNetwork == 0 {
		return
	}
	n := network(address)
	if l.byNetwork[n]--; l.byNetwork[n] == 0 {
		delete(l.byNetwork, n)
	}
}
