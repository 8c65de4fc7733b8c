package api

import (
	"context"
	"net/http"
	"strings"
)

// serviceRole is the role of servers, which may see everything.
const serviceRole = "service_role"

// presences tells the presence of a topic, in the form of presence_state's
// payload.
type presences interface {
	Present(ctx context.Context, subTopic string, private bool) []byte
}

// presence answers GET /api/presence/{topic}.
type presence struct{ hub presences }

// get answers with the presence of the topic; ?private=true asks for the private
// topic of the name. It is for servers: policies are not asked.
func (p *presence) get(w http.ResponseWriter, r *http.Request) {
	private := strings.EqualFold(last(r.URL.Query(), "private"), "true")
	response{status: http.StatusOK, body: p.hub.Present(r.Context(), r.PathValue("topic"), private)}.write(w)
}
