package gateway

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/auth"
	"walcast/channels"
	"walcast/replication"
)

// Config of the gateway. DefaultConfig has the defaults; each field says its
// unit and what goes wrong when it is too small or too large.
type Config struct {
	QueueBytes   int           // outbound bytes a session may have waiting
	MaxFrame     int64         // inbound WebSocket message size
	IdleTimeout  time.Duration // a session that sends nothing for this long is closed
	PingInterval time.Duration
	Origins      []string // allowed Origin values; "*" allows any
	DrainTimeout time.Duration
}

// DefaultConfig is what serve uses when nothing is set.
func DefaultConfig() Config {
	return Config{
		QueueBytes: 4 << 20, MaxFrame: 5_000_000, IdleTimeout: 66 * time.Second,
		PingInterval: 25 * time.Second, Origins: []string{"*"}, DrainTimeout: 8 * time.Second,
	}
}

// Gateway serves one project over HTTP.
type Gateway struct{}

// New returns a gateway; nothing runs before Run. status is for /readyz.
func New(c Config, hub *channels.Hub, v *auth.Verifier, status func() replication.Status, logger *slog.Logger, reg *prometheus.Registry) (*Gateway, error) {
	panic("contract")
}

// Run serves on ln until ctx is done, then drains: it stops accepting, closes
// every session with 1012, and returns when all are gone or DrainTimeout is over.
func (g *Gateway) Run(ctx context.Context, ln net.Listener) error { panic("contract") }
