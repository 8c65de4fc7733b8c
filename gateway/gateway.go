package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"walcast/auth"
	"walcast/channels"
	"walcast/protocol"
)

// Sizes of gorilla's buffers. A session keeps the first; the second is borrowed.
// With sizes of its own gorilla lets go of the HTTP server's 4 KB buffers.
const (
	readBuffer  = 512
	writeBuffer = 1024
)

// Gateway serves the sockets and streams of one project.
type Gateway struct {
	config      Config
	open        func(channels.Outbox, channels.Identity) conversation
	verifier    *auth.Verifier
	logger      *slog.Logger
	metrics     *metrics
	certificate *certificate // nil without TLS
	upgrader    websocket.Upgrader

	sessions *sessions
	proofs   *proofs
	limits   *sessionLimits
	failures *failures
	pools    *pools
}

// New returns a gateway; nothing runs before Run.
func New(c Config, hub *channels.Hub, v *auth.Verifier, logger *slog.Logger, reg prometheus.Registerer) (*Gateway, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	g := &Gateway{
		config:   c,
		open:     func(out channels.Outbox, id channels.Identity) conversation { return hub.Open(out, id) },
		verifier: v, logger: logger.With("component", "gateway"), metrics: newMetrics(reg),
		upgrader: newUpgrader(c),
		sessions: newSessions(), proofs: &proofs{}, limits: newSessionLimits(c.Limits), failures: newFailures(),
		pools: newPools(c, hub.Heavy()),
	}
	registerBacklog(reg, g.pools.backlog)
	if c.TLSCert != "" {
		var err error
		if g.certificate, err = loadCertificate(c.TLSCert, c.TLSKey, g.logger); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func newUpgrader(c Config) websocket.Upgrader {
	return websocket.Upgrader{
		ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer, WriteBufferPool: &sync.Pool{},
		CheckOrigin:       func(*http.Request) bool { return true }, // checked before the token
		Error:             func(http.ResponseWriter, *http.Request, int, error) {},
		EnableCompression: c.Compression,
	}
}

// Run serves on ln until ctx is done, then drains: it stops accepting, closes
// every session with 1012, and returns when all are gone or DrainTimeout is over.
// Requests for anything but a socket or a stream go to rest.
func (g *Gateway) Run(ctx context.Context, ln net.Listener, rest http.Handler) error {
	// Sessions outlive ctx: they are told first, and end when they have gone.
	sessions, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := g.httpServer(ctx, g.routes(sessions, rest))
	group, serving := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(server, g.wrap(ln)) })
	alive := &keepalive{sessions: g.sessions, proofs: g.proofs, interval: g.config.PingInterval, ping: protocol.Ping(nil)}
	group.Go(func() error { return alive.run(sessions) })
	group.Go(func() error { return g.proofs.run(sessions) })
	group.Go(func() error {
		<-serving.Done()
		defer cut()
		return g.drain(server, cut)
	})
	return group.Wait()
}

// Serve serves h alone on a listener of its own until ctx is done.
func (g *Gateway) Serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	server := g.httpServer(ctx, h)
	group, serving := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(server, ln) })
	group.Go(func() error {
		<-serving.Done()
		return server.Close()
	})
	return group.Wait()
}

// routes are the paths of sockets and streams, with and without the prefix that a
// proxy in front of upstream strips, or replaces by /socket, so that none is needed. sessions is the
// context of the sessions that handshakes open.
func (g *Gateway) routes(sessions context.Context, rest http.Handler) http.Handler {
	mux := http.NewServeMux()
	upgrade := func(w http.ResponseWriter, r *http.Request) { g.upgrade(sessions, w, r) }
	for _, path := range []string{"/socket/websocket", "/realtime/v1/websocket"} {
		mux.HandleFunc(path, upgrade)
		mux.HandleFunc(path+"/{$}", upgrade)
	}
	for _, path := range []string{"/sse", "/socket/sse", "/realtime/v1/sse"} {
		mux.Handle(path, g.CORS(http.HandlerFunc(g.serveStream)))
	}
	mux.Handle("/", rest)
	return mux
}

// Sessions is how many are open.
func (g *Gateway) Sessions() int { return g.sessions.size() }

// Stopping reports whether the gateway accepts no sessions any more.
func (g *Gateway) Stopping() bool { return g.sessions.isClosed() }

// Limited counts that a client ran into a limit, by its label.
func (g *Gateway) Limited(limit string) { g.metrics.limited.WithLabelValues(limit).Inc() }

// Network is where a request comes from, as limits count it: the address of the
// client, or its whole network where a provider gives each customer one.
func (g *Gateway) Network(r *http.Request) netip.Addr {
	return network(g.config.clientAddress(r))
}

// CORS lets pages of the allowed origins use a handler, and answers their
// preflights.
func (g *Gateway) CORS(h http.Handler) http.Handler { return g.config.cors(h) }

// httpServer has no WriteTimeout and no ReadTimeout: both would be for the whole
// of a response or request, however long it may rightly take.
func (g *Gateway) httpServer(ctx context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           g.promptBody(h),
		ConnState:         headState,
		ReadHeaderTimeout: g.config.HeaderTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaders,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(g.logger.Handler(), slog.LevelDebug),
	}
}

// promptBody cuts off bodies that arrive too slowly, also those that no handler
// reads: the HTTP server would wait for them. The deadline is gone with the next request.
func (g *Gateway) promptBody(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			// Every connection of ours has deadlines.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(6 * g.config.HeaderTimeout))
		}
		h.ServeHTTP(w, r)
	})
}

func serve(s *http.Server, ln net.Listener) error {
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http on %s: %w", ln.Addr(), err)
	}
	return nil
}

// wrap has the heads of requests counted, and puts TLS on the listener where there is a
// certificate.
func (g *Gateway) wrap(ln net.Listener) net.Listener {
	heads := &heads{ordinary: ordinaryHead, limited: func() { g.Limited(rejectLarge.label) }}
	if g.certificate == nil {
		return heads.listen(ln)
	}
	heads.ordinary += ordinaryTLS
	return g.certificate.listen(heads.listen(ln))
}

// enlist makes a session known. It ends at once if the server has begun to stop.
func (g *Gateway) enlist(s *session, id channels.Identity) {
	g.metrics.sessions.open.Inc()
	g.metrics.sessions.opened.WithLabelValues(s.version.String()).Inc()
	if g.logger.Enabled(context.Background(), slog.LevelDebug) {
		g.logger.Debug("session opened", "session", s.id, "address", s.address.String(), "role", id.Claims.Role, "sub", id.Claims.Subject)
	}
	if late := g.sessions.add(s); late {
		s.drain()
	}
}

// leave is the last thing that a session's reader does.
func (g *Gateway) leave(s *session) {
	g.sessions.remove(s)
	g.limits.release(s.address, s.large)
	g.metrics.sessions.open.Dec()
	g.metrics.sessions.closed.WithLabelValues(s.queue.cause).Inc()
	if limit := limitOf(s.queue.cause); limit != "" {
		g.Limited(limit)
	}
	g.logger.Debug("session closed", "session", s.id, "address", s.address.String(), "reason", s.queue.cause)
	g.sessions.release()
}
