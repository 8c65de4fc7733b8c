package gateway

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestClientAddress(t *testing.T) {
	c := Access{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, test := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"direct", "192.0.2.1:5000", nil, "192.0.2.1"},
		{"direct, with a made-up header", "192.0.2.1:5000", []string{"203.0.113.9"}, "192.0.2.1"},
		{"IPv6", "[2001:db8::1]:5000", nil, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:5000", nil, "192.0.2.1"},
		{"one proxy", "10.0.0.1:5000", []string{"203.0.113.9"}, "203.0.113.9"},
		{"proxy over IPv4 in IPv6", "[::ffff:10.0.0.1]:5000", []string{"203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.0.0.1:5000", []string{"203.0.113.9, 10.1.1.1"}, "203.0.113.9"},
		{"made-up first hop", "10.0.0.1:5000", []string{"1.2.3.4, 203.0.113.9"}, "203.0.113.9"},
		{"made-up first header", "10.0.0.1:5000", []string{"1.2.3.4", "203.0.113.9"}, "203.0.113.9"},
		{"with port", "10.0.0.1:5000", []string{"203.0.113.9:1234"}, "203.0.113.9"},
		{"IPv6 with port", "10.0.0.1:5000", []string{"[2001:db8::9]:1234"}, "2001:db8::9"},
		{"no header", "10.0.0.1:5000", nil, "10.0.0.1"},
		{"rubbish", "10.0.0.1:5000", []string{"unknown"}, "10.0.0.1"},
		{"rubbish behind a proxy", "10.0.0.1:5000", []string{"unknown, 10.1.1.1"}, "10.1.1.1"},
		{"only proxies", "10.0.0.1:5000", []string{"10.3.3.3, 10.1.1.1"}, "10.3.3.3"},
		{"IPv6 proxy", "[fd00::1]:5000", []string{"2001:db8::9"}, "2001:db8::9"},
	} {
		r := &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.forwarded}}
		if got := c.clientAddress(r); got.String() != test.want {
			t.Errorf("%s: clientAddress() = %s, want %s", test.name, got, test.want)
		}
	}
}
