package gateway

import (
	"net"
	"syscall"
	"time"
)

// Options of TCP (tcp(7)) that package syscall does not name.
const (
	userTimeout     = 0x12 // TCP_USER_TIMEOUT
	unsentLowWater  = 0x19 // TCP_NOTSENT_LOWAT
	unsentMostBytes = 128 << 10
)

// setUserTimeout has the connection broken off when what was sent stays without
// acknowledgement for that long. A client that vanished from the network says
// nothing, as one that only reads; the few bytes that keep a stream alive would
// find room in the socket's buffer until the system gives up, after a quarter of
// an hour.
func setUserTimeout(conn net.Conn, limit time.Duration) {
	setOption(conn, userTimeout, int(limit.Milliseconds()))
}

// boundUnsent has the system take no more from us than the client's window has
// room for, and a little. By itself it takes some megabytes for each client that
// does not read: memory that no limit of ours counts, filled by work that others
// wait for. What has no room waits in the session's queue, which has a bound.
func boundUnsent(conn net.Conn) { setOption(conn, unsentLowWater, unsentMostBytes) }

// setOption does its best: without it the system's own limits hold.
func setOption(conn net.Conn, option, value int) {
	for wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok; wrapped, ok = conn.(interface{ NetConn() net.Conn }) { // TLS
		conn = wrapped.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return // closed meanwhile
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, value)
	})
}
