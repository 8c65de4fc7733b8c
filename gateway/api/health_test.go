package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/replication"
)

func TestReadyOnlyWhileStreaming(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		name   string
		status replication.Status
		code   int
		body   string
	}{
		{
			"streaming",
			replication.Status{Streaming: true, LagBytes: 12, LagSeconds: 0.5, Since: since},
			200,
			`{"streaming":true,"lag_bytes":12,"lag_seconds":0.5,"since":"2026-01-02T03:04:05Z","ready":true}`,
		},
		{
			"not yet",
			replication.Status{Since: since},
			503,
			`{"streaming":false,"lag_bytes":0,"lag_seconds":0,"since":"2026-01-02T03:04:05Z","ready":false,"reason":"not streaming yet"}`,
		},
		{
			"interrupted",
			replication.Status{Since: since, Error: "connection refused"},
			503,
			`{"streaming":false,"lag_bytes":0,"lag_seconds":0,"since":"2026-01-02T03:04:05Z","error":"connection refused","ready":false,"reason":"connection refused"}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, Config{}, &fakeGateway{}, test.status)
			code, kind, body := ask(t, s, http.MethodGet, "/readyz", nil)
			if code != test.code || body != test.body || kind != "application/json; charset=utf-8" {
				t.Errorf("GET /readyz = %d %s; want %d %s", code, body, test.code, test.body)
			}
			if code, _, body := ask(t, s, http.MethodHead, "/readyz", nil); code != test.code || body != "" {
				t.Errorf("HEAD /readyz = %d %q; want %d and no body", code, body, test.code)
			}
		})
	}
}

func TestNotReadyOnceItStops(t *testing.T) {
	s := serve(t, Config{}, &fakeGateway{stopping: true}, replication.Status{Streaming: true})
	code, _, body := ask(t, s, http.MethodGet, "/readyz", nil)
	if code != 503 || !strings.Contains(body, `"reason":"the server is stopping"`) {
		t.Errorf("GET /readyz = %d %s; want 503 and why", code, body)
	}
}

func TestMetricsOnTheirOwnListener(t *testing.T) {
	for _, separate := range []bool{false, true} {
		s := serve(t, Config{SeparateMetrics: separate}, &fakeGateway{}, replication.Status{})
		code, _, _ := ask(t, s, http.MethodGet, "/metrics", nil)
		if want := map[bool]int{false: 200, true: 404}[separate]; code != want {
			t.Errorf("GET /metrics on the main listener = %d; want %d", code, want)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "some_metric"}))
	own := httptest.NewServer(New(Config{SeparateMetrics: true}, Parts{Metrics: registry}).Metrics())
	defer own.Close()
	if code, _, body := ask(t, own, http.MethodGet, "/metrics", nil); code != 200 || !strings.Contains(body, "\nsome_metric 0\n") {
		t.Errorf("GET /metrics = %d %q; want 200 and the metrics", code, body)
	}
	if code, _, _ := ask(t, own, http.MethodGet, "/healthz", nil); code != 404 {
		t.Errorf("GET /healthz on the metrics listener = %d, want 404", code)
	}
}
