package gateway

import (
	"bytes"
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
// Naming them makes gorilla let go of the HTTP server's 4 KB buffers.
const (
	readBuffer  = 512
	writeBuffer = 1024
)

// keptBuffer is the largest buffer for an inbound message that is kept for the
// next one.
const keptBuffer = 64 << 10

// Gateway serves one project over HTTP.
type Gateway struct {
	config   Config
	open     func(channels.Outbox, channels.Identity) conversation
	verifier *auth.Verifier
	logger   *slog.Logger
	metrics  *metrics

	roster      *roster
	proofs      proofs
	crowd       *crowd
	failures    *failures
	certificate *certificate // nil without TLS
	upgrader    websocket.Upgrader
	deflater    *deflater

	batches sync.Pool // of *batch, lent to writers
	buffers sync.Pool // of *bytes.Buffer, lent to readers

	pingFrame *protocol.Frame
}

// New returns a gateway; nothing runs before Run.
func New(c Config, hub *channels.Hub, v *auth.Verifier, logger *slog.Logger, reg prometheus.Registerer) (*Gateway, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	g := &Gateway{
		config: c, verifier: v,
		open:   func(out channels.Outbox, id channels.Identity) conversation { return hub.Open(out, id) },
		logger: logger.With("component", "gateway"), metrics: newMetrics(reg),
		roster: newRoster(), crowd: newCrowd(c), failures: newFailures(),
		deflater: newDeflater(),
		upgrader: websocket.Upgrader{
			ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer, WriteBufferPool: &sync.Pool{},
			CheckOrigin:       func(*http.Request) bool { return true }, // checked before the token
			Error:             func(http.ResponseWriter, *http.Request, int, error) {},
			EnableCompression: c.Compression,
		},
		batches:   sync.Pool{New: func() any { return newBatch() }},
		buffers:   sync.Pool{New: func() any { return new(bytes.Buffer) }},
		pingFrame: protocol.Ping(nil),
	}
	if c.TLSCert != "" {
		var err error
		if g.certificate, err = loadCertificate(c.TLSCert, c.TLSKey, g.logger); err != nil {
			return nil, err
		}
	}
	return g, nil
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
	group.Go(func() error { return g.keepAlive(sessions) })
	group.Go(func() error { return g.prove(sessions) })
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
// proxy in front of upstream strips, so that none is needed. sessions is the
// context of the sessions that handshakes open.
func (g *Gateway) routes(sessions context.Context, rest http.Handler) http.Handler {
	mux := http.NewServeMux()
	upgrade := func(w http.ResponseWriter, r *http.Request) { g.upgrade(sessions, w, r) }
	for _, path := range []string{"/socket/websocket", "/realtime/v1/websocket"} {
		mux.HandleFunc(path, upgrade)
		mux.HandleFunc(path+"/{$}", upgrade)
	}
	for _, path := range []string{"/sse", "/realtime/v1/sse"} {
		mux.Handle(path, g.CORS(http.HandlerFunc(g.serveStream)))
	}
	mux.Handle("/", rest)
	return mux
}

// Stopping reports whether the gateway accepts no sessions any more.
func (g *Gateway) Stopping() bool { return g.roster.stopping() }

// Limited counts that somebody ran into a limit, by its label.
func (g *Gateway) Limited(limit string) { g.metrics.limited.WithLabelValues(limit).Inc() }

// Network is where a request comes from, as limits count it: the address of the
// client, or its whole network where a provider gives each customer one.
func (g *Gateway) Network(r *http.Request) netip.Addr {
	return neighbourhood(g.config.clientAddress(r))
}

// CORS lets pages of the allowed origins use a handler, and answers their
// preflights.
func (g *Gateway) CORS(next http.Handler) http.Handler { return g.config.cors(next) }

// httpServer has no WriteTimeout and no ReadTimeout: both would be for the whole
// of a response or request, however long it may rightly take.
func (g *Gateway) httpServer(ctx context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           g.promptBody(h),
		ReadHeaderTimeout: g.config.HeaderTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(g.logger.Handler(), slog.LevelDebug),
	}
}

// promptBody cuts off bodies that dribble, also those that nobody reads: the
// HTTP server would wait for them. The deadline is gone with the next request.
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

// wrap puts TLS on the listener where there is a certificate.
func (g *Gateway) wrap(ln net.Listener) net.Listener {
	if g.certificate == nil {
		return ln
	}
	return g.certificate.listen(ln)
}

// enlist makes a session known. One that the server's stop has overtaken ends.
func (g *Gateway) enlist(s *session) {
	g.metrics.sessions.Inc()
	g.metrics.opened.WithLabelValues(s.version.String()).Inc()
	if late := g.roster.add(s); late {
		s.drain()
	}
}

// leave is the last thing that a session's reader does.
func (g *Gateway) leave(s *session) {
	g.roster.remove(s)
	g.crowd.exit(s.address)
	g.metrics.sessions.Dec()
	g.metrics.closed.WithLabelValues(s.queue.cause).Inc()
	if limit := limitOf(s.queue.cause); limit != "" {
		g.metrics.limited.WithLabelValues(limit).Inc()
	}
	g.logger.Debug("session closed", "address", s.address.String(), "reason", s.queue.cause)
	g.roster.exit()
}

// giveBack returns a buffer for inbound messages.
func (g *Gateway) giveBack(b *bytes.Buffer) {
	if b.Cap() > keptBuffer {
		return
	}
	b.Reset()
	g.buffers.Put(b)
}
