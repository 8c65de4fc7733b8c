package gateway

import (
	"context"
	"time"
)

// keepAlive pings sessions from which nothing arrived since it last came by,
// one slot of the roster at a time, so that ten thousand pings never leave at
// once. One timer serves all sessions.
func (g *Gateway) keepAlive(ctx context.Context) error {
	ticker := time.NewTicker(g.config.PingInterval / slots)
	defer ticker.Stop()
	for i := 0; ; i = (i + 1) % slots {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			g.roster.visit(i, g.ping)
		}
	}
}

func (g *Gateway) ping(s *session) {
	switch {
	case s.heard.Swap(false):
	case s.proof != nil:
		g.proofs.note(s)
	default:
		s.Push(g.pingFrame)
	}
}
