package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"walcast/auth"
	"walcast/channels"
	"walcast/cluster"
	"walcast/filters"
	"walcast/gateway"
	"walcast/gateway/api"
	"walcast/internal/conninfo"
	"walcast/migrations"
	"walcast/policy"
	"walcast/replication"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
)

// project is one database with everything that serves it.
type project struct {
	config Config
	logger *slog.Logger
	pools
	reader   *replication.Reader
	verifier *auth.Verifier
	policy   *policy.Policy
	hub      *channels.Hub
	gateway  *gateway.Gateway
	api      *api.API
	writers  *writers
	types    *types
	upkeep   *upkeep
	node
}

// node is the project as a node of a cluster.
type node struct {
	bus           *cluster.Bus // nil if it is in none
	log           *changelog.Log
	registry      *prometheus.Registry
	name, address string    // see nodeName
	since         time.Time // when it was made
}

// newProject puts the parts together. Nothing runs yet but the pool's own
// goroutine, which ends with close. tell is told of the project's role.
func newProject(ctx context.Context, c Config, address string, tell func(replication.Role), logger *slog.Logger) (p *project, err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(c.Version))
	p = &project{
		config: c, logger: logger.With("component", "server"), types: newTypes(),
		node: node{log: changelog.New(c.Log), registry: registry, since: time.Now()},
	}
	p.name, p.address = nodeName(address)
	if p.pools, err = newPools(ctx, c); err != nil {
		return nil, err
	}
	if ignored := conninfo.Ignored(c.Replication.DatabaseURL); len(ignored) > 0 {
		p.logger.Info("parameters in database-url that are meant for other clients are ignored", "parameters", ignored)
	}
	defer func(made *project) { // p is nil after an error
		if err != nil {
			made.close()
		}
	}(p)
	p.upkeep = newUpkeep(p.pool, func() bool { return !p.reads() }, p.logger, registry)
	p.writers = &writers{pool: p.pool, roles: c.LogicalMessageRoles, logger: p.logger}
	c.Channels.PrivateLogicalMessages = p.writers.mayBePrivate
	c.Replication.OptionalPublications = append(c.Replication.OptionalPublications, migrations.Publication)
	c.Replication.Notices = p.notices(tell)
	p.joinCluster(&c)
	if p.reader, err = replication.NewReader(c.Replication, p.log, p.pool, logger, registry); err != nil {
		return nil, err
	}
	c.Channels.Flush = p.reader.Flush
	if p.bus == nil {
		c.Channels.SlotIsTaken = p.reader.SlotIsTaken // in a cluster each node has clients of its own
	}
	c.Auth.Logger = logger
	if p.verifier, err = auth.NewVerifier(c.Auth); err != nil {
		return nil, err
	}
	c.Channels.StateFile, c.Policy.StateFile = c.stateFile("clients"), c.stateFile("access")
	c.Channels.SnapshotPool, c.Channels.Publications = p.rows, c.Replication.Publications
	c.Channels.Archive = archive{migrations.NewArchive(p.pool)}
	operators := policy.NewOperators(p.pool, registry)
	c.Channels.Operators, c.Channels.Locale = operators, p.locale(ctx, operators)
	p.policy = policy.New(c.Policy, p.pool, logger, registry)
	p.policy.Restore()
	p.policy.OnChange(func(c policy.Changed) { p.reader.TypesChanged(c.Types) })
	c.Channels.Feed = func() channels.Feed {
		s := p.reader.Status()
		return channels.Feed{Streams: s.Heard.IsZero(), Since: s.Heard, PublicationMissing: s.PublicationMissing, PublicationsDiffer: s.PublicationsDiffer(), FilterRaises: s.FilterRaises()}
	}
	tables := catalog.New(p.pool, c.Replication.Publications)
	p.hub = channels.NewHub(c.Channels, p.log, tables, p.policy, p.verifier, logger, registry)
	p.hub.Restore()
	if p.gateway, err = gateway.New(c.Gateway, p.hub, p.verifier, logger, registry); err != nil {
		return nil, err
	}
	p.api = p.newAPI(registry)
	return p, nil
}

