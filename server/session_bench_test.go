package server

import (
	"bufio"
	"io"
	"net"
	"testing"
)

// bare is the least that a server can do for a session: it answers the handshake,
// reads a join, and writes the reply and the word that it is subscribed.
type bare struct{ ln net.Listener }

func serveBare(tb testing.TB) *bare {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ln.Close() })
	s := &bare{ln}
	go s.accept()
	return s
}

func (s *bare) accept() {
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		go s.serve(conn)
	}
}

const bareAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n"

func (s *bare) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 1<<10)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			return
		}
	}
	_, _ = io.WriteString(conn, bareAnswer)
	join := make([]byte, 512)
	if _, err := in.Read(join); err != nil {
		return
	}
	for _, word := range []string{`["1","1","realtime:x","phx_reply",{"status":"ok","response":{}}]`, `Subscribed to PostgreSQL`} {
		_, _ = conn.Write(append([]byte{0x81, byte(len(word))}, word...))
	}
	_, _ = in.Read(join)
}

// tokensOf says how many tokens a crowd has.
var tokensOf = map[string]string{"eq": "one", "own": "own"}

// BenchmarkJoinedSession measures what one open session with one joined channel
// and one binding costs: resident memory while it is silent, after a collection;
// the processor time of the server to connect and join, also in multiples of
// what a bare server needs for the same bytes; and the time from join to armed.
func BenchmarkJoinedSession(b *testing.B) {
	const sessions = 10_000
	for _, kind := range []string{"eq", "own"} {
		b.Run("token="+tokensOf[kind], func(b *testing.B) {
			c := subscriptions[kind].crowd
			c.Address, c.Sessions, c.Armed = serveBare(b).ln.Addr().String(), sessions, true
			before := processorTime(b)
			summon(b, c).leave()
			reference := processorTime(b) - before

			s := serveForBench(b)
			c.Address = s.Addr()
			for b.Loop() {
				resident, before := residentBytes(b), processorTime(b)
				crowd := summon(b, c)
				each := microseconds(processorTime(b)-before) / sessions
				b.ReportMetric(each, "cpu-µs/join")
				b.ReportMetric(each*sessions/microseconds(reference), "of-bare")
				b.ReportMetric((residentBytes(b)-resident)/sessions, "B/session")
				b.ReportMetric(crowd.joined.Joined50, "armed-p50-ms")
				b.ReportMetric(crowd.joined.Joined99, "armed-p99-ms")
				crowd.leave()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
