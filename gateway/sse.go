package gateway

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"walcast/auth"
	"walcast/channels"
	"walcast/protocol"
)

// serveStream answers a request for an event stream (Server-Sent Events). Once
// it has begun, it is a session like those of WebSockets.
func (g *Gateway) serveStream(w http.ResponseWriter, r *http.Request) {
	g.connect(w, r, func(address netip.Addr) *refusal { return g.admitStream(w, r, address) })
}

// admitStream begins a stream, or says why not.
func (g *Gateway) admitStream(w http.ResponseWriter, r *http.Request, address netip.Addr) *refusal {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return refuseStream
	}
	if !g.config.allowsOrigin(r) {
		return refuseOrigin
	}
	id, f := g.identifyStream(r, time.Now())
	if f != nil {
		return f
	}
	wanted, err := readSubscription(r.URL.Query(), r.Header)
	if err != nil {
		return refuseJoin(err)
	}
	if f := g.crowd.enter(address); f != nil {
		return f
	}
	if f := g.begin(w, r, address, id, wanted); f != nil {
		g.crowd.exit(address)
		return f
	}
	return nil
}

// identifyStream reads who is there. Streams have no versions, and go on by
// Last-Event-ID instead of a client_id.
func (g *Gateway) identifyStream(r *http.Request, now time.Time) (channels.Identity, *refusal) {
	token, given := streamToken(r)
	claims, err := g.verifier.Verify(token, now)
	if err != nil {
		return channels.Identity{}, refuseToken(err, given)
	}
	return channels.Identity{
		Version: protocol.SSE, Token: strings.Clone(token), Claims: claims, Headers: captured(r.Header),
	}, nil
}

// tokenCookie is the cookie that a token may come in: EventSource can set no
// headers, and a token in a URL gets into logs.
const tokenCookie = "apikey"

// streamToken finds the token of a stream: what is said explicitly wins over what
// a browser adds by itself, and a bearer token, even a bad one, over apikey.
func streamToken(r *http.Request) (token string, given bool) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, bearer, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "bearer") {
			return "", true
		}
		return strings.TrimSpace(bearer), true
	}
	if token := r.Header.Get("Apikey"); token != "" {
		return strings.TrimSpace(token), true
	}
	if token, given := readToken(r.Header, r.URL.Query()); given {
		return token, true
	}
	if cookie, err := r.Cookie(tokenCookie); err == nil {
		return strings.TrimSpace(cookie.Value), true
	}
	return "", false
}

// refuseJoin is for joins that are refused: the code says whether the client lacks
// permission, comes too often, or has to try again later. What has another code,
// or none, cannot be read.
func refuseJoin(err error) *refusal {
	var refused protocol.Refusal
	_ = errors.As(err, &refused)
	f := &refusal{status: http.StatusBadRequest, label: "join", error: err.Error(), slow: true}
	switch refused.Code {
	case protocol.CodeUnauthorized, protocol.RefusePrivateOnly.Code:
		f.status = http.StatusForbidden
	case auth.CodeMalformed, auth.CodeInvalid, auth.CodeSignature, auth.CodeSigner:
		f.status = http.StatusUnauthorized
	case protocol.RefuseTooManyJoins.Code, protocol.RefuseTooManyChannels.Code:
		f.status = http.StatusTooManyRequests
	case protocol.RefuseDatabaseAway.Code, protocol.RefuseMissingPartition.Code:
		f.status, f.slow = http.StatusServiceUnavailable, false
	}
	return f
}
