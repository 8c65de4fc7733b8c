package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"walcast/internal/await"
)

// A stop that comes before the server is ready is a clean one, wherever the
// start has got to and whatever it waits for.
func TestASignalBeforeReadinessIsACleanStop(t *testing.T) {
	cleared(t)
	path := build(t)
	_, there := served(t)
	starts := []struct {
		postgres string
		flags    []string
	}{
		{"is there", there},
		{"refuses connections", serving("127.0.0.1:1")},
		{"accepts connections and says nothing", serving(silent(t))},
	}
	delays := []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 150 * time.Millisecond, 400 * time.Millisecond}
	keepBusy(t)
	for _, start := range starts {
		for i, delay := range delays {
			signal := []os.Signal{syscall.SIGTERM, os.Interrupt}[i%2]
			t.Run(fmt.Sprintf("Postgres %s, %s after %s", start.postgres, signal, delay), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				p := startProcess(t, path, start.flags...)
				p.err.Text(ctx, t, "starting") // before main runs nobody can handle a signal
				<-time.After(delay)
				if err := p.cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				if code := p.exit(t, ctx); code != 0 {
					t.Errorf("exit code %d (%s); want 0", code, p.cmd.ProcessState)
				}
			})
		}
	}
}

// What the handler does first of all counts from then on, also for what has yet
// to be parsed, read and opened.
func TestACommandThatIsStoppedBeforeItBeginsEndsCleanly(t *testing.T) {
	cleared(t)
	_, there := served(t)
	for _, args := range [][]string{
		there,
		append(there, "--migrate"),
		serving("127.0.0.1:1"),
		{"dev", "--listen=127.0.0.1:0"},
		{"dev", "--listen=127.0.0.1:0", "--demo"},
	} {
		stopped, stop := context.WithCancel(t.Context())
		stop()
		log := await.NewOutput()
		if code := run(stopped, args, terminal{out: await.NewOutput(), err: log}); code != 0 {
			t.Errorf("%s exits %d; want 0. Its log is:\n%s", args, code, log)
		}
	}
}

// serving is the command line that serves a database which is not there.
func serving(postgres string) []string {
	return []string{
		"serve", "--listen=127.0.0.1:0", "--jwt-secret=" + testSecret,
		"--database-url=postgres://postgres@" + postgres + "/postgres?sslmode=disable",
	}
}

// silent is the address of a server that accepts connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// keepBusy takes the processors until the test ends, so that all else is slow.
func keepBusy(t *testing.T) {
	t.Helper()
	var stopped atomic.Bool
	var busy sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		busy.Go(func() {
			for !stopped.Load() {
			}
		})
	}
	t.Cleanup(func() {
		stopped.Store(true)
		busy.Wait()
	})
}
