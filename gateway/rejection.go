package gateway

import (
	"errors"
	"net/http"

	"walcast/auth"
	"walcast/protocol"
)

// rejection is the answer to a request for a session that is not accepted.
type rejection struct {
	status int
	label  string // of walcast_gateway_refused_total
	reason string // in the JSON body; "" for an empty body
	plain  string // a body without a type, as upstream's WebSocket library gives
	failed bool   // counts as a failure of the address, which is slowed down for many
	code   int    // by which errors=frame closes; 0 is answered over HTTP whatever was asked

	problem protocol.Problem // why bindings do not work: what a program needs of it stands beside the reason
}

// The rejections whose text does not depend on the request, in upstream's words
// where it has them.
var (
	rejectMethod   = &rejection{status: http.StatusBadRequest, label: "method"}
	rejectStream   = &rejection{status: http.StatusMethodNotAllowed, label: "method", reason: "An event stream is read with GET"}
	rejectVersion  = &rejection{status: http.StatusForbidden, label: "version"}
	rejectOrigin   = &rejection{status: http.StatusForbidden, label: "origin", reason: "Origin is not allowed", code: protocol.CloseOrigin}
	rejectMissing  = &rejection{status: http.StatusUnauthorized, label: "token", reason: "API key is missing", failed: true, code: protocol.CloseToken}
	rejectSessions = &rejection{status: http.StatusTooManyRequests, label: limitSessions, reason: "Too many connected users"}
	rejectAddress  = &rejection{status: http.StatusTooManyRequests, label: limitAddress, reason: "Too many connected users from this address"}
	rejectLarge    = &rejection{status: http.StatusTooManyRequests, label: limitHandshakes, reason: "Too many connected users with large tokens or headers", failed: true}
	rejectClientID = &rejection{status: http.StatusBadRequest, label: "client_id", reason: "client_id must have at most 128 bytes"}
	rejectStopping = &rejection{status: http.StatusServiceUnavailable, label: "stopping", reason: "Server is stopping"}
	rejectStandby  = &rejection{status: http.StatusServiceUnavailable, label: "standby", reason: "Server stands by for another"}
	rejectLost     = &rejection{label: "lost"} // the connection broke; nobody reads an answer
	rejectInternal = &rejection{status: http.StatusInternalServerError, label: "token", reason: "Error connecting to Realtime", failed: true, code: protocol.CloseToken}
)

// rejectHandshake is for requests that are no WebSocket handshake.
func rejectHandshake(text string) *rejection {
	return &rejection{status: http.StatusBadRequest, label: "handshake", plain: text}
}

// rejectToken translates a refused token. A token that was not given is a
// rejection of its own, but only where one is needed at all.
func rejectToken(err error, given bool) *rejection {
	var refused *auth.Error
	switch {
	case !given:
		return rejectMissing
	case errors.As(err, &refused):
		code := protocol.CloseToken
		if refused.HasExpired() {
			code = protocol.CloseExpired
		}
		return &rejection{status: refused.Status(), label: "token", reason: refused.ConnectText(), failed: true, code: code}
	}
	return rejectInternal
}

// rejectJoin is for event streams whose join is refused. The code says whether the
// client lacks permission, comes too often, or has to try again later; with any
// other, or none, the request makes no sense.
func rejectJoin(err error) *rejection {
	r := &rejection{status: http.StatusBadRequest, label: "join", reason: err.Error(), failed: true}
	var unserved protocol.Unserved
	if errors.As(err, &unserved) {
		r.problem = unserved.Problem
	}
	switch protocol.RefusalOf(err).Code {
	case protocol.CodeUnauthorized, protocol.RefusePrivateOnly.Code:
		r.status = http.StatusForbidden
	case auth.CodeMalformed, auth.CodeInvalid, auth.CodeSignature, auth.CodeSigner:
		r.status = http.StatusUnauthorized
	case protocol.RefuseTooManyJoins.Code, protocol.RefuseTooManyChannels.Code:
		r.status = http.StatusTooManyRequests
	case protocol.RefuseDatabaseAway.Code, protocol.RefuseMissingPartition.Code, protocol.CodeSubscribeTimeout:
		r.status, r.failed = http.StatusServiceUnavailable, false
	}
	return r
}

// refusal is the body of an answer.
type refusal struct {
	Error string `json:"error"`
	Code  string `json:"code,omitempty"`
	Fix   string `json:"fix,omitempty"`
	Cost  string `json:"cost,omitempty"`
}

// write answers with the rejection.
func (r *rejection) write(w http.ResponseWriter) {
	if r.status == 0 {
		return
	}
	w.Header()["Content-Type"] = nil // neither sent nor guessed
	body := []byte(r.plain)
	if r.reason != "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		body = encode(refusal{Error: r.reason, Code: r.problem.Code, Fix: r.problem.Fix, Cost: r.problem.Cost})
	}
	if r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(body)
}
