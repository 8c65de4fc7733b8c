package api

import (
	"net/http"
	"testing"
	"time"

	"walcast/cluster"
	"walcast/replication"
)

// testNodes are those of a cluster.
func testNodes() []cluster.Node {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []cluster.Node{
		{Node: "host:4000", Address: "10.0.0.1:4000", Role: "reader", Position: "16/B374D848:3", LagMS: 500, Sessions: 7, Version: "1.2.3", Since: since},
		{Node: "host:4001", Address: "10.0.0.2:4000", Role: "standby", Version: "1.2.3", Since: since},
	}
}

func TestClusterIsForServers(t *testing.T) {
	s := serve(t, Config{}, &fakeGateway{}, replication.Status{})
	const nodes = `{"nodes":[{"node":"host:4000","address":"10.0.0.1:4000","role":"reader","position":"16/B374D848:3","lag_ms":500,"sessions":7,"version":"1.2.3","since":"2026-01-02T03:04:05Z"},` +
		`{"node":"host:4001","address":"10.0.0.2:4000","role":"standby","position":"","lag_ms":0,"sessions":0,"version":"1.2.3","since":"2026-01-02T03:04:05Z"}]}`
	for _, test := range []struct {
		name, token string
		code        int
		body        string
	}{
		{"no token", "", 401, `{"message":"Unauthorized"}`},
		{"a user", sign(t, "authenticated"), 403, `{"message":"Forbidden: the nodes of the cluster are told to the role service_role only"}`},
		{"a server", sign(t, "service_role"), 200, nodes},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, _, body := ask(t, s, http.MethodGet, "/api/cluster", map[string]string{"Authorization": "Bearer " + test.token})
			if code != test.code || body != test.body {
				t.Errorf("GET /api/cluster = %d %s; want %d %s", code, body, test.code, test.body)
			}
		})
	}
}
