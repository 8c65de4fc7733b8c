package api

import (
	"encoding/json"
	"net/http"
)

// response is what an HTTP request is answered.
type response struct {
	status     int
	body       []byte // JSON; nil for none
	preference string // the preference of the request's Prefer that was honoured
}

// The responses to requests that cannot be acted on, in upstream's words.
var (
	unauthorized  = message(http.StatusUnauthorized, "Unauthorized")
	notAcceptable = message(http.StatusNotAcceptable, "Not Acceptable: answers are application/json")
	tooLarge      = message(http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	standsBy      = message(http.StatusServiceUnavailable, "Service Unavailable: this server stands by for another")
	givenUp       = message(http.StatusServiceUnavailable, "Service Unavailable")
	notJSON       = message(http.StatusBadRequest, "Bad Request: the body is not JSON")
)

// message is a response that says one thing.
func message(status int, text string) response {
	return jsonResponse(status, map[string]string{"message": text})
}

func jsonResponse(status int, body any) response {
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
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // fails only if nobody reads it
}
