package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"walcast/protocol"
)

// drain stops accepting, tells every session that the server stops, and waits
// until all are gone. Those that are left after DrainTimeout are cut, and what
// they were doing is cancelled.
func (g *Gateway) drain(server *http.Server, cancel context.CancelFunc) error {
	limit, stop := context.WithTimeout(context.Background(), g.config.DrainTimeout)
	defer stop()
	start := time.Now()
	empty := g.roster.close()
	told := 0
	g.roster.each(func(s *session) {
		if s.proof != nil {
			g.askProof(s) // the answer comes before the one to the close frame
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
	g.roster.each(func(s *session) {
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

// drain tells the session that the server stops.
func (s *session) drain() {
	s.end(endDrain, s.farewell(protocol.CloseRestart, "server is stopping"), false)
}
