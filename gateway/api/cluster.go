package api

import (
	"net/http"

	"walcast/cluster"
)

// clusterNodes answers GET /api/cluster.
type clusterNodes struct{ list func() []cluster.Node }

// get answers with the nodes of the cluster, the same whichever of them is asked. It is
// for operators: addresses within a network are nobody else's concern.
func (n *clusterNodes) get(w http.ResponseWriter, _ *http.Request) {
	jsonResponse(http.StatusOK, map[string][]cluster.Node{"nodes": n.list()}).write(w)
}
