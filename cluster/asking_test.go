package cluster

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/await"
)

func TestMessagesAndQuestions(t *testing.T) {
	first := freeAddress(t)
	a, _ := runBus(t, Config{Listen: first, Secret: testSecret}, "a", io.Discard)
	b, stopB := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret}, "b", io.Discard)
	awaitNodes(t, a, "a", "b")
	awaitNodes(t, b, "a", "b")
	<-b.Linked()
	messages, err := b.Subscribe(SubjectWAL, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, patience, "the subscription to be known to the other node", func() bool {
		a.Publish(SubjectWAL, []byte("first"))
		return messages.Waiting() > 0
	})
	a.Publish(SubjectWAL, []byte("last"))
	for {
		message, err := messages.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if string(message) == "last" {
			break
		}
	}
	messages.Close()
	var answers []string
	ask := func(accept bool) (complete bool) {
		return b.Ask(t.Context(), "reader", []byte("q"), func(answer []byte) bool {
			answers = append(answers, string(answer))
			return accept
		})
	}
	if complete := ask(true) && ask(false); !complete {
		t.Error("not all that are there have answered")
	}
	if diff := cmp.Diff([]string{"a q", "a q"}, answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	stopB()
	awaitNodes(t, a, "a")
}

// TestNothingIsSentWithoutAConnection uses a bus that never ran.
func TestNothingIsSentWithoutAConnection(t *testing.T) {
	b := New(Config{}, "slot", func() Node { return Node{} }, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	b.Publish(SubjectWAL, []byte("there is no connection yet")) // nothing happens
	if len(b.sending.take()) != 0 {
		t.Error("a message waits for a connection that was never there")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b.Ask(ctx, "reader", nil, nil) {
		t.Error("a question without a connection was answered by all")
	}
}
