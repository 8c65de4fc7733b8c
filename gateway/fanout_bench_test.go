package gateway

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"walcast/internal/once"
	"walcast/protocol"
)

// audience is many clients that only count the bytes they get.
type audience struct {
	conns []net.Conn
	bytes atomic.Int64
	need  atomic.Int64
	ready chan struct{}
}

// gather opens n sessions whose clients read all they get.
func gather(b testing.TB, r *running, n int) *audience {
	b.Helper()
	a := &audience{ready: make(chan struct{}, 1)}
	for range n {
		conn := handshake(b, r)
		a.conns = append(a.conns, conn)
		go a.read(conn)
	}
	b.Cleanup(func() {
		for _, c := range a.conns {
			c.Close()
		}
	})
	eventually(b, "all sessions open", func() bool { return r.hub.size() == n })
	return a
}

// handshake opens a session over a bare socket.
func handshake(b testing.TB, r *running) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		b.Fatal(err)
	}
	if err := shake(conn, strings.TrimPrefix(r.url(b), "ws://"+r.addr)); err != nil {
		b.Fatal(err)
	}
	return conn
}

// shake upgrades a socket without any library.
func shake(conn net.Conn, path string) error {
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path)
	head := make([]byte, 0, 256)
	for one := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); head = append(head, one[0]) {
		if _, err := conn.Read(one); err != nil {
			return fmt.Errorf("handshake: %w after %q", err, head)
		}
	}
	if !strings.HasPrefix(string(head), "HTTP/1.1 101") {
		return fmt.Errorf("handshake: %q", head)
	}
	return nil
}

func (a *audience) read(conn net.Conn) {
	buffer := make([]byte, 8<<10)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if total := a.bytes.Add(int64(n)); total >= a.need.Load() && total-int64(n) < a.need.Load() {
			select {
			case a.ready <- struct{}{}:
			default:
			}
		}
	}
}

// wait blocks until all clients together have had total bytes.
func (a *audience) wait(total int64) {
	a.need.Store(total)
	for a.bytes.Load() < total {
		<-a.ready
	}
}

// BenchmarkFanOut sends one frame to many sockets, one message at a time or with
// eight on their way, and compares with a loop that writes the same frame to the
// same sockets: ratio is the loop's time divided by ours, the best of both, which
// take turns.
func BenchmarkFanOut(b *testing.B) {
	for _, sockets := range []int{1000, 5000} {
		for _, flight := range []int{1, 8} {
			b.Run(fmt.Sprintf("sockets=%d/flight=%d", sockets, flight), func(b *testing.B) {
				benchmarkFanOut(b, sockets, flight)
			})
		}
	}
}

func benchmarkFanOut(b *testing.B, sockets, flight int) {
	r := start(b, func(c *Config) { c.QueueBytes = 64 << 20 })
	a := gather(b, r, sockets)
	frame := protocol.V2.Push("", "", "realtime:bench", "postgres_changes", []byte(`{"pad":"`+strings.Repeat("x", 400)+`"}`))
	size := int64(len(frame.Wire()))
	var conns []net.Conn
	eventually(b, "all sessions known", func() bool { // they are open a moment before
		conns = nil
		r.sessions.each(func(s *session) {
			s.transport.SetWriteDeadline(time.Time{})
			conns = append(conns, s.transport.Conn)
		})
		return len(conns) == sockets
	})
	loop := func() {
		for _, c := range conns {
			c.Write(frame.Wire())
		}
	}
	ours := func() { r.hub.say(frame) }
	const messages = 16
	run := func(send func()) time.Duration {
		begin, start := a.bytes.Load(), time.Now()
		for i := range int64(messages) {
			send()
			a.wait(begin + max(0, i-int64(flight)+2)*size*int64(sockets))
		}
		a.wait(begin + messages*size*int64(sockets))
		return time.Since(start)
	}
	run(loop)
	run(ours)
	reference, measured := time.Hour, time.Hour
	for b.Loop() {
		for range 3 {
			reference = min(reference, run(loop))
			measured = min(measured, run(ours))
		}
	}
	b.ReportMetric(float64(reference)/float64(measured), "ratio")
	b.ReportMetric(messages*float64(sockets)/measured.Seconds(), "deliveries/s")
	b.ReportMetric(r.sample(b, "walcast_gateway_frames_sent_total")/r.sample(b, "walcast_gateway_writes_total"), "frames/write")
	b.ReportMetric(0, "ns/op")
}

func TestBenchmarksRun(t *testing.T) {
	once.Run(t, map[string]func(*testing.B){
		"FanOut": func(b *testing.B) { benchmarkFanOut(b, 10, 8) },
	})
}
