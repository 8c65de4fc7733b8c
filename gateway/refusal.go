package gateway

import (
	"encoding/json"
	"net/http"
)

// refusal is the answer to a handshake that is not accepted.
type refusal struct {
	status int
	label  string // of walcast_gateway_refused_total
	error  string // in the JSON body; "" for an empty body
	plain  string // a body without a type, as upstream's WebSocket library gives
	slow   bool   // counts as a failure of the address
}

// The refusals whose text does not depend on the request (wire reference 1.5;
// those upstream does not have are ours).
var (
	refuseMethod   = &refusal{status: http.StatusBadRequest, label: "method"}
	refuseStream   = &refusal{status: http.StatusMethodNotAllowed, label: "method", error: "An event stream is read with GET"}
	refuseVersion  = &refusal{status: http.StatusForbidden, label: "version"}
	refuseOrigin   = &refusal{status: http.StatusForbidden, label: "origin", error: "Origin is not allowed"}
	refuseMissing  = &refusal{status: http.StatusUnauthorized, label: "token", error: "API key is missing", slow: true}
	refuseSessions = &refusal{status: http.StatusTooManyRequests, label: limitSessions, error: "Too many connected users"}
	refuseAddress  = &refusal{status: http.StatusTooManyRequests, label: limitAddress, error: "Too many connected users from this address"}
	refuseClientID = &refusal{status: http.StatusBadRequest, label: "client_id", error: "client_id must have at most 128 bytes"}
	refuseStopping = &refusal{status: http.StatusServiceUnavailable, label: "stopping", error: "Server is stopping"}
	refuseLost     = &refusal{label: "lost"} // the connection broke; nobody reads an answer
	refuseInternal = &refusal{status: http.StatusInternalServerError, label: "token", error: "Error connecting to Realtime", slow: true}
)

// refuseHandshake is for requests that are no WebSocket handshake.
func refuseHandshake(text string) *refusal {
	return &refusal{status: http.StatusBadRequest, label: "handshake", plain: text}
}

// write answers with the refusal.
func (f *refusal) write(w http.ResponseWriter) {
	if f.status == 0 {
		return
	}
	w.Header()["Content-Type"] = nil // neither sent nor guessed
	body := []byte(f.plain)
	if f.error != "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		body, _ = json.Marshal(map[string]string{"error": f.error}) // a map of strings always encodes
	}
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(f.status)
	_, _ = w.Write(body)
}
