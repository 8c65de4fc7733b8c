package server

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/cluster"
	"walcast/replication"
)

// nameRetry is the pause after a look for the name of the cluster that failed.
const nameRetry = 500 * time.Millisecond

// self is this node as others know it.
func (p *project) self() cluster.Node {
	s, now := p.reader.Status(), p.log.End()
	return cluster.Node{
		Node: p.name, Address: p.address, Role: string(s.Role), Position: now.Position.Text(), LagMS: int64(s.LagSeconds * 1000),
		Sessions: p.gateway.Sessions(), Version: p.config.Version, Since: p.since,
	}
}

// nodes are those of the cluster; without one it is this node alone.
func (p *project) nodes() []cluster.Node {
	if p.bus == nil {
		return []cluster.Node{p.self()}
	}
	return p.bus.Nodes()
}

// newer says that a node of the cluster writes what this version cannot read.
func (p *project) newer() error {
	if p.bus == nil {
		return nil
	}
	return p.bus.Newer()
}

// nodeName is what a node that listens at an address is called, and where clients reach
// it: a host that stands for all interfaces is replaced by that of the machine.
func nodeName(listens string) (name, address string) {
	host, port, _ := net.SplitHostPort(listens) // it is that of a listener
	machine, err := os.Hostname()
	if err != nil {
		machine = "localhost"
	}
	address = net.JoinHostPort(host, port)
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		address = net.JoinHostPort(machine, port)
	}
	return net.JoinHostPort(machine, port), address
}

// clusterName makes the name of the cluster of what all its nodes have in common, once
// Postgres can be asked. Servers with another slot are no nodes of it.
func (p *project) clusterName(ctx context.Context) (string, error) {
	for {
		name, err := p.askClusterName(ctx)
		var refused *pgconn.PgError
		switch {
		case err == nil, ctx.Err() != nil:
			return name, nil
		case errors.As(err, &refused) && refused.Code == "42501":
			return "", fmt.Errorf("cluster-name: the role of database-url may not ask Postgres for its system identifier: set cluster-name, the same for all nodes (%w)", err)
		}
		p.logger.Debug("name of the cluster not known yet", "err", oneLine(err))
		select {
		case <-ctx.Done():
		case <-time.After(nameRetry):
		}
	}
}

func (p *project) askClusterName(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	var system, database string
	err := p.pool.QueryRow(ctx, `select system_identifier::text, current_database()::text from pg_control_system()`).Scan(&system, &database)
	if err != nil {
		return "", err
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(database)) // a hash takes everything
	return system + "-" + strconv.FormatUint(h.Sum64(), 36), nil
}

// joinCluster makes this node one of a cluster, if the settings say so.
func (p *project) joinCluster(to *Config) {
	c := to.Cluster
	if !c.Enabled() {
		return
	}
	p.bus = cluster.New(c, to.Replication.Slot, p.self, func(question []byte) []byte { return p.reader.AnswerNode(question) }, p.logger, p.registry)
	to.Replication.Relay, to.Replication.RelayBytes, to.Replication.ReadyLag = relay{p.bus}, to.Log.Bytes, c.ReadyLag
	to.Channels.Bus, to.Channels.PresenceBus, to.Channels.ClientsBus = p.bus.Feed(broadcastsPending), p.bus.Feed(presencePending), p.bus.Feed(clientsPending)
	to.Channels.Nodes = func() int { return len(p.bus.Nodes()) }
}

// clientsPending is how many bytes may wait here of what other nodes tell of clients.
const clientsPending = 64 << 20

// broadcastsPending is how many bytes of broadcasts of other nodes may wait here.
const broadcastsPending = 64 << 20

// presencePending is the same of what other nodes tell of presence.
const presencePending = 64 << 20

// requestsPending is the same of what nodes say of requests over HTTP.
const requestsPending = 16 << 20

// requests leads to what nodes say of requests over HTTP; nil without a cluster.
func (p *project) requests() *cluster.Feed {
	if p.bus == nil {
		return nil
	}
	return p.bus.Feed(requestsPending)
}

// share has the nodes share what they say of requests.
func (p *project) share(ctx context.Context) error {
	if p.bus == nil {
		return nil
	}
	return p.api.Share(ctx)
}

// relay is the bus as it carries the WAL.
type relay struct{ *cluster.Bus }

// relayPending is how many bytes of what the reader has read may wait here.
const relayPending = 64 << 20

// Publish implements replication.Relay.
func (r relay) Publish(batch []byte) { r.Bus.Publish(cluster.SubjectWAL, batch) }

// Subscribe implements replication.Relay. It waits for the bus to be connected.
func (r relay) Subscribe(ctx context.Context) (replication.Subscription, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.Linked():
		return r.Bus.Subscribe(cluster.SubjectWAL, relayPending)
	}
}

// Ask implements replication.Relay.
func (r relay) Ask(ctx context.Context, question []byte, accept func(answer []byte) bool) (complete bool) {
	return r.Bus.Ask(ctx, string(replication.RoleReader), question, accept)
}
