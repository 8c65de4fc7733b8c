package cluster

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// routeUser is the user by which nodes connect to each other.
	routeUser = "walcast"
	// pingEvery and pingsOut have a node that is frozen or cut off known within 3 s.
	pingEvery = time.Second
	pingsOut  = 2
	// maxPending is what may wait for one node, in bytes: one that is slower is cut off,
	// connects again and asks for what it misses.
	maxPending = 64 << 20
	// maxPayload is how large a message may be. Of what nodes send only descriptions of
	// thousands of tables are larger than NATS allows by itself.
	maxPayload = 8 << 20
	// startLimit is how long the server may take to listen.
	startLimit = 10 * time.Second
)

// embedded is a NATS server within this process.
type embedded struct {
	server *server.Server
	routes *routes
	token  string // for this process' own connection
}

// startEmbedded starts the server. It listens for other nodes at Listen, and for this
// process alone on a free port of 127.0.0.1: without that it would not open routes.
func startEmbedded(c Config, logger *slog.Logger) (*embedded, error) {
	host, port, err := splitAddress(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("cluster-listen: %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	if host == "" {
		host = "0.0.0.0"
	}
	secured, err := c.TLS.config()
	if err != nil {
		return nil, err
	}
	password := routePassword(c.Secret)
	e := &embedded{token: rand.Text()}
	e.routes = newRoutes(c.Peers, password, logger)
	options := &server.Options{
		ServerName: rand.Text(), Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: e.token,
		NoSigs: true, MaxPending: maxPending, MaxPayload: maxPayload, NoFastProducerStall: true,
		Routes: e.routes.lookUp(),
		Cluster: server.ClusterOpts{
			Name: "walcast", Host: host, Port: port, Username: routeUser, Password: password,
			PingInterval: pingEvery, MaxPingsOut: pingsOut, PoolSize: -1, WriteDeadline: 3 * time.Second,
			TLSConfig: secured, TLSTimeout: 5,
		},
	}
	if e.server, err = server.NewServer(options); err != nil {
		return nil, fmt.Errorf("start NATS server: %w", err)
	}
	log := &natsLogger{logger: logger, secrets: []string{password, c.Secret, e.token}}
	e.server.SetLoggerV2(log, false, false, false)
	e.server.Start()
	if !e.server.ReadyForConnections(startLimit) {
		e.stop()
		if why := log.fatal.Load(); why != nil {
			return nil, fmt.Errorf("cluster-listen: %s", *why)
		}
		return nil, errors.New("cluster-listen: the NATS server does not listen")
	}
	e.routes.options = options
	return e, nil
}

// routePassword is what nodes show each other: the secret itself is never sent, and may
// have any characters.
func routePassword(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("walcast cluster route"))
	return hex.EncodeToString(mac.Sum(nil))
}

// options are for the connection of this process. It is not pinged: it cannot be cut, and
// a process that gets no processor for seconds would take it for that.
func (e *embedded) options() []nats.Option {
	return []nats.Option{nats.InProcessServer(e.server), nats.Token(e.token), nats.PingInterval(0)}
}

// stop ends the server and all that it has started.
func (e *embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// routeURL is the address of a node as the server takes it.
func routeURL(address, password string) *url.URL {
	return &url.URL{Scheme: "nats-route", User: url.UserPassword(routeUser, password), Host: address}
}
