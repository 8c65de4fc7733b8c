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
	checked := 0
	r.sessions.each(func(s *session) {
		raw, err := s.transport.Conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			got, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, userTimeout)
			if want := int(r.config.IdleTimeout.Milliseconds()); got != want || err != nil {
				t.Errorf("TCP_USER_TIMEOUT = %d, %v; want %d", got, err, want)
			}
			checked++
		})
		if err != nil {
			t.Error(err)
		}
	})
	if checked != 1 {
		t.Errorf("checked %d streams; want 1", checked)
	}
}
