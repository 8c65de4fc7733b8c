package gateway

import (
	"context"
	"time"
)

// keepAlive pings sessions from which nothing arrived since it last came by, and
// every stream, one slot of the roster at a time, so that ten thousand pings never leave at
// once. One timer serves all sessions.
func (g *Gateway) keepAlive(ctx context.Context) error {
	ticker := time.NewTicker(g.config.PingInterval / slots)
	defer ticker.Stop()
	for i := 0; ; i = (i + 1) % slots {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			g.visit(i)
		}
	}
}

// visit pings the sessions of a slot. Streams are told where they are outside of
// the roster's lock: a session may have to wait for those who write to it.
func (g *Gateway) visit(slot int) {
	var streams []streamer
	g.roster.visit(slot, func(s *session) {
		if s.stream != nil {
			streams = append(streams, s.stream)
			return
		}
		g.ping(s)
	})
	for _, s := range streams {
		s.Pulse()
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
