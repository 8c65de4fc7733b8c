package channels

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"walcast/auth"
	"walcast/channels/fanout"
	"walcast/channels/live"
	"walcast/channels/moving"
	"walcast/channels/resume"
	"walcast/channels/spread"
	"walcast/channels/topics"
	"walcast/diagnose"
	"walcast/internal/heavy"
	"walcast/policy"
	"walcast/presence"
	"walcast/presence/exchange"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
)

// Hub is what the sessions of a project have in common. It is safe for
// concurrent use.
type Hub struct {
	config  Config
	log     *changelog.Log
	policy  *policy.Policy
	logger  *slog.Logger
	metrics *metrics
	fanout  *fanout.Fanout
	roster  *roster
	shares
	comers
	broadcasts
	presences
	tasks
}

// comers are clients with a client_id, and the other nodes that they may come from.
type comers struct {
	clients *resume.Clients
	moving  *moving.Exchange // nil without a cluster
}

// shares are what all sessions have together: turns to compute for long, and memory for what they
// have joined.
type shares struct {
	heavy    *heavy.Work
	holdings holdings
}

// broadcasts are the topics, and the other nodes that have members of them.
type broadcasts struct {
	topics *topics.Topics
	spread *spread.Spread // nil without a cluster
}

// presences are the rooms, and the other nodes that have members of them.
type presences struct {
	rooms    *presence.Rooms
	exchange *exchange.Exchange // nil without a cluster
}

// NewHub returns a hub; nothing runs before Run. tables answers which tables
// are published when a binding is checked.
func NewHub(c Config, log *changelog.Log, tables catalog.Catalog, p *policy.Policy, v *auth.Verifier, logger *slog.Logger, reg prometheus.Registerer) *Hub {
	logger = logger.With("component", "channels")
	c.Locale = c.Locale.Sharing()
	h := &Hub{
		config: c, log: log, policy: p, logger: logger,
		metrics: newMetrics(reg),
		roster:  newRoster(),
		shares:  shares{heavy: heavy.New(), holdings: holdings{limit: int64(c.MaxHeldTotal)}},
	}
	h.arming = newArming(diagnose.NewChecker(tables, p, c.Locale, c.Operators), p, c.Feed, logger)
	h.expiry = newExpiry(v)
	h.readiness = newReadiness(log)
	h.progress = live.NewTracker(log, live.Database{Moment: tables.Moment, Flush: c.Flush}, reg)
	h.readers = newReaders(readersConfig{check: c.ReadCheck, away: c.ReadAway, absent: log.Window()}, p, log, logger, h.metrics)
	registerArming(reg, h.arming)
	registerHoldings(reg, &h.holdings)
	h.broadcasts = newBroadcasts(topics.Config{
		Window: log.Window(), MaxTopics: rememberedTopics, MaxBroadcastBytes: c.MaxBroadcastBytes, Archive: c.Archive,
		Resynced: h.metrics.resynced, PrivateLogicalMessages: c.PrivateLogicalMessages,
	}, c.Bus, logger, reg)
	h.presences = newPresences(c, logger, reg)
	h.comers = newComers(c, h.readers.age, log.FirstReason, h.broadcasts, logger, reg)
	keys := live.NewKeys(c.ViewKeys)
	h.snapshots = newSnapshots(c, keys, tables, log, p, logger, reg)
	h.arming.checker.LimitSnapshots(c.SnapshotRows)
	h.fanout = fanout.New(fanout.Config{
		Snapshots: h.snapshots, Keys: keys, MaxChangeBytes: c.MaxChangeBytes, ResumeWait: c.ResumeWait, Locale: c.Locale, Operators: c.Operators,
		ViewRecheck: c.ViewRecheck, Raised: diagnose.Raised, Resynced: h.metrics.resynced, Heavy: h.heavy,
	}, log, p, sqlMessages{h.topics}, logger, reg)
	return h
}

// newBroadcasts are those of this node alone without a bus.
func newBroadcasts(c topics.Config, bus spread.Bus, logger *slog.Logger, reg prometheus.Registerer) (b broadcasts) {
	if bus != nil {
		b.spread = spread.New(bus, logger, reg)
		c.Nodes = b.spread
	}
	b.topics = topics.New(c, logger, reg)
	return b
}

// run brings broadcasts to and from other nodes, if there are some.
func (b broadcasts) run(ctx context.Context) error {
	if b.spread == nil {
		return nil
	}
	return b.spread.Run(ctx, b.topics)
}

// newComers are those of this node alone without a bus.
func newComers(c Config, rightAge func() time.Duration, reason func() string, b broadcasts, logger *slog.Logger, reg prometheus.Registerer) (all comers) {
	all.clients = resume.NewClients(resume.Config{
		StateFile: c.StateFile, Limit: rememberedTopics, Memory: rememberedFor, Shared: c.ClientsBus != nil, RightAge: rightAge, Quiet: b.topics.Quiet,
	}, reason, reg, b.topics.Past())
	if c.ClientsBus != nil {
		all.moving = moving.New(moving.Config{Bus: c.ClientsBus, Clients: all.clients, Broadcasts: heardOf{b}, Nodes: c.Nodes, Keep: rememberedFor}, logger, reg)
	}
	return all
}

