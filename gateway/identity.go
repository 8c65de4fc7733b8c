package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"walcast/protocol"
)

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

// last is the value of a query parameter; of one that is given twice the last
// value counts, as upstream reads it.
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

// captured is the x-* headers as a JSON object with lower-case names, for the
// policies of private channels. The key itself is left out, as no
// policy needs to see it.
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

// tokenCookie is the cookie that a token may come in: EventSource can set no
// headers, and a token in a URL gets into logs.
const tokenCookie = "apikey"

// streamToken finds the token of a stream. A token that the client's code sets wins
// over the cookie, which a browser sends by itself, and a bearer token, even a bad
// one, over apikey.
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
