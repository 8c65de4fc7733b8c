package gateway

import (
	"net/http"
	"strings"
	"testing"

	"walcast/internal/transcript"
)

func TestAllowsOrigin(t *testing.T) {
	for _, test := range []struct {
		patterns, origin string
		want             bool
	}{
		{"*", "https://any.example", true},
		{"https://app.example", "", true},
		{"https://app.example", "https://app.example", true},
		{"https://app.example", "HTTPS://App.Example", true},
		{"https://app.example", "http://app.example", false},
		{"https://app.example", "https://app.example:8443", false},
		{"https://app.example", "https://evil-app.example", false},
		{"https://app.example", "https://app.example.evil", false},
		{"https://app.example", "null", false},
		{"https://a.example,https://b.example", "https://b.example", true},
		{"https://*.example.com", "https://www.example.com", true},
		{"https://*.example.com", "https://a.b.example.com", true},
		{"https://*.example.com", "https://example.com", false},
		{"https://*.example.com", "https://.example.com", false},
		{"https://*.example.com", "https://evilexample.com", false},
	} {
		c := Access{Origins: strings.Split(test.patterns, ",")}
		r := &http.Request{Header: http.Header{}}
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		if got := c.allowsOrigin(r); got != test.want {
			t.Errorf("allowsOrigin(%q) of %s = %t, want %t", test.origin, test.patterns, got, test.want)
		}
	}
}

func TestForeignOriginIsRefused(t *testing.T) {
	r := start(t, func(c *Config) { c.Origins = []string{"https://app.example"} })
	got := r.ask(t, upgradeFrom(t, r, "https://evil.example"), "192.0.2.1")
	if want := (answer{403, "application/json; charset=utf-8", `{"error":"Origin is not allowed"}`}); got != want {
		t.Errorf("handshake = %+v, want %+v", got, want)
	}
	if got := r.ask(t, upgradeFrom(t, r, "https://app.example"), "192.0.2.1"); got.Status != 101 {
		t.Errorf("handshake = %+v, want 101", got)
	}
}

func upgradeFrom(t *testing.T, r *running, origin string) transcript.Exchange {
	var e transcript.Exchange
	e.Request.Method, e.Request.Upgrade = "GET", "websocket"
	e.Request.Path = strings.TrimPrefix(r.url(t), "ws://"+r.addr)
	e.Request.Headers = map[string]string{"Origin": origin}
	return e
}

func TestCORS(t *testing.T) {
	for _, test := range []struct {
		name, origins, method, origin string
		status                        int
		allowed                       string
	}{
		{"any origin", "*", "GET", "https://app.example", 200, "*"},
		{"preflight", "*", "OPTIONS", "https://app.example", 204, "*"},
		{"one origin", "https://app.example", "GET", "https://app.example", 200, "https://app.example"},
		{"another origin", "https://app.example", "GET", "https://evil.example", 200, ""},
		{"another origin's preflight", "https://app.example", "OPTIONS", "https://evil.example", 204, ""},
		{"no origin", "*", "GET", "", 200, ""},
		{"no origin, no preflight", "*", "OPTIONS", "", 404, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, func(c *Config) { c.Origins = []string{test.origins} })
			req, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+r.addr+"/page", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Close = true
			if test.origin != "" {
				req.Header.Set("Origin", test.origin)
			}
			resp, err := new(http.Transport).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != test.status || got != test.allowed {
				t.Errorf("%s = %d, allowed %q; want %d, %q", test.method, resp.StatusCode, got, test.status, test.allowed)
			}
		})
	}
}
