package gateway

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"walcast/replication"
)

// healthcheck says that the process is up, whatever the database does.
func healthcheck(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok"))
}

// apiPing is what upstream's clients and proxies ask (wire reference 11.4).
func (g *Gateway) apiPing(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"message": "Success"})
}

// readiness is the body of /readyz.
type readiness struct {
	replication.Status
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// readyz is 200 only while row changes stream, 503 with the reason otherwise.
func (g *Gateway) readyz(w http.ResponseWriter, _ *http.Request) {
	body := readiness{Status: g.status()}
	body.Ready, body.Reason = g.ready(body.Status)
	status := http.StatusOK
	if !body.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, body)
}

func (g *Gateway) ready(s replication.Status) (bool, string) {
	switch {
	case g.roster.stopping():
		return false, "the server is stopping"
	case s.Streaming:
		return true, ""
	case s.Error != "":
		return false, s.Error
	}
	return false, "not streaming yet"
}

func (g *Gateway) metricsHandler() http.HandlerFunc {
	return promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{ErrorLog: nil}).ServeHTTP
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err) // our own types always encode
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(encoded)
}
