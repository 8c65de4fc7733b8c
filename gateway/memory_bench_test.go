package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// crowdVariable turns the test binary into a crowd of clients: sockets of both
// sides in one process would count twice and hit the limit of descriptors.
const crowdVariable = "WALCAST_TEST_CROWD"

// playCrowd opens as many sessions as it is told and holds them until its input
// ends.
func playCrowd(spec string) {
	addr, rest, _ := strings.Cut(spec, " ")
	number, path, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	held := make([]net.Conn, n) // or the collector would close them
	for i := 0; i < n && err == nil; i++ {
		if held[i], err = net.Dial("tcp", addr); err == nil {
			err = shake(held[i], path)
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

// BenchmarkIdleSession measures what one open session that says nothing adds to
// the process: resident bytes after a collection.
func BenchmarkIdleSession(b *testing.B) {
	const sessions = 10_000
	r := start(b, nil)
	resident := residentBytes(b)
	for b.Loop() {
		stop := summon(b, r, sessions)
		eventually(b, "all sessions open", func() bool { return r.party.size() == sessions })
		b.ReportMetric((residentBytes(b)-resident)/sessions, "B/session")
		stop()
		eventually(b, "all sessions gone", func() bool { return r.party.size() == 0 })
	}
	b.ReportMetric(0, "ns/op")
}

// summon starts a crowd and waits until it is there.
func summon(b *testing.B, r *running, n int) (stop func()) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", crowdVariable, r.addr, n, strings.TrimPrefix(r.url(b), "ws://"+r.addr)))
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
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
