package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"walcast/auth"
	"walcast/channels"
	"walcast/protocol"
)

// maxClientID bounds the client_id parameter; a UUID has 36 bytes.
const maxClientID = 128

// upgrade answers a WebSocket handshake (wire reference 1.4 and 1.5).
func (g *Gateway) upgrade(sessions context.Context, w http.ResponseWriter, r *http.Request) {
	g.connect(w, r, func(address netip.Addr) *refusal { return g.admit(sessions, w, r, address) })
}

// connect answers a request for a session. Refusals are answered at once, unless
// they repeat.
func (g *Gateway) connect(w http.ResponseWriter, r *http.Request, admit func(netip.Addr) *refusal) {
	start := time.Now()
	address := g.config.clientAddress(r)
	if f := admit(address); f != nil {
		g.metrics.refused.WithLabelValues(f.label).Inc()
		if f == refuseSessions || f == refuseAddress {
			g.metrics.limited.WithLabelValues(f.label).Inc()
		}
		if f.slow {
			g.failures.pause(r.Context(), g.failures.note(address, start))
		}
		f.write(w)
	}
	g.metrics.handshakes.Observe(time.Since(start).Seconds())
}

// admit opens a session, or says why not. The order of the checks is upstream's.
func (g *Gateway) admit(sessions context.Context, w http.ResponseWriter, r *http.Request, address netip.Addr) *refusal {
	if r.Method != http.MethodGet {
		return refuseMethod
	}
	if !g.config.allowsOrigin(r) {
		return refuseOrigin
	}
	id, f := g.identify(r, time.Now())
	if f != nil {
		return f
	}
	if f := g.crowd.enter(address); f != nil {
		return f
	}
	if f := g.accept(sessions, w, r, address, id); f != nil {
		g.crowd.exit(address)
		return f
	}
	return nil
}

// identify reads who is there from the query and the headers.
func (g *Gateway) identify(r *http.Request, now time.Time) (channels.Identity, *refusal) {
	query := r.URL.Query()
	version, err := readVersion(query)
	if err != nil {
		return channels.Identity{}, refuseVersion
	}
	token, given := readToken(r.Header, query)
	claims, err := g.verifier.Verify(token, now)
	if err != nil {
		return channels.Identity{}, refuseToken(err, given)
	}
	clientID := last(query, "client_id")
	if len(clientID) > maxClientID {
		return channels.Identity{}, refuseClientID
	}
	return channels.Identity{
		Version: version, Token: strings.Clone(token), Claims: claims,
		ClientID: strings.Clone(clientID), Headers: captured(r.Header),
	}, nil
}

// readVersion tells an absent vsn, which is 1.0.0, from an empty one, which is
// none.
func readVersion(query url.Values) (protocol.Version, error) {
	if !query.Has("vsn") {
		return protocol.ParseVersion("")
	}
	vsn := last(query, "vsn")
	if vsn == "" {
		return 0, errors.New("vsn is empty")
	}
	return protocol.ParseVersion(vsn)
}

// last is the value of a parameter that is given twice, as upstream reads it.
func last(query url.Values, name string) string {
	values := query[name]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// readToken finds the connection token: the header wins, even when empty.
func readToken(h http.Header, query url.Values) (token string, given bool) {
	if values := h.Values("X-Api-Key"); len(values) > 0 {
		return strings.TrimSpace(values[0]), true
	}
	return strings.TrimSpace(last(query, "apikey")), query.Has("apikey")
}

// refuseToken translates a refused token for the handshake. Nothing given is a
// refusal of its own, but only where a token is needed at all.
func refuseToken(err error, given bool) *refusal {
	var refused *auth.Error
	switch {
	case !given:
		return refuseMissing
	case errors.As(err, &refused):
		return &refusal{status: refused.Status(), label: "token", error: refused.ConnectText(), slow: true}
	}
	return refuseInternal
}

// captured is the x-* headers as a JSON object with lower-case names, for the
// policies of private channels. The key itself is none of their business.
func captured(h http.Header) string {
	found := map[string]string{}
	for name, values := range h {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-") && name != "x-api-key" {
			found[name] = strings.Join(values, ", ")
		}
	}
	if len(found) == 0 {
		return "{}"
	}
	encoded, _ := json.Marshal(found) // a map of strings always encodes
	return string(encoded)
}

// accept completes the handshake and starts the session.
func (g *Gateway) accept(sessions context.Context, w http.ResponseWriter, r *http.Request, address netip.Addr, id channels.Identity) *refusal {
	if text := handshakeFault(r.Header); text != "" {
		return refuseHandshake(text)
	}
	if !g.roster.enter() {
		return refuseStopping
	}
	h := &hijacker{ResponseWriter: w}
	conn, err := g.upgrader.Upgrade(h, r, nil)
	if err != nil {
		g.roster.exit()
		if h.conn != nil {
			return refuseLost
		}
		return refuseHandshake(err.Error())
	}
	h.conn.muted = true
	s := g.newSession(id, address)
	s.conn, s.net = conn, h.conn.Conn
	if h.conn.compressed {
		s.deflater = g.deflater
	}
	s.open(sessions, id)
	return nil
}

// newSession makes a session that has no connection yet.
func (g *Gateway) newSession(id channels.Identity, address netip.Addr) *session {
	s := &session{gateway: g, version: id.Version, address: address, queue: queue{limit: g.config.QueueBytes}}
	// Who has a client_id loses less by being closed: it comes back, and gets
	// the broadcasts that it missed as well.
	if g.config.DropBroadcasts && id.ClientID == "" {
		s.queue.shed = g.metrics.dropped
	}
	return s
}

// handshakeFault says what is missing from a WebSocket handshake, in the words
// of upstream's library, or "".
func handshakeFault(h http.Header) string {
	switch {
	case !hasToken(h, "Connection", "upgrade"):
		return fmt.Sprintf("'connection' header must contain 'upgrade', got %s", listed(h, "Connection"))
	case !hasToken(h, "Upgrade", "websocket"):
		return fmt.Sprintf("'upgrade' header must contain 'websocket', got %s", listed(h, "Upgrade"))
	case h.Get("Sec-Websocket-Key") == "":
		return "'sec-websocket-key' header is absent"
	case h.Get("Sec-Websocket-Version") != "13":
		return fmt.Sprintf("'sec-websocket-version' header must equal '13', got %s", listed(h, "Sec-Websocket-Version"))
	}
	return ""
}

// hasToken looks for a word in a header that lists words.
func hasToken(h http.Header, name, word string) bool {
	for token := range strings.SplitSeq(strings.Join(h.Values(name), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(token), word) {
			return true
		}
	}
	return false
}

// listed writes the values of a header as upstream prints them.
func listed(h http.Header, name string) string {
	values := h.Values(name)
	if len(values) == 0 {
		return "[]"
	}
	encoded, _ := json.Marshal(values) // strings always encode
	return string(encoded)
}
