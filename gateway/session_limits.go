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
	byNetwork map[netip.Addr]int // empty without maxPerNetwork
}

func newSessionLimits(l Limits) *sessionLimits {
	return &sessionLimits{max: l.MaxSessions, maxPerNetwork: l.MaxSessionsPerAddress, byNetwork: map[netip.Addr]int{}}
}

// admit counts one more, or returns why it may not come in. Each that was admitted
// must be released.
func (l *sessionLimits) admit(address netip.Addr) *rejection {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max > 0 && l.count >= l.max {
		return rejectSessions
	}
	if l.maxPerNetwork > 0 {
		n := network(address)
		if l.byNetwork[n] >= l.maxPerNetwork {
			return rejectAddress
		}
		l.byNetwork[n]++
	}
	l.count++
	return nil
}

// release counts one less.
func (l *sessionLimits) release(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	if l.maxPerNetwork == 0 {
		return
	}
	n := network(address)
	if l.byNetwork[n]--; l.byNetwork[n] == 0 {
		delete(l.byNetwork, n)
	}
}
