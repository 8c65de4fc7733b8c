package gateway

import (
	"net"
	"syscall"
	"time"
)

// userTimeout is TCP_USER_TIMEOUT, which package syscall does not name.
const userTimeout = 0x12

// setUserTimeout has the connection broken off when what was sent stays without
// acknowledgement for that long. A client that vanished from the network says
// nothing, as one that only reads; the few bytes that keep a stream alive would
// find room in the socket's buffer until the system gives up, after a quarter of
// an hour.
func setUserTimeout(conn net.Conn, limit time.Duration) {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
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
	// Best effort: without it the system's own limit holds.
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, userTimeout, int(limit.Milliseconds()))
	})
}
