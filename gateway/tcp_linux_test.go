package gateway

import (
	"net"
	"net/http"
	"syscall"
	"testing"
)

func TestStreamsAreBrokenOffWhenNothingIsAcknowledged(t *testing.T) {
	r := start(t, nil)
	r.read(t, http.MethodGet, oneTopic+token(t), nil).opened(t)
	r.holdsOption(t, "TCP_USER_TIMEOUT", userTimeout, int(r.config.IdleTimeout.Milliseconds()))
}

func TestTheSystemTakesLittleForClientsThatDoNotRead(t *testing.T) {
	t.Run("event stream", func(t *testing.T) {
		r := start(t, nil)
		r.read(t, http.MethodGet, oneTopic+token(t), nil).opened(t)
		r.holdsOption(t, "TCP_NOTSENT_LOWAT", unsentLowWater, unsentMostBytes)
	})
	t.Run("socket", func(t *testing.T) {
		r := start(t, nil)
		r.dial(t)
		r.holdsOption(t, "TCP_NOTSENT_LOWAT", unsentLowWater, unsentMostBytes)
	})
}

// holdsOption checks that the connection of the only session has an option of TCP.
func (r *running) holdsOption(t *testing.T, name string, option, want int) {
	t.Helper()
	eventually(t, "the session is known", func() bool { return r.Sessions() == 1 })
	r.sessions.each(func(s *session) {
		raw, err := s.transport.Conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			if got, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option); got != want || err != nil {
				t.Errorf("%s = %d, %v; want %d", name, got, err, want)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}
