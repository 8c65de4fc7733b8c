package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/auth"
	"walcast/cluster"
	"walcast/internal/await"
	"walcast/test/program"
)

// sharer is the requests of one node, on a bus of its own.
type sharer struct {
	*sharing
	bus  *cluster.Bus
	stop func()
}

// newSharers are nodes that know each other.
func newSharers(t *testing.T, c Config, count int) (all []*sharer) {
	t.Helper()
	var first string
	for n := range count {
		listen, err := program.FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		config := cluster.Config{Listen: listen, Secret: "the-secret-of-this-cluster"}
		if n > 0 {
			config.Peers = []string{first}
		} else {
			first = listen
		}
		bus := cluster.New(config, "slot", func() cluster.Node { return cluster.Node{Node: listen} }, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		a := New(c, Parts{Gateway: &fakeGateway{}, Hub: fakeHub{}, Nodes: bus.Nodes, Feed: bus.Feed(1 << 20)})
		s := &sharer{sharing: a.sharing, bus: bus}
		buses, stopBus := context.WithCancel(context.Background())
		ctx, cancel := context.WithCancel(buses)
		var running, busRunning sync.WaitGroup
		busRunning.Go(func() {
			if err := bus.Run(buses, func(context.Context) (string, error) { return "made", nil }); err != nil {
				t.Error(err)
			}
		})
		running.Go(func() {
			if err := a.Share(ctx); err != nil {
				t.Error(err)
			}
		})
		s.stop = sync.OnceFunc(func() {
			cancel()
			running.Wait()
			stopBus()
			busRunning.Wait()
		})
		t.Cleanup(s.stop)
		all = append(all, s)
	}
	for _, s := range all {
		s.answersOf(t, all)
	}
	return all
}

// answersOf waits until the node is answered by all the others.
func (s *sharer) answersOf(t *testing.T, all []*sharer) {
	t.Helper()
	await.True(t, 30*time.Second, "a node to be answered by the others", func() bool {
		if len(s.present()) != len(all) {
			return false
		}
		began := time.Now()
		s.find(t.Context(), digest{})
		return time.Since(began) < findLimit
	})
}

// does has the node do a request, and counts it if it is done.
func (s *sharer) does(r request, done *atomic.Int32) response {
	return s.repeats.do(r, time.Now(), func() response {
		n := done.Add(1)
		return jsonResponse(http.StatusAccepted, map[string]any{"id": n})
	})
}

func TestAKeyThatWasUsedOnAnotherNodeIsNotDoneAgain(t *testing.T) {
	nodes := newSharers(t, Config{}, 3)
	var done atomic.Int32
	for i, c := range []struct {
		name   string
		node   int
		r      request
		status int
		done   int32
	}{
		{"first", 0, requestWith("k", "ann", "{}"), 202, 1},
		{"again", 1, requestWith("k", "ann", "{}"), 202, 1},
		{"again on a third", 2, requestWith("k", "ann", "{}"), 202, 1},
		{"another body", 1, requestWith("k", "ann", "{ }"), 422, 1},
		{"another token", 1, requestWith("k", "bob", "{}"), 202, 2},
		{"no key", 1, requestWith("", "ann", "{}"), 202, 3},
	} {
		got := nodes[c.node].does(c.r, &done)
		if got.status != c.status || done.Load() != c.done {
			t.Errorf("%s: %d %s, done %d times; want %d, %d", c.name, got.status, got.body, done.Load(), c.status, c.done)
		}
		if i < 3 && string(got.body) != `{"id":1}` {
			t.Errorf("%s: answered with %s; want the answer to the first", c.name, got.body)
		}
	}
	known := func() int {
		nodes[1].repeats.mu.Lock()
		defer nodes[1].repeats.mu.Unlock()
		return nodes[1].repeats.known.Len()
	}
	knew := known()
	nodes[0].does(requestWith("kept", "ann", "{}"), &done)
	await.True(t, 30*time.Second, "the other nodes to be told", func() bool { return known() > knew })
	nodes[0].stop()
	before := done.Load()
	nodes[1].does(requestWith("kept", "ann", "{}"), &done)
	if done.Load() != before {
		t.Error("what a node has done that is gone is done again")
	}
}

// TestARequestAtOnceOnAllNodesIsDoneOnce has the nodes agree on who does it.
func TestARequestAtOnceOnAllNodesIsDoneOnce(t *testing.T) {
	nodes := newSharers(t, Config{}, 3)
	for round := range 30 {
		var done atomic.Int32
		var wait sync.WaitGroup
		for n := range 2 * len(nodes) {
			wait.Go(func() {
				r := requestWith(fmt.Sprint("key ", round), "ann", "{}")
				if got := nodes[n%len(nodes)].does(r, &done); got.status != http.StatusAccepted || string(got.body) != `{"id":1}` {
					t.Errorf("answered with %d %s; want the one answer", got.status, got.body)
				}
			})
		}
		wait.Wait()
		if done.Load() != 1 {
			t.Fatalf("round %d: done %d times; want once", round, done.Load())
		}
	}
}

// TestWhoIsRefusedTriesElsewhere has a request fail on one node.
func TestWhoIsRefusedTriesElsewhere(t *testing.T) {
	nodes := newSharers(t, Config{}, 2)
	nodes[0].repeats.do(requestWith("k", "ann", "{}"), time.Now(), func() response { return message(http.StatusTooManyRequests, "") })
	var done atomic.Int32
	if got := nodes[1].does(requestWith("k", "ann", "{}"), &done); got.status != http.StatusAccepted || done.Load() != 1 {
		t.Errorf("answered with %d, done %d times; want 202, once", got.status, done.Load())
	}
}

func TestANodeThatDoesNotAnswerIsNotWaitedForLong(t *testing.T) {
	nodes := newSharers(t, Config{}, 2)
	others := nodes[0].present
	nodes[0].present = func() []cluster.Node { return append(others(), cluster.Node{Node: "frozen"}) }
	var done atomic.Int32
	began := time.Now()
	nodes[0].does(requestWith("k", "ann", "{}"), &done)
	if took := time.Since(began); took < findLimit || done.Load() != 1 {
		t.Errorf("done %d times after %s; want once, after %s", done.Load(), took, findLimit)
	}
}

func TestSendersHaveOneRateOnAllNodes(t *testing.T) {
	nodes := newSharers(t, Config{MessagesPerSecond: 10, BytesPerSecond: 1000}, 2)
	ann, start := request{Request: requestWith("", "ann", "").Request, claims: &auth.Claims{Role: "authenticated", Subject: "ann"}}, time.Now()
	if _, exceeded := nodes[0].senders.exceed(ann, start, 10); exceeded != nil {
		t.Fatal("the first messages are refused")
	}
	bob := ann
	bob.claims = &auth.Claims{Role: "authenticated", Subject: "bob"}
	await.True(t, 30*time.Second, "the other node to count them", func() bool {
		rates := nodes[1].senders.named(nodes[1].senders.name(ann))
		return rates.messages.TokensAt(start) < 1
	})
	if limit, exceeded := nodes[1].senders.exceed(ann, start, 1); exceeded == nil || limit != limitMessages {
		t.Error("a sender has a rate of its own on each node")
	}
	if _, exceeded := nodes[1].senders.exceed(bob, start, 10); exceeded != nil {
		t.Error("another sender is refused")
	}
}

// TestSessionsAreEndedOnAllNodes also when one of them cannot say so, which is told.
func TestSessionsAreEndedOnAllNodes(t *testing.T) {
	nodes := newSharers(t, Config{}, 3)
	others := nodes[0].present
	for _, c := range []struct {
		name   string
		what   ending
		body   string
		frozen []cluster.Node
		ended  int
		err    string
	}{
		{"sessions", disconnected, `{"sub":"ann"}`, nil, 2 + 2, ""},
		{"channels", unsubscribed, `{"topic":"room","private":true}`, nil, 3 + 3, ""},
		{"a selection that others do not know", disconnected, `{"age":7}`, nil, 0, "2 of 2 other nodes have not answered yet: ask again"},
		{"one node is frozen", disconnected, `{"sub":"ann"}`, []cluster.Node{{Node: "frozen"}}, 2 + 2, "1 of 3 other nodes have not answered yet: ask again"},
	} {
		nodes[0].sharing.present = func() []cluster.Node { return append(others(), c.frozen...) }
		ended, err := nodes[0].end(t.Context(), endNotice{c.what, []byte(c.body)})
		if ended != c.ended || c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != c.err) {
			t.Errorf("%s: %d ended, %v; want %d, %q", c.name, ended, err, c.ended, c.err)
		}
	}
}
