package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/replication"
)

func TestTheHealthOfATenantIsThatOfTheProject(t *testing.T) {
	good := map[string]string{"Authorization": "Bearer " + sign(t, "anon")}
	for _, c := range []struct {
		streams bool
		headers map[string]string
		code    int
		want    string
	}{
		{true, good, 200, `{"data":{"node":"host:4000","region":"","replication_connected":true,"healthy":true,"db_connected":true,"connected_cluster":`},
		{false, good, 503, `"replication_connected":false,"healthy":false,"db_connected":false`},
		{true, nil, 403, ""},
		{true, map[string]string{"Authorization": "Bearer nonsense"}, 403, ""},
	} {
		s := serve(t, Config{}, &fakeGateway{}, replication.Status{Role: replication.RoleReader, Streaming: c.streams})
		for _, path := range []string{"/api/tenants/realtime-dev/health", "/realtime/v1/api/tenants/realtime-dev/health"} {
			code, _, body := ask(t, s, http.MethodGet, path, c.headers)
			if code != c.code || !strings.Contains(body, c.want) || c.want == "" && body != "" {
				t.Errorf("GET %s with %v = %d %s; want %d and %s", path, c.headers, code, body, c.code, c.want)
			}
			if code, _, body := ask(t, s, http.MethodHead, path, c.headers); code != c.code || body != "" {
				t.Errorf("HEAD %s with %v = %d %q; want %d and no body", path, c.headers, code, body, c.code)
			}
		}
	}
}

func TestMetricsAskForATokenOfTheirOwn(t *testing.T) {
	const secret = "the secret of the metrics"
	signed := func(by string, claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(by))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, Config{MetricsSecret: secret}, &fakeGateway{}, replication.Status{Role: replication.RoleReader})
	for name, c := range map[string]struct {
		authorization string
		code          int
		want          string
	}{
		"none":               {"", 403, "metrics-jwt-secret"},
		"a good one":         {"Bearer " + signed(secret, jwt.MapClaims{}), 200, ""},
		"an expired one":     {"Bearer " + signed(secret, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}), 403, "expired"},
		"a client's":         {"Bearer " + sign(t, "service_role"), 403, "metrics-jwt-secret"},
		"one without key":    {"Bearer " + unsigned, 403, "metrics-jwt-secret"},
		"one with no scheme": {signed(secret, jwt.MapClaims{}), 403, "metrics-jwt-secret"},
	} {
		if code, _, body := ask(t, s, http.MethodGet, "/metrics", map[string]string{"Authorization": c.authorization}); code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s: GET /metrics = %d %.100s; want %d and %q", name, code, body, c.code, c.want)
		}
	}
}
