package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// drain stops accepting, tells every session that the server stops, and waits
// until all are gone. Those that are left after DrainTimeout are cut, and what
// they were doing is cancelled.
func (g *Gateway) drain(server *http.Server, cancel context.CancelFunc) error {
	limit, stop := context.WithTimeout(context.Background(), g.config.DrainTimeout)
	defer stop()
	start := time.Now()
	empty := g.sessions.close()
	told := 0
	g.sessions.each(func(s *session) {
		if s.proof != nil {
			g.proofs.ask(s) // its pong comes before the answer to the close frame
		}
		s.drain()
		told++
	})
	g.logger.Info("draining", "sessions", told)
	err := server.Shutdown(limit) // the listener at once; then waits for requests
	select {
	case <-empty:
	case <-limit.Done():
	}
	cancel()
	left := 0
	g.sessions.each(func(s *session) {
		s.cut(endCut)
		left++
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-empty
	g.logger.Info("drained", "cut", left, "took", time.Since(start))
	return err
}

// Bar refuses sessions from now on, and closes those that there are: the server stands
// by for another, and has no changes for them. Their clients come back to the one that
// has.
func (g *Gateway) Bar() {
	g.sessions.bar(true)
	g.sessions.each(func(s *session) { s.drain() })
}

// Admit takes Bar back.
func (g *Gateway) Admit() { g.sessions.bar(false) }