// run tells other nodes of clients, if there are some.
func (all comers) run(ctx context.Context) error {
	if all.moving == nil {
		return nil
	}
	return all.moving.Run(ctx)
}

// heardOf implements moving.Broadcasts.
type heardOf struct{ broadcasts }

func (h heardOf) Fence(ctx context.Context) bool { return h.spread.Fence(ctx) }

func (h heardOf) Silent(topic uint64, since time.Time) bool { return h.spread.Silent(topic, since) }

// missedBytes is how many bytes of broadcasts go to another node with a client.
const missedBytes = 256 << 10

func (h heardOf) Missed(t protocol.Topic, heard uint64) (encoded [][]byte, complete bool) {
	missed, complete := h.topics.Missed(t, heard)
	size := 0
	for _, c := range missed {
		b := spread.Encode(t, c)
		if size += len(b); size > missedBytes {
			return nil, false
		}
		encoded = append(encoded, b)
	}
	return encoded, complete
}

// newPresences are those of this node alone without a bus.
func newPresences(c Config, logger *slog.Logger, reg prometheus.Registerer) (p presences) {
	config := presence.RoomsConfig{Rate: c.PresenceRate, Grace: c.PresenceGrace, Seed: randomSeed()}
	if c.PresenceBus != nil {
		p.exchange = exchange.New(c.PresenceBus, c.PresenceGrace, logger, reg)
		config.Nodes = p.exchange
	}
	p.rooms = presence.NewRooms(config, reg)
	return p
}

// run tells members of each other, and other nodes, if there are some.
func (p presences) run(ctx context.Context) error {
	if p.exchange == nil {
		return p.rooms.Run(ctx)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.rooms.Run(ctx) })
	g.Go(func() error { return p.exchange.Run(ctx, p.rooms) })
	return g.Wait()
}

// newSnapshots are those that bindings ask for, nil without a pool for them.
func newSnapshots(c Config, keys *live.Keys, tables catalog.Catalog, log *changelog.Log, p *policy.Policy, logger *slog.Logger, reg prometheus.Registerer) *live.Snapshots {
	if c.SnapshotPool == nil {
		return nil
	}
	return live.NewSnapshots(live.SnapshotsConfig{
		SnapshotLimits: c.SnapshotLimits, Pool: c.SnapshotPool, Publications: c.Publications, Log: log, Policy: p, Logger: logger,
		Keys: keys, Tables: tables, Encode: fanout.EncodeRows(c.MaxChangeBytes),
	}, reg)
}

// Heavy is what clients have the server compute for long. Whoever reads messages for
// a session of the hub takes a turn of it for large ones.
func (h *Hub) Heavy() *heavy.Work { return h.heavy }

// Restore reads what an earlier run has left about its clients. It must be
// called, if at all, before the first Open, and changes nothing: see TakeOver.
func (h *Hub) Restore() { h.clients.Restore(now(), h.logger) }

// TakeOver has the hub use, from now on, what an earlier run has left about its
// clients: the slot is held, so that no other server does. succeeds says that another
// had it since Restore. Clients with a client_id that came before, and were judged by
// what another server has changed since, are closed, so that they join again.
func (h *Hub) TakeOver(succeeds bool) {
	if !h.clients.Open(now(), succeeds, h.logger) {
		return
	}
	sessions, _ := h.roster.present()
	for _, s := range sessions {
		if s.identity.ClientID != "" {
			s.out.Close(protocol.CloseRestart, protocol.ReasonTakenOver)
		}
	}
}

// Peers are the other servers of the database, to which clients of the hub may go.
func (h *Hub) Peers() Peers { return Peers{h.clients, h.logger} }

// Run runs the fan-out, presence, the tasks, and the expiry of what is kept for
// clients that come back. It blocks until ctx is done and everything it started
// has returned. Sessions must be closed before ctx is done: what they receive
// later is not saved.
func (h *Hub) Run(ctx context.Context) error {
	defer h.save(ctx)
	g, ctx := errgroup.WithContext(ctx)
	h.tasks.start(ctx, g)
	for _, run := range []func(context.Context) error{h.fanout.Run, h.forget, h.broadcasts.run, h.presences.run, h.comers.run} {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

// takenWait bounds how long a stop is held up by the question who has the slot.
const takenWait = 500 * time.Millisecond

// save keeps what clients have received for the next run, unless another server has
// the slot by now: then the state is that one's, and the clients are too.
func (h *Hub) save(ctx context.Context) {
	if h.config.SlotIsTaken != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takenWait)
		defer cancel()
		if h.config.SlotIsTaken(ctx) {
			h.logger.Warn("state of clients not saved: another server has the slot, and knows them")
			return
		}
	}
	h.clients.Save(now(), h.logger)
}

// forgetEvery is how long what is kept for clients that come back may outlive
// its time.
const forgetEvery = 5 * time.Second

// forget drops what has been kept for long enough, until ctx is done.
func (h *Hub) forget(ctx context.Context) error {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			h.topics.Expire(now())
			h.clients.Expire(now())
			h.arming.checker.Expire(now())
		}
	}
}

// randomSeed makes presence refs of two processes differ. crypto/rand does not
// fail on the systems Go runs on; it ends the program if it does.
func randomSeed() (seed [12]byte) {
	_, _ = rand.Read(seed[:])
	return seed
}
