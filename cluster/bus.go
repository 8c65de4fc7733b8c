package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/nodes"
)

const (
	// reconnectWait is the pause between two attempts to connect to NATS.
	reconnectWait = 250 * time.Millisecond
	// connectLimit bounds one of them.
	connectLimit = 2 * time.Second
	// partingLimit bounds how long a stop waits for the last messages to leave.
	partingLimit = 500 * time.Millisecond
	// beatsPending is how many bytes of beats, or of questions, may wait here.
	beatsPending = 1 << 20
)

// Bus carries messages between the nodes of a cluster. Run connects it; before, and
// while there is no connection, nothing is sent and nothing comes. It is safe for
// concurrent use.
type Bus struct {
	config  Config
	slot    string // which all nodes have
	run     string // names this process
	self    func() Node
	logger  *slog.Logger
	metrics *metrics
	members members
	sending *sending
	answer  func(question []byte) []byte
	connection
}

// connection is what is known of the way to the bus, without asking the library, which
// may wait for the network.
type connection struct {
	link    atomic.Pointer[link]
	linked  chan struct{} // closed when link is there
	online  atomic.Bool   // it is connected
	largest atomic.Int64  // message in bytes that it takes, 0 if that is not known
}

// link is the connection of a bus, and what its subjects begin with.
type link struct {
	conn   *nats.Conn
	prefix string
}

// New returns a bus that is not connected. slot is the
// name of the slot, self says what this node is, and answer answers what other nodes Ask;
// neither may block for long.
func New(c Config, slot string, self func() Node, answer func(question []byte) []byte, logger *slog.Logger, reg prometheus.Registerer) *Bus {
	b := &Bus{
		config: c, slot: slot, run: rand.Text(), self: self, answer: answer, connection: connection{linked: make(chan struct{})},
		logger: logger.With("component", "cluster"),
	}
	b.metrics = newMetrics(reg, b)
	b.sending = newSending(b.metrics)
	return b
}

// Run connects to the bus and carries messages until ctx is done; then it tells the
// other nodes that this one leaves. name gives the name of the cluster, where Config
// has none. It fails when the bus cannot be had with these settings.
func (b *Bus) Run(ctx context.Context, name func(context.Context) (string, error)) error {
	options := b.options()
	var node *embedded
	if b.config.Listen != "" {
		var err error
		if node, err = startEmbedded(b.config, b.logger); err != nil {
			return err
		}
		defer node.stop()
		b.metrics.server.Store(node.server)
		options = append(options, node.options()...)
	}
	prefix, err := b.prefix(ctx, name)
	if err != nil || ctx.Err() != nil {
		return err
	}
	closed := make(chan struct{})
	options = append(options, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	conn, err := nats.Connect(b.config.NATSURL, options...)
	if err != nil {
		return fmt.Errorf("nats-url: connect to NATS: %w", b.redacted(err))
	}
	defer func() {
		conn.Close()
		<-closed
	}()
	b.link.Store(&link{conn, prefix})
	close(b.linked)
	b.logger.Info("connected to the cluster's bus", "subjects", prefix, "node", b.self().Node)
	return b.serve(ctx, conn, node)
}

// prefix is what the subjects of the cluster begin with.
func (b *Bus) prefix(ctx context.Context, name func(context.Context) (string, error)) (string, error) {
	if b.config.Name != "" {
		return "walcast." + b.config.Name + "." + b.slot, nil
	}
	made, err := name(ctx)
	return "walcast." + made + "." + b.slot, err
}

// options are those of the connection, wherever the server runs.
func (b *Bus) options() []nats.Option {
	options := []nats.Option{
		nats.Name("walcast"), nats.NoEcho(), nats.IgnoreAuthErrorAbort(), nats.Timeout(connectLimit), nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait), nats.ReconnectBufSize(-1),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsOut),
		nats.ConnectHandler(b.connects),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.online.Store(false)
			if err != nil {
				b.logger.Warn("connection to the cluster's bus lost", "err", b.redacted(err))
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			b.logger.Warn("cluster's bus cannot be connected to, trying again", "err", b.redacted(err))
		}),
		nats.ReconnectHandler(func(conn *nats.Conn) {
			b.connects(conn)
			b.logger.Info("connected to the cluster's bus again")
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { b.failed(err) }),
	}
	if file := b.config.NATSCredentialsFile; file != "" {
		options = append(options, nats.UserCredentials(file))
	}
	return options
}

// connects notes that the bus is there, and what it takes.
func (b *Bus) connects(conn *nats.Conn) {
	b.largest.Store(conn.MaxPayload())
	b.online.Store(true)
}

// failed takes note of an error that no call has returned.
func (b *Bus) failed(err error) {
	if errors.Is(err, nats.ErrSlowConsumer) {
		b.metrics.slow.Inc()
		b.logger.Warn("messages of the bus are lost as they are not read fast enough: what matters is asked for again")
		return
	}
	b.logger.Warn("error of the cluster's bus", "err", b.redacted(err))
}

// serve works with a connection until ctx is done.
func (b *Bus) serve(ctx context.Context, conn *nats.Conn, node *embedded) error {
	beats, err := b.Subscribe(subjectBeat, beatsPending)
	if err != nil {
		return err
	}
	questions, err := b.Subscribe(subjectAsk+"."+b.run, beatsPending)
	if err != nil {
		return err
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { b.listen(inner, beats) })
	parts.Go(func() { b.respond(inner, questions) })
	parts.Go(func() { b.sending.run(inner, conn) })
	if node != nil {
		parts.Go(func() { node.routes.run(inner, node.server) })
	}
	b.beat(ctx)
	_ = b.publish(subjectBeat, beat{Run: b.run, Bye: true, Node: b.self()}.encode()) // others notice without it, a little later
	_ = conn.FlushTimeout(partingLimit)
	return nil
}

// beat says again and again that this node is there, until ctx is done.
func (b *Bus) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		_ = b.publish(subjectBeat, beat{Run: b.run, Node: b.self()}.encode()) // the next one may get through
		b.members.expire(time.Now(), b.logger)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// listen takes in what other nodes say of themselves.
func (b *Bus) listen(ctx context.Context, beats *Subscription) {
	for {
		message, err := beats.Next(ctx)
		if err != nil {
			return
		}
		heard, err := decodeBeat(message)
		if err != nil {
			b.Unreadable(err)
			continue
		}
		b.members.hear(heard, time.Now(), b.logger)
	}
}

// Unreadable takes note of a message that could not be read. One that a newer version
// has written is told by Newer for a while.
func (b *Bus) Unreadable(err error) {
	b.metrics.unreadable.Inc()
	var newer nodes.NewerError
	if errors.As(err, &newer) {
		if b.members.meetNewer(err, time.Now()) {
			b.logger.Error("this node is not ready: it cannot read what a node of the cluster writes", "err", err)
		}
		return
	}
	b.logger.Warn("message of the cluster's bus not read", "err", err)
}

// Linked is closed once messages can be sent, or wait for a connection.
func (b *Bus) Linked() <-chan struct{} { return b.linked }

// Newer says that some node of the cluster writes what this one cannot read; nil if
// none has for ten seconds.
func (b *Bus) Newer() error { return b.members.newerNow(time.Now()) }

// Nodes are the nodes that are there, this one among them, in the order of their names.
func (b *Bus) Nodes() []Node { return b.members.nodes(b.self()) }

// redacted is an error without what of it is secret.
func (b *Bus) redacted(err error) error {
	return errors.New((&natsLogger{secrets: secretsOf(b.config)}).text("%v", []any{err}))
}
