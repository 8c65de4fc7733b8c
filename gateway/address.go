package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress is the address a request came from: the peer's, or, when the
// peer is a trusted proxy, the last one in X-Forwarded-For that is not. What
// stands left of that one was written by strangers.
func (a Access) clientAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap()
	if !a.trusts(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		forwarded, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			break
		}
		if address = forwarded; !a.trusts(forwarded) {
			break
		}
	}
	return address
}

// parseHop reads one element of X-Forwarded-For; some proxies add the port.
func parseHop(hop string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(hop); err == nil {
		return a.WithZone("").Unmap(), true
	}
	ap, err := netip.ParseAddrPort(hop)
	return ap.Addr().WithZone("").Unmap(), err == nil
}

func (a Access) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(a.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

// network is what one customer of a provider has, as limits count it: an IPv4
// address or an IPv6 /64.
func network(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	prefix, err := address.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.Addr()
}
