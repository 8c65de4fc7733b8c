package api

import (
	"net/http"

	"walcast/cluster"
)

// nodes answers GET /api/cluster.
type nodes struct {
	list     func() []cluster.Node
	requests *requests
}

// get answers with the nodes of the cluster, the same whichever of them is asked. It is
// for operators: addresses within a network are nobody else's concern.
func (n *nodes) get(w http.ResponseWriter, r *http.Request) {
	claims := n.requests.claims(r)
	switch {
	case claims == nil:
		unauthorized.write(w)
	case claims.Role != serviceRole:
		message(http.StatusForbidden, "Forbidden: the nodes of the cluster are told to the role service_role only").write(w)
	default:
		jsonResponse(http.StatusOK, map[string][]cluster.Node{"nodes": n.list()}).write(w)
	}
}
