package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/cluster"
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
			replication.Status{Role: replication.RoleReader, Streaming: true, LagBytes: 12, LagSeconds: 0.5, Since: since},
			200,
			`{"role":"reader","streaming":true,"lag_bytes":12,"lag_seconds":0.5,"since":"2026-01-02T03:04:05Z","node":"host:4000","position":"16/B374D848:3","lag_ms":500,"ready":true}`,
		},
		{
			"not yet",
			replication.Status{Role: replication.RoleReader, Since: since},
			503,
			`{"role":"reader","streaming":false,"lag_bytes":0,"lag_seconds":0,"since":"2026-01-02T03:04:05Z","node":"host:4000","position":"16/B374D848:3","lag_ms":500,"ready":false,"reason":"not streaming yet"}`,
		},
		{
			"interrupted",
			replication.Status{Role: replication.RoleReader, Since: since, Error: "connection refused"},
			503,
			`{"role":"reader","streaming":false,"lag_bytes":0,"lag_seconds":0,"since":"2026-01-02T03:04:05Z","error":"connection refused","node":"host:4000","position":"16/B374D848:3","lag_ms":500,"ready":false,"reason":"connection refused"}`,
		},
		{
			"standing by",
			replication.Status{Role: replication.RoleStandby, Since: since, Holder: "is read by process 12"},
			503,
			`{"role":"standby","streaming":false,"lag_bytes":0,"lag_seconds":0,"since":"2026-01-02T03:04:05Z","node":"host:4000","position":"16/B374D848:3","lag_ms":500,"ready":false,"reason":"standing by: the slot is read by process 12"}`,
		},
		{
			"following",
			replication.Status{Role: replication.RoleFollower, Streaming: true, Since: since, Holder: "is read by process 12", Error: "connection refused"},
			200,
			`{"role":"follower","streaming":true,"lag_bytes":0,"lag_seconds":0,"since":"2026-01-02T03:04:05Z","error":"connection refused","node":"host:4000","position":"16/B374D848:3","lag_ms":500,"ready":true}`,
		},
		{
			"following, and cut off",
			replication.Status{Role: replication.RoleFollower, LagSeconds: 7, Since: since, Holder: "is read by process 12"},
			503,
			`{"role":"follower","streaming":false,"lag_bytes":0,"lag_seconds":7,"since":"2026-01-02T03:04:05Z","node":"host:4000","position":"16/B374D848:3","lag_ms":500,"ready":false,"reason":"cut off from the node that reads the slot, or too far behind it"}`,
		},
		{
			"standing by while Postgres is away",
			replication.Status{Role: replication.RoleStandby, Since: since, Holder: "is read by process 12", Error: "connection refused"},
			503,
			`{"role":"standby","streaming":false,"lag_bytes":0,"lag_seconds":0,"since":"2026-01-02T03:04:05Z","error":"connection refused","node":"host:4000","position":"16/B374D848:3","lag_ms":500,"ready":false,"reason":"connection refused"}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, Config{}, &fakeGateway{}, test.status)
			code, kind, body := ask(t, s, http.MethodGet, "/readyz", map[string]string{"Authorization": "Bearer " + sign(t, "service_role")})
			if code != test.code || body != test.body || kind != "application/json; charset=utf-8" {
				t.Errorf("GET /readyz = %d %s; want %d %s", code, body, test.code, test.body)
			}
			if code, _, body := ask(t, s, http.MethodHead, "/readyz", nil); code != test.code || body != "" {
				t.Errorf("HEAD /readyz = %d %q; want %d and no body", code, body, test.code)
			}
		})
	}
}

// TestReadinessIsToldInWordsThatNameNothing to whoever asks on the address of clients: the
// database's addresses, roles and processes are for operators.
func TestReadinessIsToldInWordsThatNameNothing(t *testing.T) {
	const secret = "10.1.2.3"
	for name, test := range map[string]struct {
		status replication.Status
		want   string
	}{
		"away": {
			replication.Status{Role: replication.RoleReader, Cause: "network", Error: "connect to Postgres at 10.1.2.3:5432 as admin"},
			`"error":"network: the log says more, and a token of service_role is told it here","node":"host:4000","position":"16/B374D848:3","lag_ms":500,"ready":false,"reason":"network: the log`,
		},
		"streaming, of two publications": {
			replication.Status{Role: replication.RoleReader, Streaming: true, Cause: "publication_missing", Error: "publication 10.1.2.3"},
			`"error":"publication_missing: the log says more, and a token of service_role is told it here","node":"host:4000","position":"16/B374D848:3","lag_ms":500,"ready":true`,
		},
		"standing by": {
			replication.Status{Role: replication.RoleStandby, Holder: "is read by process 12, client address 10.1.2.3"},
			`"reason":"standing by: the slot is another process's"`,
		},
	} {
		s := serve(t, Config{}, &fakeGateway{}, test.status)
		for _, headers := range []map[string]string{nil, {"Authorization": "Bearer " + sign(t, "anon")}, {"Apikey": "no token"}} {
			if _, _, body := ask(t, s, http.MethodGet, "/readyz", headers); !strings.Contains(body, test.want) || strings.Contains(body, secret) {
				t.Errorf("%s: /readyz with %v = %s; want %s and nothing more", name, headers, body, test.want)
			}
		}
		own := httptest.NewServer(New(Config{}, Parts{
			Gateway: &fakeGateway{}, Status: func() replication.Status { return test.status }, Metrics: prometheus.NewRegistry(),
			Self: func() cluster.Node { return testNodes()[0] }, Newer: func() error { return nil },
		}).Operators())
		if _, _, body := ask(t, own, http.MethodGet, "/readyz", nil); !strings.Contains(body, secret) {
			t.Errorf("%s: /readyz on the listener of metrics = %s; want all of it", name, body)
		}
		own.Close()
	}
}

