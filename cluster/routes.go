package cluster

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// lookUpEvery is how often the names of peers are looked up.
	lookUpEvery = 5 * time.Second
	// lookUpLimit is how long one look-up may take.
	lookUpLimit = 2 * time.Second
)

// routes are the nodes that the server connects to. A name that has several addresses
// stands for all of them: connected to one of two halves, no node would find the other.
// It belongs to the goroutine of run.
type routes struct {
	peers    []string
	password string
	logger   *slog.Logger
	resolve  func(ctx context.Context, host string) ([]string, error)

	options *server.Options // those that the server was started with
	known   []string        // addresses, sorted
}

func newRoutes(peers []string, password string, logger *slog.Logger) *routes {
	return &routes{peers: peers, password: password, logger: logger, resolve: net.DefaultResolver.LookupHost}
}

// lookUp looks the peers up and returns the addresses of all.
func (r *routes) lookUp() []*url.URL {
	r.known = r.addresses()
	urls := make([]*url.URL, len(r.known))
	for i, address := range r.known {
		urls[i] = routeURL(address, r.password)
	}
	return urls
}

// addresses are those of all peers now. A name that cannot be looked up stays as it is:
// the server tries it in its own way.
func (r *routes) addresses() (all []string) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUpLimit)
	defer cancel()
	for _, peer := range r.peers {
		host, port, err := splitAddress(peer)
		if err != nil {
			continue // Validate has refused it
		}
		found, err := r.resolve(ctx, host)
		if err != nil || len(found) == 0 {
			r.logger.Debug("name of a peer not resolved", "peer", peer, "err", err)
			found = []string{host}
		}
		for _, address := range found {
			all = append(all, net.JoinHostPort(address, strconv.Itoa(port)))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// run keeps the server's routes what the names stand for, until ctx is done.
func (r *routes) run(ctx context.Context, s *server.Server) {
	tick := time.NewTicker(lookUpEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if slices.Equal(r.known, r.addresses()) {
			continue
		}
		if err := r.update(s); err != nil {
			r.logger.Warn("new addresses of cluster-peers not taken", "err", err)
			continue
		}
		r.logger.Info("cluster-peers have other addresses", "addresses", r.known)
	}
}

// update has the server connect to the addresses that the peers have now.
func (r *routes) update(s *server.Server) error {
	options := r.options.Clone()
	options.Routes = r.lookUp()
	return s.ReloadOptions(options)
}
