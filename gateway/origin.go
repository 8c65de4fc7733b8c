package gateway

import (
	"net/http"
	"strings"
)

// allowsOrigin reports whether a browser's page may connect. Requests without
// Origin do not come from a page.
func (a Access) allowsOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	for _, pattern := range a.Origins {
		if pattern == "*" || matchesOrigin(pattern, origin) {
			return true
		}
	}
	return false
}

// matchesOrigin compares scheme, host and port; a pattern's host may begin with
// "*.", which stands for one or more labels.
func matchesOrigin(pattern, origin string) bool {
	scheme, host, ok := strings.Cut(strings.ToLower(pattern), "://")
	if !ok {
		return false
	}
	gotScheme, gotHost, ok := strings.Cut(strings.ToLower(origin), "://")
	if !ok || gotScheme != scheme {
		return false
	}
	suffix, wild := strings.CutPrefix(host, "*")
	if !wild {
		return gotHost == host
	}
	return len(gotHost) > len(suffix) && strings.HasSuffix(gotHost, suffix)
}

// cors lets pages of the allowed origins use the HTTP API, and answers their
// preflights: no proxy in front is needed for that.
func (a Access) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") == "" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		if a.allowsOrigin(r) {
			h.Set("Access-Control-Allow-Origin", a.corsOrigin(r))
			if a.corsOrigin(r) != "*" { // cookies are only for pages that are named
				h.Set("Access-Control-Allow-Credentials", "true")
			}
		}
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "authorization, apikey, cache-control, content-type, idempotency-key, last-event-id, prefer, x-api-key, x-client-info")
		h.Set("Access-Control-Max-Age", "7200")
		w.WriteHeader(http.StatusNoContent)
	})
}

// corsOrigin is "*" where any origin is allowed, as caches like it better.
func (a Access) corsOrigin(r *http.Request) string {
	for _, o := range a.Origins {
		if o == "*" {
			return "*"
		}
	}
	return r.Header.Get("Origin")
}
