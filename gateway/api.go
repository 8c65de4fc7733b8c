package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"walcast/auth"
)

// maxBody is the largest body of a request in bytes, as upstream's.
const maxBody = 8_000_000

// call is a request of the HTTP API whose token is good.
type call struct {
	*http.Request
	claims *auth.Claims
	body   []byte
}

// response is what an HTTP request is answered.
type response struct {
	status     int
	body       []byte // JSON; nil for none
	preference string // what of the request's Prefer was done
}

// The bodies of refusals, in upstream's words.
var (
	unauthorized  = message(http.StatusUnauthorized, "Unauthorized")
	notAcceptable = message(http.StatusNotAcceptable, "Not Acceptable: answers are application/json")
	tooLarge      = message(http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	notJSON       = message(http.StatusBadRequest, "Bad Request: the body is not JSON")
)

// message is an answer that says one thing.
func message(status int, text string) response {
	return jsonAnswer(status, map[string]string{"message": text})
}

func jsonAnswer(status int, body any) response {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err) // our own types always encode
	}
	return response{status: status, body: encoded}
}

func (a response) write(w http.ResponseWriter) {
	if a.preference != "" {
		w.Header().Set("Preference-Applied", a.preference)
	}
	if a.body != nil {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	if a.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // fails only if nobody reads it
}

// posting admits POST with a good token, reads the body and answers with f. A
// request that is repeated with the same Idempotency-Key is answered again and
// does nothing.
func (g *Gateway) posting(f func(call) response) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			notFound(w, r)
			return
		}
		g.post(w, r, f).write(w)
	})
}

func (g *Gateway) post(w http.ResponseWriter, r *http.Request, f func(call) response) response {
	claims := g.claims(r)
	switch {
	case claims == nil:
		return unauthorized
	case !acceptsJSON(r.Header):
		return notAcceptable
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge
	case err != nil:
		return message(http.StatusBadRequest, "Bad Request: the body was cut off")
	}
	c := call{Request: r, claims: claims, body: body}
	return g.repeats.do(c, time.Now(), func() response { return f(c) })
}

// claims verifies the token of a request to the HTTP API (wire reference 11.1);
// nil if it has none that is good. A bearer token wins over apikey, even a bad
// one.
func (g *Gateway) claims(r *http.Request) *auth.Claims {
	token := r.Header.Get("Apikey")
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, bearer, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "bearer") {
			return nil
		}
		token = bearer
	}
	claims, err := g.verifier.Verify(strings.TrimSpace(token), time.Now())
	if err != nil {
		return nil
	}
	return claims
}

// acceptsJSON reports whether the client can take a JSON answer.
func acceptsJSON(h http.Header) bool {
	accept := strings.Join(h.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return true
	}
	for part := range strings.SplitSeq(accept, ",") {
		kind, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "*/*", "application/*", "application/json":
			return true
		}
	}
	return false
}

// contentType is the media type of the body without parameters; "" for none.
func contentType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil && kind == "" {
		return ""
	}
	return kind
}

// requestHeaders is all headers of a request as a JSON object with lower-case
// names, for the policies of private topics. Credentials are none of their
// business.
func requestHeaders(h http.Header) string {
	found := map[string]string{}
	for name, values := range h {
		switch name = strings.ToLower(name); name {
		case "authorization", "apikey", "x-api-key", "cookie":
		default:
			found[name] = strings.Join(values, ", ")
		}
	}
	encoded, _ := json.Marshal(found) // a map of strings always encodes
	return string(encoded)
}
