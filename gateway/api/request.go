package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"walcast/auth"
)

// maxBody is the largest body of a request in bytes, as upstream's.
const maxBody = 8_000_000

// request is an HTTP request whose token is good, with its whole body.
type request struct {
	*http.Request
	token  string
	claims *auth.Claims
	body   []byte
}

// requests admits requests: it verifies their tokens and answers a repeated one
// as it did the first time.
type requests struct {
	verifier *auth.Verifier
	repeats  *repeats
}

func newRequests(v *auth.Verifier, r *repeats) *requests { return &requests{verifier: v, repeats: r} }

// posting admits POST with a good token, reads the body and answers with f. A
// request that is repeated with the same Idempotency-Key is answered again and
// does nothing.
func (rs *requests) posting(f func(request) response) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			notFound(w, r)
			return
		}
		rs.post(w, r, f).write(w)
	})
}

func (rs *requests) post(w http.ResponseWriter, r *http.Request, f func(request) response) response {
	token, claims := rs.verify(r)
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
	admitted := request{Request: r, token: token, claims: claims, body: body}
	return rs.repeats.do(admitted, time.Now(), func() response { return f(admitted) })
}

// forServers admits requests with a token of the role service_role. what says what others
// are refused, as "who is present is told".
func (rs *requests) forServers(what string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		claims := rs.claims(r)
		switch {
		case claims == nil:
			unauthorized.write(w)
		case claims.Role != serviceRole:
			message(http.StatusForbidden, "Forbidden: "+what+" to the role service_role only").write(w)
		default:
			h(w, r)
		}
	}
}

// claims are those of the token of a request; nil if it has none that is good.
func (rs *requests) claims(r *http.Request) *auth.Claims {
	_, claims := rs.verify(r)
	return claims
}

// verify returns the token of a request with its claims; nil if it has none that is
// good. As upstream has it, a bearer token wins over apikey, even a bad one.
func (rs *requests) verify(r *http.Request) (string, *auth.Claims) {
	token := r.Header.Get("Apikey")
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, bearer, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "bearer") {
			return "", nil
		}
		token = bearer
	}
	token = strings.TrimSpace(token)
	claims, err := rs.verifier.Verify(token, time.Now())
	if err != nil {
		return "", nil
	}
	return token, claims
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
// names, for the policies of private topics. Credentials are left out, as no
// policy needs to see them.
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

// last is the value of a query parameter; of one that is given twice the last
// value counts, as upstream reads it.
func last(query url.Values, name string) string {
	values := query[name]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}
