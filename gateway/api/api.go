package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"walcast/auth"
	"walcast/cluster"
	"walcast/replication"
)

// Config of the API.
type Config struct {
	// MessagesPerSecond and BytesPerSecond (messages-per-second,
	// bytes-per-second) bound what one sender broadcasts over HTTP, as they do
	// for a session; 0 is no limit.
	MessagesPerSecond int
	BytesPerSecond    int
	// MetricsSecret (metrics-jwt-secret) signs the tokens that /metrics asks for on
	// Handler; "" asks for none.
	MetricsSecret string
	// SeparateMetrics (metrics-listen) takes /metrics off Handler; it is then
	// served from Operators alone.
	SeparateMetrics bool
}

// Gateway is what the API needs of the gateway that serves it.
type Gateway interface {
	// CORS lets pages of the allowed origins use a handler.
	CORS(http.Handler) http.Handler
	// Network is where a request comes from, as limits count it.
	Network(*http.Request) netip.Addr
	// Limited counts that a request ran into a limit.
	Limited(limit string)
	// Stopping reports whether the gateway accepts no sessions any more.
	Stopping() bool
}

// Hub is what the API needs of channels.
type Hub interface {
	broadcaster
	presences
	ender
}

// Parts are what the endpoints stand on.
type Parts struct {
	Gateway  Gateway
	Hub      Hub
	Verifier *auth.Verifier
	Status   func() replication.Status // for /readyz
	Doctor   Doctor
	Explain  Explain
	Metrics  prometheus.Gatherer
	LogLevel *slog.LevelVar        // nil if it cannot be changed
	Page     http.Handler          // answers all other requests; nil for none
	Self     func() cluster.Node   // this node
	Nodes    func() []cluster.Node // of the cluster, this one among them
	Newer    func() error          // a node writes what this one cannot read; nil if none does
	Feed     *cluster.Feed         // to the other nodes; nil without a cluster
}

// API answers the HTTP endpoints of one project.
type API struct {
	config  Config
	parts   Parts
	repeats *repeats
	senders *senders
	sharing *sharing // nil without a cluster
}

// New returns the API of a project. It starts nothing.
func New(c Config, p Parts) *API {
	a := &API{config: c, parts: p, repeats: newRepeats(), senders: newSenders(c, p.Gateway)}
	if p.Feed != nil {
		a.sharing = newSharing(p.Feed, p.Nodes, a.repeats, a.senders, p.Hub)
		a.repeats.others, a.senders.spent = a.sharing, &spending{sent: map[string]*spent{}}
	}
	return a
}

// Share has the nodes of a cluster answer repeated requests, hold senders to their rates,
// and end sessions and channels, together, until ctx is done.
func (a *API) Share(ctx context.Context) error { return a.sharing.Run(ctx) }

// Handler answers every endpoint. Those that clients use exist with and without
// the prefix that a proxy in front of upstream strips, so none is needed.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	cors := a.parts.Gateway.CORS
	requests := newRequests(a.parts.Verifier, a.repeats)
	sending := &broadcasts{hub: a.parts.Hub, senders: a.senders}
	ending := newEndings(a.parts.Hub, a.parts.Gateway, a.sharing)
	present := requests.forServers("who is present is told", (&presence{a.parts.Hub}).get)
	examined := requests.forServers("what is wrong with the database is told", newExaminations(a.parts.Doctor).get)
	explained := requests.forServers("who gets which rows is told", newExplanations(a.parts.Explain).answer)
	members := requests.forServers("the nodes of the cluster are told", (&clusterNodes{a.parts.Nodes}).get)
	state := a.readiness(tellsServers(requests))
	serving := func(h http.Handler) http.Handler { return cors(state.standby(h)) }
	for _, prefix := range []string{"", "/realtime/v1"} {
		mux.Handle(prefix+"/api/ping", cors(reading(ping)))
		mux.Handle(prefix+"/api/broadcast", serving(requests.posting(sending.several)))
		mux.Handle(prefix+"/api/broadcast/{topic}/events/{event}", serving(requests.posting(sending.single)))
		mux.Handle(prefix+"/api/disconnect", serving(requests.posting(ending.disconnect)))
		mux.Handle(prefix+"/api/unsubscribe", serving(requests.posting(ending.unsubscribe)))
		mux.Handle(prefix+"/api/cluster", cors(reading(members)))
		mux.Handle(prefix+"/api/presence/{topic}", serving(reading(present)))
		mux.Handle(prefix+"/api/doctor", serving(reading(examined)))
		mux.Handle(prefix+"/api/explain", serving(asking(explained)))
		mux.Handle(prefix+"/api/tenants/{tenant}/health", cors(reading(tenantHealth(requests, state, a.parts.Self))))
	}
	mux.HandleFunc("/healthcheck", reading(healthcheck))
	mux.HandleFunc("/healthz", reading(healthcheck))
	mux.HandleFunc("/readyz", reading(state.get))
	if !a.config.SeparateMetrics {
		mux.HandleFunc("/metrics", withToken(a.config.MetricsSecret, a.metrics()))
	}
	if a.parts.Page != nil {
		mux.Handle("/", a.parts.Page)
	} else {
		mux.HandleFunc("/", notFound)
	}
	return mux
}

func (a *API) readiness(tells func(*http.Request) bool) *readiness {
	return &readiness{status: a.parts.Status, self: a.parts.Self, newer: a.parts.Newer, stopping: func() bool { return a.parts.Gateway.Stopping() }, tells: tells}
}

func (a *API) metrics() http.HandlerFunc {
	return reading(promhttp.HandlerFor(a.parts.Metrics, promhttp.HandlerOpts{}).ServeHTTP)
}

// reading admits GET and HEAD; other methods are not found, as upstream's router
// has it.
func reading(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			notFound(w, r)
			return
		}
		h(w, r)
	}
}

// asking is reading of a question that may be too long, or too secret, for a URL: POST has
// it in the body.
func asking(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			h(w, r)
			return
		}
		reading(h)(w, r)
	}
}

// notFound answers as upstream does, type included.
func notFound(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("Not Found"))
}
