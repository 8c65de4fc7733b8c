package cluster

import (
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics of the bus.
type metrics struct {
	sent, received, lost, slow, unreadable prometheus.Counter

	server atomic.Pointer[server.Server] // nil until it runs, and where it runs elsewhere
}

func newMetrics(reg prometheus.Registerer, b *Bus) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "walcast_cluster_" + name, Help: help})
	}
	m := &metrics{
		sent:       counter("sent_bytes_total", "Bytes of messages handed to the bus, beats left out."),
		lost:       counter("lost_messages_total", "Messages that this node could not hand to the bus, as it was too slow or not there."),
		received:   counter("received_bytes_total", "Bytes of messages that came over the bus."),
		slow:       counter("slow_reads_total", "Times that messages were lost as this node did not read them fast enough."),
		unreadable: counter("unreadable_messages_total", "Messages of the bus that could not be read, be it that a newer version has written them."),
	}
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "walcast_cluster_" + name, Help: help}, value)
	}
	gauge("nodes", "Nodes of the cluster that are there, this one among them.", func() float64 { return float64(len(b.Nodes())) })
	gauge("connected", "1 while this node is connected to the bus.", b.connected)
	gauge("routes", "Nodes that the NATS server within this node is connected to.", func() float64 {
		if s := m.server.Load(); s != nil {
			return float64(s.NumRoutes())
		}
		return 0
	})
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "walcast_cluster_slow_routes_total",
		Help: "Connections to nodes that the NATS server within this node has cut off as they were too slow.",
	}, func() float64 {
		if s := m.server.Load(); s != nil {
			return float64(s.NumSlowConsumers())
		}
		return 0
	})
	return m
}

func (b *Bus) connected() float64 {
	if l := b.link.Load(); l != nil && l.conn.IsConnected() {
		return 1
	}
	return 0
}

// secretsOf are what of a config must not be logged.
func secretsOf(c Config) (secrets []string) {
	if c.Secret != "" {
		secrets = append(secrets, c.Secret, routePassword(c.Secret))
	}
	for address := range strings.SplitSeq(c.NATSURL, ",") {
		u, err := url.Parse(strings.TrimSpace(address))
		if err != nil {
			secrets = append(secrets, address)
			continue
		}
		if u.User == nil {
			continue
		}
		password, hasPassword := u.User.Password()
		if !hasPassword {
			password = u.User.Username() // a token
		}
		secrets = append(secrets, u.User.String(), password)
	}
	return secrets
}
