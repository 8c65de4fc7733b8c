package api

import (
	"net/http"

	"walcast/cluster"
	"walcast/replication"
)

// healthcheck says that the process is up, whatever the database does.
func healthcheck(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok"))
}

// ping answers GET /api/ping, which clients and proxies of upstream ask.
func ping(w http.ResponseWriter, _ *http.Request) {
	message(http.StatusOK, "Success").write(w)
}

// readiness answers GET /readyz. Why the database is not read may have addresses, names
// of roles and process ids in it: that is for operators, who have a token of
// service_role or an address of their own. Others get the cause, which is one of a few words.
type readiness struct {
	status   func() replication.Status
	self     func() cluster.Node
	newer    func() error
	stopping func() bool
	tells    func(*http.Request) bool // whether the request may be told all
}

// tellsAll is for an address that clients do not reach.
func tellsAll(*http.Request) bool { return true }

// tellsServers is for an address that clients reach.
func tellsServers(rs *requests) func(*http.Request) bool {
	return func(r *http.Request) bool {
		claims := rs.claims(r)
		return claims != nil && claims.Role == serviceRole
	}
}

// standby answers in place of h while this process stands by, or follows another node
// and is behind: whatever h did would reach nobody.
func (r *readiness) standby(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if s := r.status(); s.Role == replication.RoleStandby || s.Role == replication.RoleFollower && !s.Streaming {
			standsBy.write(w)
			return
		}
		h.ServeHTTP(w, request)
	})
}

// readyBody is the body of the response.
type readyBody struct {
	replication.Status
	Node     string `json:"node"`
	Position string `json:"position"` // up to which the log is complete, "" before it begins
	LagMS    int64  `json:"lag_ms"`
	Ready    bool   `json:"ready"`
	Reason   string `json:"reason,omitempty"`
}

// get is 200 only while row changes stream, 503 with the reason otherwise.
func (r *readiness) get(w http.ResponseWriter, request *http.Request) {
	self := r.self()
	body := readyBody{Status: r.status(), Node: self.Node, Position: self.Position, LagMS: self.LagMS}
	if body.Error+body.Holder != "" && !r.tells(request) {
		body.Status = withoutDetails(body.Status)
	}
	body.Ready, body.Reason = r.ready(body.Status)
	status := http.StatusOK
	if !body.Ready {
		status = http.StatusServiceUnavailable
	}
	jsonResponse(status, body).write(w)
}

func withoutDetails(s replication.Status) replication.Status {
	if s.Error != "" {
		s.Error = s.Cause + ": the log says more, and a token of service_role is told it here"
	}
	if s.Holder != "" {
		s.Holder = "is another process's"
	}
	return s
}

func (r *readiness) ready(s replication.Status) (bool, string) {
	newer := r.newer()
	switch {
	case r.stopping():
		return false, "the server is stopping"
	case newer != nil:
		return false, newer.Error()
	case s.Streaming:
		return true, ""
	case s.Error != "":
		return false, s.Error
	case s.Role == replication.RoleStandby:
		return false, "standing by: the slot " + s.Holder
	case s.Role == replication.RoleFollower:
		return false, "cut off from the node that reads the slot, or too far behind it"
	}
	return false, "not streaming yet"
}
