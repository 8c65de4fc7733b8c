package gateway

import (
	"context"
	"net"
	"net/http"
	"testing"
)

func TestAHandlerOnAListenerOfItsOwn(t *testing.T) {
	r := start(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	own := &running{Gateway: r.Gateway, addr: ln.Addr().String()}
	stopped, stop := context.WithCancel(t.Context())
	go func() { done <- r.Serve(stopped, ln, http.HandlerFunc(page)) }()
	if code, _, _ := own.get(t, http.MethodGet, "/anything"); code != 200 {
		t.Errorf("GET = %d; want 200", code)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Serve = %v; want nil", err)
	}
}
