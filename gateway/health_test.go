package gateway

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

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
			r := start(t, nil)
			r.status = func() replication.Status { return test.status }
			code, body, header := r.get(t, http.MethodGet, "/readyz")
			if code != test.code || body != test.body || header.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Errorf("GET /readyz = %d %s; want %d %s", code, body, test.code, test.body)
			}
			if code, body, _ := r.get(t, http.MethodHead, "/readyz"); code != test.code || body != "" {
				t.Errorf("HEAD /readyz = %d %q; want %d and no body", code, body, test.code)
			}
		})
	}
}

func TestMetricsOnTheirOwnListener(t *testing.T) {
	r := start(t, func(c *Config) { c.SeparateMetrics = true })
	if code, _, _ := r.get(t, http.MethodGet, "/metrics"); code != 404 {
		t.Errorf("GET /metrics on the main listener = %d, want 404", code)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	own := &running{Gateway: r.Gateway, addr: ln.Addr().String()}
	stopped, stop := context.WithCancel(t.Context())
	go func() { done <- r.RunMetrics(stopped, ln) }()
	code, body, _ := own.get(t, http.MethodGet, "/metrics")
	if code != 200 || !strings.Contains(body, "\nwalcast_gateway_sessions 0\n") {
		t.Errorf("GET /metrics = %d, %d bytes; want 200 and the gateway's metrics", code, len(body))
	}
	if code, _, _ := own.get(t, http.MethodGet, "/healthz"); code != 404 {
		t.Errorf("GET /healthz on the metrics listener = %d, want 404", code)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("RunMetrics = %v, want nil", err)
	}
}
