package takeover

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// bus is the settings of nodes that find each other on this machine.
type bus struct{ first string }

const clusterSecret = "the-secret-of-this-cluster"

func newBus(t *testing.T) *bus {
	t.Helper()
	return &bus{freeAddress(t)}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := program.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// node is the settings of one more node.
func (b *bus) node(t *testing.T, args ...string) []string {
	t.Helper()
	listen := b.first
	if l, err := net.Listen("tcp", b.first); err != nil {
		listen = freeAddress(t)
	} else {
		l.Close()
	}
	return append([]string{"--cluster-listen", listen, "--cluster-peers", b.first, "--cluster-secret", clusterSecret, "--state-dir", t.TempDir()}, args...)
}

// member is a node as GET /api/cluster tells.
type member struct {
	Node, Address, Role, Position, Version string
	LagMS                                  int64 `json:"lag_ms"`
	Sessions                               int
	Since                                  time.Time
}

// cluster is what the node says of the nodes.
func (n *node) cluster() (members []member) {
	n.t.Helper()
	request, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, "http://"+n.Address+"/api/cluster", nil)
	if err != nil {
		n.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+program.Sign(jwt.MapClaims{"role": "service_role", "exp": time.Now().Add(time.Hour).Unix()}))
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var body struct{ Nodes []member }
	if json.NewDecoder(response.Body).Decode(&body) != nil {
		return nil
	}
	return body.Nodes
}

// awaitCluster waits until each of the nodes tells the same of all, by role.
func awaitCluster(t *testing.T, roles map[*node]string) {
	t.Helper()
	var want []string
	for n, role := range roles {
		_, port, _ := net.SplitHostPort(n.Address)
		want = append(want, port+" "+role)
	}
	slices.Sort(want)
	for n := range roles {
		until(t, n.name+" to tell the nodes "+strings.Join(want, ", "), func() bool {
			var got []string
			for _, m := range n.cluster() {
				_, port, _ := net.SplitHostPort(m.Node)
				got = append(got, port+" "+m.Role)
			}
			slices.Sort(got)
			return slices.Equal(got, want)
		})
	}
}

// directory has every node know all, whoever comes and goes.
func directory(t *testing.T, binary string) {
	f, way := newField(t, binary, devdb.Open(t)), newBus(t)
	a := f.reader(way.node(t)...)
	b := f.standby(way.node(t)...)
	c := f.standby(way.node(t)...)
	awaitCluster(t, map[*node]string{a: "reader", b: "follower", c: "follower"})
	f.write(1, 1)
	until(t, "the position of the reader to be told by another", func() bool {
		return slices.ContainsFunc(b.cluster(), func(m member) bool {
			return m.Role == "reader" && m.Position != "" && m.Address == a.Address && !m.Since.IsZero() && m.Version != ""
		})
	})
	a.signal(syscall.SIGKILL)
	b.awaitReader()
	awaitCluster(t, map[*node]string{b: "reader", c: "follower"})
	c.signal(syscall.SIGSTOP)
	awaitCluster(t, map[*node]string{b: "reader"})
	c.signal(syscall.SIGCONT)
	awaitCluster(t, map[*node]string{b: "reader", c: "follower"})
	c.stop()
	awaitCluster(t, map[*node]string{b: "reader"})
	for _, n := range f.nodes {
		if n.log.Find(clusterSecret) != 0 {
			t.Errorf("%s has logged the secret", n.name)
		}
	}
}
