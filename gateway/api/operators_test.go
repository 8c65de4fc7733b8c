package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/replication"
)

func TestOperatorsChangeTheLevelOfTheLog(t *testing.T) {
	level := new(slog.LevelVar)
	own := httptest.NewServer(New(Config{SeparateMetrics: true}, Parts{Metrics: prometheus.NewRegistry(), LogLevel: level}).Operators())
	defer own.Close()
	for _, step := range []struct {
		method, body string
		code         int
		want         string
		level        slog.Level
	}{
		{http.MethodGet, "", 200, "info\n", slog.LevelInfo},
		{http.MethodPut, "debug\n", 200, "debug\n", slog.LevelDebug},
		{http.MethodGet, "", 200, "debug\n", slog.LevelDebug},
		{http.MethodPut, "DEBUG-4", 400, "want debug, info, warn or error", slog.LevelDebug},
		{http.MethodPut, "", 400, "want debug, info, warn or error", slog.LevelDebug},
		{http.MethodPut, strings.Repeat("x", 1000), 400, "want debug, info, warn or error", slog.LevelDebug},
		{http.MethodPost, "error", 405, "want GET or PUT", slog.LevelDebug},
		{http.MethodPut, "error", 200, "error\n", slog.LevelError},
	} {
		code, _, body := send(t, own, step.method, "/log-level", nil, strings.NewReader(step.body))
		if code != step.code || !strings.Contains(body, step.want) || level.Level() != step.level {
			t.Errorf("%s /log-level %.20q = %d %q and the level is %s; want %d, %q and %s", step.method, step.body, code, body, level.Level(), step.code, step.want, step.level)
		}
	}
}

func TestOperatorsHaveProfilesAndClientsHaveNone(t *testing.T) {
	own := httptest.NewServer(New(Config{SeparateMetrics: true}, Parts{Metrics: prometheus.NewRegistry()}).Operators())
	defer own.Close()
	clients := serve(t, Config{SeparateMetrics: true}, &fakeGateway{}, replication.Status{Role: replication.RoleReader})
	for path, want := range map[string]int{
		"/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/goroutine?debug=1": 200,
		"/debug/pprof/cmdline": 404, // it may have secrets in it
		"/log-level":           404, // nobody has said that it can be changed
	} {
		if code, _, _ := ask(t, own, http.MethodGet, path, nil); code != want {
			t.Errorf("GET %s for operators = %d; want %d", path, code, want)
		}
		if code, _, _ := ask(t, clients, http.MethodGet, path, nil); code != 404 {
			t.Errorf("GET %s for clients = %d; want 404", path, code)
		}
	}
}
