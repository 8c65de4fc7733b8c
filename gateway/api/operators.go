package api

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
)

// Operators answers what is for those who run the server, for a listener that clients do not
// reach (metrics-listen): /metrics, /readyz with all that is known, profiles, and the level of
// the log.
func (a *API) Operators() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", a.metrics())
	mux.HandleFunc("/readyz", reading(a.readiness(tellsAll).get))
	// Not the command line, which may have secrets in it.
	mux.HandleFunc("/debug/pprof/", reading(pprof.Index))
	mux.HandleFunc("/debug/pprof/cmdline", notFound)
	mux.HandleFunc("/debug/pprof/profile", reading(pprof.Profile))
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", reading(pprof.Trace))
	if a.parts.LogLevel != nil {
		mux.HandleFunc("/log-level", logLevel{a.parts.LogLevel}.serve)
	}
	mux.HandleFunc("/", notFound)
	return mux
}

// logLevel answers GET with the level of the log, and has PUT change it until the server
// stops: its body is debug, info, warn or error.
type logLevel struct{ level *slog.LevelVar }

func (l logLevel) serve(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPut:
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 100))
		level, known := levelOf(strings.TrimSpace(string(body)))
		if err != nil || !known {
			message(http.StatusBadRequest, "Bad Request: want debug, info, warn or error").write(w)
			return
		}
		l.level.Set(level)
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT")
		message(http.StatusMethodNotAllowed, "Method Not Allowed: want GET or PUT").write(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, strings.ToLower(l.level.Level().String()))
}

// levelOf is a level by the name that the setting log-level has for it.
func levelOf(name string) (slog.Level, bool) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if name == strings.ToLower(level.String()) {
			return level, true
		}
	}
	return 0, false
}