// newAPI has the limits of the gateway, so that nobody escapes them over HTTP.
func (p *project) newAPI(registry *prometheus.Registry) *api.API {
	limits := api.Config{
		MessagesPerSecond: p.config.Gateway.MessagesPerSecond,
		BytesPerSecond:    p.config.Gateway.BytesPerSecond,
		MetricsSecret:     p.config.MetricsSecret,
		SeparateMetrics:   p.config.MetricsListen != "",
	}
	return api.New(limits, api.Parts{
		Gateway: p.gateway, Hub: p.hub, Verifier: p.verifier, Status: p.reader.Status, Metrics: registry,
		Doctor: p.examine, Explain: p.explain, Page: p.config.Page, LogLevel: p.config.LogLevel,
		Self: p.self, Nodes: p.nodes, Newer: p.newer, Feed: p.requests(),
	})
}

// localeWait is how long a start is held up for the database's locale.
const localeWait = 2 * time.Second

// locale reads the settings of the database that comparisons of text and times
// depend on. Without them Postgres is asked to compare more often, which costs time
// and changes no result.
func (p *project) locale(ctx context.Context, operators *policy.Operators) filters.Locale {
	ctx, cancel := context.WithTimeout(ctx, localeWait)
	defer cancel()
	l, err := operators.Locale(ctx)
	if err != nil {
		p.logger.Warn("locale of the database not known: comparisons that depend on it are asked of Postgres", "err", err)
	}
	return l
}

// stages in the order of the road: each consumes what the ones before provide,
// so they stop from the last to the first. /metrics stays up to the end.
func (p *project) stages(s *Server) []stage {
	stages := []stage{
		{"replication", p.read},
		{"ready", func(ctx context.Context) error { return p.awaitStream(ctx, s) }},
		{"migrations", p.upkeep.run},
		{"logical messages", p.writers.run},
		{"auth", p.verifier.Run},
		{"types", func(ctx context.Context) error { return p.types.run(ctx, p.policy, p.reader) }},
		{"known access", func(ctx context.Context) error { return p.policy.Keep(ctx, func() bool { return !p.stands() }) }},
		{"policy", p.look},
		{"announcements", p.announceClients},
		{"channels", p.hub.Run},
		{"requests", p.share},
		{"gateway", func(ctx context.Context) error { return p.gateway.Run(ctx, s.clients, p.api.Handler()) }},
	}
	if p.bus != nil {
		stages = append([]stage{{"cluster", func(ctx context.Context) error { return p.bus.Run(ctx, p.clusterName) }}}, stages...)
	}
	if limit := p.config.Memory; limit != nil {
		stages = append([]stage{{"memory", func(ctx context.Context) error { return limit.Run(ctx, p.gateway.Sessions) }}}, stages...)
	}
	if s.metrics == nil {
		return stages
	}
	serve := stage{"metrics", func(ctx context.Context) error { return p.gateway.Serve(ctx, s.metrics, p.api.Operators()) }}
	return append([]stage{serve}, stages...)
}

// look keeps what policy knows of the catalog true until ctx is done.
func (p *project) look(ctx context.Context) error {
	if err := p.policy.Run(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// read follows the database as soon as it is there.
func (p *project) read(ctx context.Context) error {
	if err := awaitDatabase(ctx, p.pool, p.config.StartTimeout, p.logger); err != nil {
		return err
	}
	if p.config.Migrate {
		if err := p.migrate(ctx); err != nil {
			return err
		}
	}
	p.writers.look(ctx) // before the first message is read
	// Access is known as it is before the first live row comes, which then is no older. An
	// error is logged where it is noticed, and has some rows be taken for older.
	if _, err := p.policy.Confirm(ctx, time.Now()); err != nil {
		p.logger.Warn("not known before the first row who may see what: clients may have to resync", "err", err)
	}
	return p.reader.Run(ctx)
}

const (
	// announcePause is how late a start is announced.
	announcePause = 5 * time.Millisecond
	// announceStandby is the same after standing by, which may last for weeks.
	announceStandby = 100 * time.Millisecond
)

// awaitStream says that s is ready when the reader streams for the first time.
func (p *project) awaitStream(ctx context.Context, s *Server) error {
	for !p.reader.Status().Streaming {
		wait := announcePause
		if p.stands() {
			wait = announceStandby
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
	s.announce(p.reader.Status().Host)
	return nil
}

// listen opens a TCP listener. Its connections have no keepalive of TCP: the
// gateway pings its sessions, and ten thousand of them would get a packet every
// 15 s for nothing.
func listen(name, address string) (net.Listener, error) {
	c := net.ListenConfig{KeepAlive: -1}
	ln, err := c.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return ln, nil
}
