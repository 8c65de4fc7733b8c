package gateway

import (
	"context"
	"net/http"
)

// routes is everything the gateway answers. Paths exist with and without the
// prefix that a proxy in front of upstream strips, so none is needed. sessions
// is the context of the sessions that handshakes open.
func (g *Gateway) routes(sessions context.Context) http.Handler {
	mux := http.NewServeMux()
	upgrade := func(w http.ResponseWriter, r *http.Request) { g.upgrade(sessions, w, r) }
	for _, path := range []string{"/socket/websocket", "/realtime/v1/websocket"} {
		mux.HandleFunc(path, upgrade)
		mux.HandleFunc(path+"/{$}", upgrade)
	}
	for _, prefix := range []string{"", "/realtime/v1"} {
		mux.Handle(prefix+"/sse", g.cors(http.HandlerFunc(g.serveStream)))
		mux.Handle(prefix+"/api/ping", g.cors(reading(g.apiPing)))
		mux.Handle(prefix+"/api/broadcast", g.cors(g.posting(g.broadcastBatch)))
		mux.Handle(prefix+"/api/broadcast/{topic}/events/{event}", g.cors(g.posting(g.broadcastSingle)))
		mux.Handle(prefix+"/api/presence/{topic}", g.cors(reading(g.apiPresence)))
	}
	mux.HandleFunc("/healthcheck", reading(healthcheck))
	mux.HandleFunc("/healthz", reading(healthcheck))
	mux.HandleFunc("/readyz", reading(g.readyz))
	if !g.config.SeparateMetrics {
		mux.HandleFunc("/metrics", reading(g.metricsHandler()))
	}
	mux.HandleFunc("/", notFound)
	return mux
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

// notFound answers as upstream does, type included.
func notFound(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("Not Found"))
}
