package server

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"
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

// BenchmarkJoinedSession is the resident memory of one open session with one
// joined channel and one binding, while 10,000 of them are silent, after a
// collection; and how long each waited from its join to being armed.
func BenchmarkJoinedSession(b *testing.B) {
	const sessions = 10_000
	for kind, tokens := range tokensOf {
		b.Run("token="+tokens, func(b *testing.B) {
			s := serveForBench(b)
			c := audiences[kind].crowd
			c.Address, c.Sessions, c.Armed = s.Addr(), sessions, true
			for b.Loop() {
				resident := residentBytes(b)
				crowd := summon(b, c)
				b.ReportMetric((residentBytes(b)-resident)/sessions, "B/session")
				b.ReportMetric(crowd.joined.Joined50, "armed-p50-ms")
				b.ReportMetric(crowd.joined.Joined99, "armed-p99-ms")
				crowd.leave()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkConnectAndJoin is the processor time of the server until a session is
// joined and armed, when clients come back eight at a time; also in multiples of
// what a bare server needs for the same bytes. Both take turns, and the best
// counts: other load on the machine makes processor time dearer.
func BenchmarkConnectAndJoin(b *testing.B) {
	for kind, tokens := range tokensOf {
		b.Run("token="+tokens, func(b *testing.B) {
			ours, bare := serveForBench(b).Addr(), serveBare(b).ln.Addr().String()
			each, reference := time.Hour, time.Hour
			for b.Loop() {
				for range 3 {
					each = min(each, connectAndJoin(b, kind, ours, 3000))
					reference = min(reference, connectAndJoin(b, kind, bare, 3000))
				}
			}
			b.ReportMetric(microseconds(each), "cpu-µs/join")
			b.ReportMetric(float64(each)/float64(reference), "of-bare")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// connectAndJoin is the processor time that a server takes for each session.
func connectAndJoin(tb testing.TB, kind, address string, sessions int) time.Duration {
	tb.Helper()
	c := audiences[kind].crowd
	c.Address, c.Sessions, c.Armed, c.Parallel = address, sessions, true, 8
	before := processorTime(tb)
	crowd := summon(tb, c)
	took := processorTime(tb) - before
	crowd.leave()
	return took / time.Duration(sessions)
}
