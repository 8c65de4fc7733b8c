package gateway

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestUnfinishedHeadsAreBoundedTogether has clients send most of large heads and no more.
// Whoever sends an ordinary one is let in meanwhile, and large ones are once they are gone.
func TestUnfinishedHeadsAreBoundedTogether(t *testing.T) {
	r := start(t, func(c *Config) { c.HeaderTimeout = time.Minute }) // or a slow machine ends them for that
	half := "GET /socket/websocket HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", maxHeaders-2<<10)
	var waiting []net.Conn
	for range unfinishedHeads/len(half) + 200 {
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(half)); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, conn)
	}
	ended := 0
	eventually(t, "some to be ended", func() bool {
		ended = 0
		for _, conn := range waiting {
			_ = conn.SetReadDeadline(time.Now().Add(time.Microsecond))
			if _, err := conn.Read(make([]byte, 1)); err != nil && !isTimeout(err) {
				ended++
			}
		}
		return ended > 0 && r.sample(t, `walcast_gateway_limited_total{limit="handshakes"}`) >= float64(ended)
	})
	if most := len(waiting) - unfinishedHeads/len(half); ended > most {
		t.Errorf("%d of %d are ended; want %d at most", ended, len(waiting), most)
	}
	r.dial(t)
	large := upgradeFrom(t, r, "")
	large.Request.Headers["X-Large"] = strings.Repeat("x", 20<<10)
	for _, conn := range waiting {
		conn.Close()
	}
	eventually(t, "a large head to be taken again", func() bool { return r.ask(t, large, "192.0.2.1").Status == 101 })
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestTheHeadsOfOneConnectionCountOneByOne, also with TLS, and what a client sends over a
// connection that was taken over does not count at all.
func TestTheHeadsOfOneConnectionCountOneByOne(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) { countsOneByOne(t, secure) })
	}
}

func countsOneByOne(t *testing.T, secure bool) {
	counts := &heads{limited: func() {}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := counts.bytes.Load(); got != 0 {
			t.Errorf("%d bytes count while a request is handled", got)
		}
		if r.URL.Path == "/taken" {
			echo(t, w, counts)
		}
	}))
	server.Listener, server.Config.ConnState = counts.listen(server.Listener), headState
	var conn net.Conn
	var err error
	if secure {
		server.StartTLS()
		conn, err = tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	} else {
		server.Start()
		conn, err = net.Dial("tcp", server.Listener.Addr().String())
	}
	defer server.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	read := bufio.NewReader(conn)
	for range 3 {
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		response, err := http.ReadResponse(read, nil)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("ReadResponse = %+v, %v", response, err)
		}
	}
	fmt.Fprint(conn, "GET /taken")
	eventually(t, "a part of a head to count", func() bool { return counts.bytes.Load() >= int64(len("GET /taken")) })
	fmt.Fprint(conn, " HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, err := read.ReadString('\n'); got != "taken\n" {
		t.Fatalf("ReadString = %q, %v", got, err)
	}
	fmt.Fprint(conn, "hello\n")
	if got, err := read.ReadString('\n'); got != "hello 0\n" {
		t.Errorf("ReadString = %q, %v; want nothing to count", got, err)
	}
}

// TestABodyThatNobodyReadsCountsForNoHead: the HTTP server discards it when the request has
// been answered, and may keep the connection for a minute after that.
func TestABodyThatNobodyReadsCountsForNoHead(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	counts := &heads{limited: func() {}}
	server.Listener, server.Config.ConnState = counts.listen(server.Listener), headState
	server.Start()
	defer server.Close()
	response, err := server.Client().Post(server.URL, "text/plain", strings.NewReader(strings.Repeat("x", 200<<10)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := counts.bytes.Load(); got != 0 || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d bytes count when a request with a large body is answered with %d; want none", got, response.StatusCode)
	}
}

// TestAClientIsToldThatNothingFollows, before its connection is closed.
func TestAClientIsToldThatNothingFollows(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := (&heads{}).listen(ln).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	half, ok := conn.(interface{ CloseWrite() error }) // what the HTTP server looks for
	if !ok || half.CloseWrite() != nil {
		t.Fatal("the connection cannot be closed for writing alone")
	}
	if n, err := client.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("Read = %d, %v; want the end", n, err)
	}
}

// echo takes a connection over and answers one line, with how many bytes count.
func echo(t *testing.T, w http.ResponseWriter, counts *heads) {
	conn, _, err := hijack(w)
	if err != nil {
		t.Error(err)
		return
	}
	_, isSystems := conn.(*net.TCPConn)
	if _, isTLS := conn.(*tls.Conn); !isSystems && !isTLS {
		t.Errorf("a connection that was taken over is %T; want that of the system", conn)
	}
	fmt.Fprintln(conn, "taken")
	go func() { // the handler has returned by then, as that of a session has
		defer conn.Close()
		text, _ := bufio.NewReader(conn).ReadString('\n')
		fmt.Fprintln(conn, strings.TrimSpace(text), counts.bytes.Load())
	}()
}
