package server

import (
	"context"
	"log/slog"

	"walcast/auth"
	"walcast/channels"
	"walcast/gateway"
	"walcast/replication"
)

// Config is everything one project needs.
type Config struct {
	Listen      string // "host:port" or ":port"; port 0 picks a free one
	PoolSize    int    // ordinary connections to Postgres at most
	Log         replication.LogConfig
	Replication replication.Config
	Auth        auth.Config
	Channels    channels.Config
	Gateway     gateway.Config
}

// DefaultConfig is what serve uses when nothing is set.
func DefaultConfig() Config { panic("contract") }

// Validate names every bad field at once, as the user wrote it.
func (c Config) Validate() error { panic("contract") }

// Server runs one project.
type Server struct{}

// New validates the config and listens; nothing else runs before Run.
func New(c Config, logger *slog.Logger) (*Server, error) { panic("contract") }

// Addr is where it listens, "127.0.0.1:4000".
func (s *Server) Addr() string { panic("contract") }

// Ready is closed when the reader streams for the first time.
func (s *Server) Ready() <-chan struct{} { panic("contract") }

// Run serves until ctx is done, then stops in order: gateway (drain), shards,
// reader (acknowledges the position), Postgres. It returns nil after a drain.
func (s *Server) Run(ctx context.Context) error { panic("contract") }
