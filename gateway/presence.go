package gateway

import (
	"net/http"
	"strings"
)

// serviceRole is the role of servers, who may see everything.
const serviceRole = "service_role"

// apiPresence answers GET /api/presence/{topic} with who is present, in the form
// of presence_state's payload; ?private=true asks for the private topic of the
// name. It is for servers: policies are not asked.
func (g *Gateway) apiPresence(w http.ResponseWriter, r *http.Request) {
	claims := g.claims(r)
	switch {
	case claims == nil:
		unauthorized.write(w)
	case claims.Role != serviceRole:
		message(http.StatusForbidden, "Forbidden: who is present is told to the role service_role only").write(w)
	default:
		private := strings.EqualFold(last(r.URL.Query(), "private"), "true")
		response{status: http.StatusOK, body: g.hub.Present(r.PathValue("topic"), private)}.write(w)
	}
}
