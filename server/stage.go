package server

import (
	"context"
	"log/slog"
	"time"
)

// stage is one long-lived part of a server. run blocks until its context is done
// and everything it started has ended; it may return nil earlier.
type stage struct {
	name string
	run  func(context.Context) error
}

// runStages runs all stages at once, until ctx is done or one fails. Then it
// stops them from the last to the first, each when the one after it has ended:
// a consumer stops before what it consumes. It returns the error of the stage that
// failed, or what went wrong while stopping.
func runStages(ctx context.Context, stages []stage, logger *slog.Logger) error {
	failed := make(chan error, len(stages))
	stops := make([]func(), len(stages))
	for i, s := range stages {
		// A stage must not stop with ctx, but when it is its turn.
		running, cancel := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan struct{})
		stops[i] = func() {
			cancel()
			<-done
		}
		go func() {
			defer close(done)
			if err := s.run(running); err != nil {
				failed <- err
			}
		}()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	for i := len(stops) - 1; i >= 0; i-- {
		start := time.Now()
		stops[i]()
		logger.Debug("stopped", "part", stages[i].name, "took", time.Since(start))
	}
	if err == nil && len(failed) > 0 {
		err = <-failed
	}
	return err
}