func TestNotReadyOnceItStops(t *testing.T) {
	s := serve(t, Config{}, &fakeGateway{stopping: true}, replication.Status{Role: replication.RoleReader, Streaming: true})
	code, _, body := ask(t, s, http.MethodGet, "/readyz", nil)
	if code != 503 || !strings.Contains(body, `"reason":"the server is stopping"`) {
		t.Errorf("GET /readyz = %d %s; want 503 and why", code, body)
	}
}

// TestAStandbyActsForNobody: what it did would reach no client. It says so to whoever
// asks, whatever the token.
func TestAStandbyActsForNobody(t *testing.T) {
	s := serve(t, Config{}, &fakeGateway{}, replication.Status{Role: replication.RoleStandby})
	for _, path := range []string{
		"POST /api/broadcast", "POST /realtime/v1/api/broadcast", "POST /api/broadcast/room/events/e", "POST /api/disconnect",
		"POST /api/unsubscribe", "GET /api/presence/room", "GET /realtime/v1/api/presence/room",
	} {
		method, path, _ := strings.Cut(path, " ")
		request, err := http.NewRequest(method, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" ||
			string(body) != `{"message":"Service Unavailable: this server stands by for another"}` {
			t.Errorf("%s %s = %d %s, Retry-After %q; want 503 and when to come again", method, path, response.StatusCode, body, response.Header.Get("Retry-After"))
		}
	}
	for _, path := range []string{"/healthz", "/healthcheck", "/api/ping", "/metrics"} {
		if code, _, body := ask(t, s, http.MethodGet, path, nil); code != 200 {
			t.Errorf("GET %s = %d %s; want 200", path, code, body)
		}
	}
}

func TestMetricsOnTheirOwnListener(t *testing.T) {
	for _, separate := range []bool{false, true} {
		s := serve(t, Config{SeparateMetrics: separate}, &fakeGateway{}, replication.Status{Role: replication.RoleReader})
		code, _, _ := ask(t, s, http.MethodGet, "/metrics", nil)
		if want := map[bool]int{false: 200, true: 404}[separate]; code != want {
			t.Errorf("GET /metrics on the main listener = %d; want %d", code, want)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "some_metric"}))
	own := httptest.NewServer(New(Config{SeparateMetrics: true}, Parts{Metrics: registry}).Operators())
	defer own.Close()
	if code, _, body := ask(t, own, http.MethodGet, "/metrics", nil); code != 200 || !strings.Contains(body, "\nsome_metric 0\n") {
		t.Errorf("GET /metrics = %d %q; want 200 and the metrics", code, body)
	}
	if code, _, _ := ask(t, own, http.MethodGet, "/healthz", nil); code != 404 {
		t.Errorf("GET /healthz on the metrics listener = %d, want 404", code)
	}
}
