package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
)

// diary notes what happens in which order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func TestStagesStopFromTheLastToTheFirst(t *testing.T) {
	var d diary
	var running sync.WaitGroup
	waiting := func(name string) stage {
		running.Add(1)
		return stage{name, func(ctx context.Context) error {
			running.Done()
			<-ctx.Done()
			d.note(name + " stopped")
			return nil
		}}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	stages := []stage{waiting("database"), waiting("reader"), waiting("gateway")}
	go func() { done <- runStages(ctx, stages, slog.New(slog.DiscardHandler)) }()
	running.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("runStages = %v, want nil", err)
	}
	if want := []string{"gateway stopped", "reader stopped", "database stopped"}; !slices.Equal(d.lines, want) {
		t.Errorf("order = %q, want %q", d.lines, want)
	}
}

func TestAFailedStageStopsTheOthers(t *testing.T) {
	cause := errors.New("no luck")
	stopped := false
	err := runStages(t.Context(), []stage{
		{"reader", func(ctx context.Context) error {
			<-ctx.Done()
			stopped = true
			return nil
		}},
		{"idle", func(context.Context) error { return nil }},
		{"gateway", func(context.Context) error { return cause }},
	}, slog.New(slog.DiscardHandler))
	if !errors.Is(err, cause) || !stopped {
		t.Errorf("runStages = %v, stopped %t; want the gateway's error after the reader stopped", err, stopped)
	}
}

func TestAnErrorWhileStoppingIsNotLost(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := runStages(ctx, []stage{{"reader", func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New("position not confirmed")
	}}}, slog.New(slog.DiscardHandler))
	if err == nil || err.Error() != "position not confirmed" {
		t.Errorf("runStages = %v, want the reader's error", err)
	}
}
