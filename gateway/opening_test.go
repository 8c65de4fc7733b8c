package gateway

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"walcast/protocol"
)

// answering is a listener whose connections call a function before they write for
// the first time: the server's answer to the request is made, and not yet sent.
type answering struct {
	net.Listener
	before func()
}

func (l answering) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &answeringConn{Conn: conn, before: sync.OnceFunc(l.before)}, nil
}

type answeringConn struct {
	net.Conn
	before func()
}

func (c *answeringConn) Write(p []byte) (int, error) {
	c.before()
	return c.Conn.Write(p)
}

// TestWhoIsAnsweredCanBeDisconnected ends every session just before a client hears
// that its handshake is accepted. A client that was told so and is not ended would
// stay for good, though a server has called /api/disconnect after it saw it connect.
func TestWhoIsAnsweredCanBeDisconnected(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hub := make(chan *fakeHub, 1)
	r := startOn(t, answering{ln, func() {
		h := <-hub
		h.disconnect()
		hub <- h
	}}, nil)
	hub <- r.hub
	wantClose(t, r.dial(t), protocol.CloseNormal, protocol.MessageDisconnected)
	if end := r.read(t, http.MethodGet, oneTopic+token(t), nil).rest(t); !strings.Contains(end, protocol.MessageDisconnected) {
		t.Errorf("stream ends with %q; want why", end)
	}
	eventually(t, "sessions gone", func() bool { return r.hub.size() == 0 })
}

// TestSessionIsEndedBeforeItHasAConnection ends each session while the hub opens
// it, when there is nothing yet to write to.
func TestSessionIsEndedBeforeItHasAConnection(t *testing.T) {
	r := start(t, nil)
	r.hub.mu.Lock()
	r.hub.inOpen = (*fakeSession).disconnect
	r.hub.mu.Unlock()
	wantClose(t, r.dial(t), protocol.CloseNormal, protocol.MessageDisconnected)
	s := r.read(t, http.MethodGet, oneTopic+token(t), nil)
	if end := s.rest(t); s.StatusCode != http.StatusOK || !strings.Contains(end, protocol.MessageDisconnected) {
		t.Errorf("stream = %d, and ends with %q; want why", s.StatusCode, end)
	}
	eventually(t, "sessions gone", func() bool { return r.hub.size() == 0 })
}

// TestSessionOfAFailedHandshakeIsForgotten has a connection that cannot be taken
// over: the hub knew the session by then.
func TestSessionOfAFailedHandshakeIsForgotten(t *testing.T) {
	r := start(t, nil)
	r.hub.opened = make(chan *fakeSession, 1)
	req, err := http.NewRequest(http.MethodGet, "http://"+r.addr+"/socket/websocket?vsn=2.0.0&apikey="+token(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "not a key",
	} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("handshake = %d; want 400", resp.StatusCode)
	}
	select {
	case s := <-r.hub.opened:
		s.disconnect() // is ignored
	default:
		t.Error("the hub was told of no session")
	}
	if n := r.hub.size(); n != 0 {
		t.Errorf("%d sessions are left; want none", n)
	}
	if r.sessions.reserve() != nil { // the count is right: the drain waits for none
		t.Error("no session can be opened any more")
	}
	r.sessions.release()
}
