package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"walcast/cluster"
)

// tenantHealth answers GET and HEAD /api/tenants/{tenant}/health, by which Supabase's stack
// checks its Realtime, to whoever has a good token. There is one project, under any name. The
// status is 200 if row changes come, else 503.
func tenantHealth(rs *requests, state *readiness, self func() cluster.Node) http.HandlerFunc {
	type data struct {
		Node       string `json:"node"`
		Region     string `json:"region"`
		Replicates bool   `json:"replication_connected"`
		Healthy    bool   `json:"healthy"`
		Database   bool   `json:"db_connected"`
		Sessions   int    `json:"connected_cluster"`
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if rs.claims(r) == nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		node := self()
		ready, _ := state.ready(state.status())
		status := http.StatusOK
		if !ready {
			status = http.StatusServiceUnavailable
		}
		jsonResponse(status, map[string]data{"data": {
			Node: node.Node, Replicates: ready, Healthy: ready, Database: ready, Sessions: node.Sessions,
		}}).write(w)
	}
}

// withToken has a handler ask for a bearer token that is signed with a secret, whatever its
// claims are; with no secret for none.
func withToken(secret string, h http.HandlerFunc) http.HandlerFunc {
	if secret == "" {
		return h
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256", "HS384", "HS512"}))
	return func(w http.ResponseWriter, r *http.Request) {
		token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		_, err := parser.Parse(token, func(*jwt.Token) (any, error) { return []byte(secret), nil })
		if !isBearer || err != nil {
			text := "Forbidden: /metrics asks for a token that is signed with metrics-jwt-secret"
			if errors.Is(err, jwt.ErrTokenExpired) {
				text = "Forbidden: the token has expired"
			}
			message(http.StatusForbidden, text).write(w)
			return
		}
		h(w, r)
	}
}
