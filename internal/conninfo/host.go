package conninfo

import (
	"context"
	"net"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// Host is the host and port of a URL that a connection leads to. A URL may name
// several, of which the first that answers, and is of the kind asked for, is used.
func Host(ctx context.Context, c *pgconn.Config, remote net.Addr) string {
	first := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	several := slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != c.Host || f.Port != c.Port })
	if !several || remote == nil {
		return first
	}
	all := append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port}}, c.Fallbacks...)
	for _, one := range all {
		if leadsTo(ctx, c.LookupFunc, one.Host, one.Port, remote) {
			return net.JoinHostPort(one.Host, strconv.Itoa(int(one.Port)))
		}
	}
	return remote.String()
}

// leadsTo reports whether a host and port are the remote end of a connection.
func leadsTo(ctx context.Context, lookup pgconn.LookupFunc, host string, port uint16, remote net.Addr) bool {
	network, address := pgconn.NetworkAddress(host, port)
	if network == "unix" || remote.Network() == "unix" {
		return network == remote.Network() && address == remote.String()
	}
	ip, remotePort, err := net.SplitHostPort(remote.String())
	if err != nil || remotePort != strconv.Itoa(int(port)) {
		return false
	}
	if host == ip {
		return true
	}
	addresses, err := lookup(ctx, host)
	return err == nil && slices.Contains(addresses, ip)
}
