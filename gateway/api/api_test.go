package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/auth"
	"walcast/channels"
	"walcast/cluster"
	"walcast/internal/transcript"
	"walcast/replication"
)

const testSecret = "a secret of at least 32 characters, for tests"

// fakeGateway lets every page in and counts limits.
type fakeGateway struct {
	limited  []string
	stopping bool
}

func (*fakeGateway) CORS(h http.Handler) http.Handler { return h }

func (*fakeGateway) Network(r *http.Request) netip.Addr {
	return netip.MustParseAddrPort(r.RemoteAddr).Addr()
}

func (g *fakeGateway) Limited(limit string) { g.limited = append(g.limited, limit) }

func (g *fakeGateway) Stopping() bool { return g.stopping }

// fakeHub has one topic, public and private, and publishes nothing.
type fakeHub struct{}

func (fakeHub) Publisher(*auth.Claims, string) *channels.Publisher { return nil }

func (fakeHub) MaxBroadcast() int { return 100 }

func (fakeHub) Present(_ context.Context, subTopic string, private bool) []byte {
	if subTopic != "room" {
		return []byte("{}")
	}
	if private {
		return []byte(`{"private":[]}`)
	}
	return []byte(`{"public":[]}`)
}

func (fakeHub) Disconnect(channels.Selection) int { return 2 }

func (fakeHub) Unsubscribe(channels.Selection) int { return 3 }

// serve starts an API on a server of its own.
func serve(t *testing.T, c Config, g *fakeGateway, status replication.Status) *httptest.Server {
	t.Helper()
	return serveWith(t, c, g, status, func(*Parts) {})
}

// serveWith is serve with more parts.
func serveWith(t *testing.T, c Config, g *fakeGateway, status replication.Status, more func(*Parts)) *httptest.Server {
	t.Helper()
	verifier, err := auth.NewVerifier(auth.Config{Secrets: []string{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "some_metric"}))
	parts := Parts{
		Gateway: g, Hub: fakeHub{}, Verifier: verifier, Metrics: registry,
		Status: func() replication.Status { return status },
		Self:   func() cluster.Node { return testNodes()[0] },
		Nodes:  testNodes,
		Newer:  func() error { return nil },
	}
	more(&parts)
	s := httptest.NewServer(New(c, parts).Handler())
	t.Cleanup(s.Close)
	return s
}

// ask sends a request and returns the status, the type and the body.
func ask(t *testing.T, s *httptest.Server, method, path string, headers map[string]string) (code int, contentType, body string) {
	t.Helper()
	return send(t, s, method, path, headers, nil)
}

func send(t *testing.T, s *httptest.Server, method, path string, headers map[string]string, content io.Reader) (code int, contentType, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, content)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(text)
}

func TestHTTPAsRecorded(t *testing.T) {
	s := serve(t, Config{}, &fakeGateway{}, replication.Status{})
	served := map[string]bool{
		"GET /api/ping": true, "HEAD /api/ping": true, "POST /api/ping": true,
		"GET /healthcheck": true, "HEAD /healthcheck": true,
	}
	asked := 0
	for _, e := range transcript.ReadExchanges(t, "../../testdata/transcripts/13-http.jsonl", testSecret) {
		// There is one project here, and no limit of requests to report.
		if !served[e.Request.Method+" "+e.Request.Path] || e.Request.Headers["Host"] != "" {
			continue
		}
		asked++
		wantAsRecorded(t, s, e)
	}
	for _, e := range transcript.ReadExchanges(t, "../../testdata/transcripts/01-connect.jsonl", testSecret) {
		if e.Text() == "Not Found" { // no path of a socket
			asked++
			wantAsRecorded(t, s, e)
		}
	}
	if asked < 9 {
		t.Errorf("asked %d requests, want at least 9", asked)
	}
}

func wantAsRecorded(t *testing.T, s *httptest.Server, e transcript.Exchange) {
	t.Helper()
	type answer struct {
		Status     int
		Type, Body string
	}
	status, kind, body := ask(t, s, e.Request.Method, e.Request.Path, e.Request.Headers)
	want := answer{e.Status, e.Headers["content-type"], e.Text()}
	if diff := cmp.Diff(want, answer{status, kind, body}); diff != "" {
		t.Errorf("%s %s (-want +got):\n%s", e.Request.Method, e.Request.Path, diff)
	}
}

func TestPathsWithThePrefixOfAProxy(t *testing.T) {
	s := serve(t, Config{}, &fakeGateway{}, replication.Status{Streaming: true})
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/realtime/v1/api/ping", 200, `{"message":"Success"}`},
		{"GET", "/healthz", 200, "ok"},
		{"HEAD", "/healthz", 200, ""},
		{"GET", "/readyz/", 404, "Not Found"},
		{"DELETE", "/readyz", 404, "Not Found"},
		{"GET", "/nothing", 404, "Not Found"},
	} {
		status, _, body := ask(t, s, test.method, test.path, nil)
		if status != test.status || body != test.body {
			t.Errorf("%s %s = %d %q; want %d %q", test.method, test.path, status, body, test.status, test.body)
		}
	}
}

func TestPresenceIsForTheServiceRole(t *testing.T) {
	s := serve(t, Config{}, &fakeGateway{}, replication.Status{})
	for _, test := range []struct {
		role, query string
		status      int
		body        string
	}{
		{"service_role", "", 200, `{"public":[]}`},
		{"service_role", "?private=true", 200, `{"private":[]}`},
		{"anon", "", 403, `{"message":"Forbidden: who is present is told to the role service_role only"}`},
		{"", "", 401, `{"message":"Unauthorized"}`},
	} {
		headers := map[string]string{}
		if test.role != "" {
			headers["Authorization"] = "Bearer " + sign(t, test.role)
		}
		status, _, body := ask(t, s, http.MethodGet, "/api/presence/room"+test.query, headers)
		if status != test.status || body != test.body {
			t.Errorf("presence%s as %q = %d %s; want %d %s", test.query, test.role, status, body, test.status, test.body)
		}
	}
}

// sign makes a token that is good for an hour.
func sign(t *testing.T, role string) string {
	t.Helper()
	claims := jwt.MapClaims{"role": role, "exp": time.Now().Add(time.Hour).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}
