package server

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"walcast/internal/conninfo"
	"walcast/internal/quiet"
	"walcast/replication"
)

// Server runs one project.
type Server struct {
	config  Config
	logger  *slog.Logger
	clients net.Listener
	metrics net.Listener // nil when clients serves the metrics
	address string       // of clients, "127.0.0.1:4000"
	roles   chan replication.Role
	ready   chan struct{}
	host    string // of Postgres, once ready is closed

	examines bool // it looks for what is wrong with the database, once; tests that count statements do without
}

// New validates the config and listens; nothing else runs before Run. A Server
// that is not run must be closed. What it logs is thinned out, and secrets are
// taken out of it.
func New(c Config, logger *slog.Logger) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		config: c, logger: slog.New(quiet.New(logger.Handler())),
		roles: make(chan replication.Role, 1), ready: make(chan struct{}), examines: true,
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.address = s.clients.Addr().String()
	return s, nil
}

// listen opens the listeners.
func (s *Server) listen() (err error) {
	if s.clients, err = listen("listen", s.config.Listen); err != nil || s.config.MetricsListen == "" {
		return err
	}
	if s.metrics, err = listen("metrics-listen", s.config.MetricsListen); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// listenAgain opens the listeners where they were.
func (s *Server) listenAgain() error {
	s.config.Listen = s.address
	if s.metrics != nil {
		s.config.MetricsListen = s.metrics.Addr().String()
	}
	return s.listen()
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
func (s *Server) Addr() string { return s.address }

// Ready is closed when the reader streams for the first time.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// announce notes that the reader streams, from a host.
func (s *Server) announce(host string) {
	select {
	case <-s.ready: // it has before, and was a standby since
	default:
		s.host = host
		close(s.ready)
	}
}

// Roles has the role of this process whenever it changes, the newest only: reader when
// it has the slot, standby when another process has.
func (s *Server) Roles() <-chan replication.Role { return s.roles }

// tell passes a role on. It belongs to one goroutine at a time.
func (s *Server) tell(role replication.Role) {
	select {
	case <-s.roles:
	default:
	}
	s.roles <- role
}

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
// says what to do. When another process has taken the slot over, it stops in the same
// order and begins anew, as a standby that knows nothing of what it was. Run may be
// called once.
func (s *Server) Run(ctx context.Context) error {
	for replaced := false; ; replaced = true {
		err := s.serve(ctx, replaced)
		if !errors.Is(err, replication.ErrTakenOver) {
			return err
		}
		s.logger.Warn("another process has taken the slot over: clients were sent away, standing by from now on", "err", err)
		if ctx.Err() != nil {
			return nil
		}
		if err := s.listenAgain(); err != nil {
			return err
		}
	}
}

// serve serves until ctx is done or a part cannot go on, and closes the listeners. One
// that was replaced takes no clients before it has the slot again.
func (s *Server) serve(ctx context.Context, replaced bool) error {
	p, err := newProject(ctx, s.config, s.address, s.tell, s.logger)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	defer p.close()
	stages := p.stages(s)
	if replaced {
		p.gateway.Bar()
	} else if s.examines {
		stages = append(stages, stage{"doctor", func(ctx context.Context) error { return p.examineOnce(ctx, s) }})
	}
	err = runStages(ctx, stages, p.logger)
	return errors.Join(err, s.Close())
}
