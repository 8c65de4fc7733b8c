package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/channels"
	"walcast/protocol"
)

// fakeProver is a conversation that wants proof.
type fakeProver struct {
	heard  chan struct{} // gets one for each message
	mu     sync.Mutex
	asked  int
	proven []string
}

func (w *fakeProver) Handle(context.Context, protocol.Message) { w.heard <- struct{}{} }
func (w *fakeProver) Close()                                   {}

func (w *fakeProver) Mark() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return fmt.Sprintf("0/1000:%d", w.asked)
}

func (w *fakeProver) Proven(payload string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proven = append(w.proven, payload)
}

// answers waits for n answers.
func (w *fakeProver) answers(t *testing.T, n int) []string {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); ; <-ticker.C {
		w.mu.Lock()
		proven := slices.Clone(w.proven)
		w.mu.Unlock()
		if len(proven) >= n {
			return proven
		}
		if time.Now().After(end) {
			t.Fatalf("proven = %q; want %d answers", proven, n)
		}
	}
}

// startProving connects to a gateway whose conversations want proof, and answers pings.
func startProving(t *testing.T, query string, change func(*Config)) (*running, *fakeProver, channels.Outbox) {
	t.Helper()
	r := start(t, change)
	w := &fakeProver{heard: make(chan struct{}, 1)}
	var outbox channels.Outbox
	r.open = func(out channels.Outbox, _ channels.Identity) conversation {
		outbox = out
		return w
	}
	conn, _, err := websocket.DefaultDialer.Dial(r.url(t)+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-gone
	})
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`[null,"1","phoenix","heartbeat",{}]`)); err != nil {
		t.Fatal(err)
	}
	<-w.heard
	return r, w, outbox
}

func TestWhatWasSentIsProvenAtMostEveryInterval(t *testing.T) {
	_, w, out := startProving(t, "&client_id=tab-1", nil)
	start := time.Now()
	for n := range 3 {
		for range 50 {
			out.Push(protocol.V2.Push("", "", "realtime:room", "event", []byte("{}")))
		}
		w.answers(t, n+1)
	}
	got := w.answers(t, 3)
	if want := []string{"0/1000:1", "0/1000:2", "0/1000:3"}; !slices.Equal(got, want) {
		t.Errorf("proven = %q; want %q", got, want)
	}
	if took := time.Since(start); took < 2*proofInterval-10*time.Millisecond {
		t.Errorf("three pings came within %s; want %s between two", took, proofInterval)
	}
}

func TestAnIdleSessionIsAskedNowAndThen(t *testing.T) {
	_, w, _ := startProving(t, "&client_id=tab-1", func(c *Config) { c.PingInterval = 300 * time.Millisecond })
	w.answers(t, 2)
}

func TestAStopAsksOnceMore(t *testing.T) {
	r, w, _ := startProving(t, "&client_id=tab-1", nil)
	r.stop()
	w.answers(t, 1)
}

func TestWithoutAClientIDNothingIsProven(t *testing.T) {
	_, w, out := startProving(t, "", func(c *Config) { c.PingInterval = 100 * time.Millisecond })
	out.Push(protocol.V2.Push("", "", "realtime:room", "event", []byte("{}")))
	if s := out.(*session); s.proof != nil {
		t.Error("the session keeps account of proofs")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked != 0 {
		t.Errorf("asked %d times; want never", w.asked)
	}
}
