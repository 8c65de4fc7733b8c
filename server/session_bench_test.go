package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/internal/devdb"
)

// crowdVariable turns the test binary into a crowd of clients: both sides in one
// process would count twice and hit the limit of descriptors.
const crowdVariable = "WALCAST_TEST_CROWD"

// playCrowd opens "number url" sessions, joins one channel with one binding in
// each, and holds them until its input ends.
func playCrowd(spec string) {
	number, url, _ := strings.Cut(spec, " ")
	n, err := strconv.Atoi(number)
	held := make([]*websocket.Conn, 0, n) // or the collector would close them
	for len(held) < n && err == nil {
		var conn *websocket.Conn
		if conn, err = enterCrowd(url, len(held)); err == nil {
			held = append(held, conn)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, "ready")
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(held)
	os.Exit(0)
}

// enterCrowd joins and waits until the channel is subscribed.
func enterCrowd(url string, i int) (*websocket.Conn, error) {
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return nil, err
	}
	join := fmt.Sprintf(`["1","1","realtime:room%d","phx_join",{"config":{"presence":{"enabled":false},"postgres_changes":[{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.%d"}]}}]`, i, i)
	if err := conn.WriteMessage(websocket.TextMessage, []byte(join)); err != nil {
		return nil, err
	}
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), "Subscribed to PostgreSQL") {
			return conn, nil
		}
	}
}

// BenchmarkJoinedSession measures what one open session with one joined channel
// and one binding costs: resident memory while it is silent, after a collection,
// and the processor time of the server to connect and join.
func BenchmarkJoinedSession(b *testing.B) {
	const sessions = 10_000
	_, s := serveForBench(b)
	for b.Loop() {
		resident, processor := residentBytes(b), processorTime(b)
		stop := summon(b, s, sessions)
		b.ReportMetric(float64((processorTime(b)-processor).Microseconds())/sessions, "µs/join")
		b.ReportMetric((residentBytes(b)-resident)/sessions, "B/session")
		stop()
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkCommitToSocket inserts rows one after the other, a hundred a second,
// and measures from the clock in the inserting transaction to the frame at the
// client, while a thousand others listen for other rows.
func BenchmarkCommitToSocket(b *testing.B) {
	const others, rows = 1000, 300
	db, s := serveForBench(b)
	stop := summon(b, s, others)
	defer stop()
	url := "ws://" + s.Addr() + "/socket/websocket?vsn=2.0.0&apikey=" + token(b)
	conn, err := enterCrowd(url, others+1)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	id := 0
	for b.Loop() {
		took := make([]time.Duration, rows)
		pace := time.NewTicker(10 * time.Millisecond)
		for i := range took {
			<-pace.C
			id++
			var inserted time.Time
			err := db.Pool.QueryRow(b.Context(), `insert into messages values ($1, $2, 'x') returning clock_timestamp()`, id, others+1).Scan(&inserted)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := conn.ReadMessage(); err != nil {
				b.Fatal(err)
			}
			took[i] = time.Since(inserted)
		}
		pace.Stop()
		slices.Sort(took)
		b.ReportMetric(float64(took[rows/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[rows*99/100].Microseconds())/1000, "p99-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// serveForBench runs a server until the benchmark ends.
func serveForBench(b *testing.B) (*devdb.DB, *Server) {
	b.Helper()
	db := devdb.Open(b)
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	s, err := New(configFor(db), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	<-s.Ready()
	return db, s
}

// summon starts a crowd and waits until it has joined.
func summon(b *testing.B, s *Server, n int) (stop func()) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	url := "ws://" + s.Addr() + "/socket/websocket?vsn=2.0.0&apikey=" + token(b)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", crowdVariable, n, url))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		b.Fatalf("crowd of %d: %q, %v", n, line, err)
	}
	return func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("crowd: %v", err)
		}
	}
}

// residentBytes is the memory of this process after everything unused is given
// back. Stacks shrink by half in each collection.
func residentBytes(b *testing.B) float64 {
	b.Helper()
	for range 4 {
		debug.FreeOSMemory()
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		b.Fatal(err)
	}
	return float64(pages * os.Getpagesize())
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
