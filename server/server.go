package server

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"walcast/internal/conninfo"
	"walcast/internal/quiet"
)

// Server runs one project.
type Server struct {
	config  Config
	logger  *slog.Logger
	clients net.Listener
	metrics net.Listener // nil when clients serves the metrics
	ready   chan struct{}
	host    string // of Postgres, once ready is closed
}

// New validates the config and listens; nothing else runs before Run. A Server
// that is not run must be closed. What it logs is thinned out, and secrets are
// taken out of it.
func New(c Config, logger *slog.Logger) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: c, logger: slog.New(quiet.New(logger.Handler())), ready: make(chan struct{})}
	var err error
	if s.clients, err = listen("listen", c.Listen); err != nil {
		return nil, err
	}
	if c.MetricsListen == "" {
		return s, nil
	}
	if s.metrics, err = listen("metrics-listen", c.MetricsListen); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close gives the listeners back. Run does it by itself.
func (s *Server) Close() error {
	var errs []error
	for _, ln := range []net.Listener{s.clients, s.metrics} {
		if ln == nil {
			continue
		}
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Addr is where it listens for clients, "127.0.0.1:4000".
func (s *Server) Addr() string { return s.clients.Addr().String() }

// Ready is closed when the reader streams for the first time.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Database is host, port and name of the database that is served, without user and
// password. It is known once Ready is closed.
func (s *Server) Database() string {
	<-s.ready
	c, err := conninfo.Parse(s.config.Replication.DatabaseURL)
	if err != nil { // Validate has refused such a URL
		return s.host
	}
	return s.host + "/" + c.ConnConfig.Database
}

// Run serves until ctx is done, then stops in order: gateway (drain), shards,
// reader (acknowledges the position), Postgres. It returns nil after a drain,
// and an error when a part of it cannot go on; its text is one sentence that
// says what to do. Run may be called once.
func (s *Server) Run(ctx context.Context) error {
	p, err := newProject(ctx, s.config, s.logger)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	defer p.close()
	err = runStages(ctx, p.stages(s), p.logger)
	return errors.Join(err, s.Close())
}
