package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/conninfo"
	"walcast/replication/changelog"
	"walcast/replication/relay"
	"walcast/replication/wal"
)

// attempt connects and streams until something breaks or ctx is done. Its error
// is a *fault that names what was connected to.
func (r *Reader) attempt(ctx context.Context) error {
	ordinary := r.control.pool.Config().ConnConfig
	server, err := r.preflight(ctx)
	if err == nil {
		err = r.awaitTurn(ctx, &server)
	}
	if err != nil {
		return classify(err, target{role: ordinary.User, database: ordinary.Database, slot: r.config.Slot})
	}
	socket := newSocketReader()
	config, err := replicationConfig(r.config.DatabaseURL, r.slot.application, socket)
	if err != nil {
		return classify(errors.New("database-url: cannot be read"), target{slot: r.config.Slot})
	}
	config.RuntimeParams["wal_sender_timeout"] = milliseconds(r.timing.sender)
	err = r.connect(ctx, config, socket, server)
	return classify(err, target{role: config.User, database: config.Database, slot: r.config.Slot})
}

// awaitTurn waits until this process may read the slot, and makes sure then that there
// are publications to read from it.
func (r *Reader) awaitTurn(ctx context.Context, s *server) error {
	err := r.slot.succession.await(ctx, *s, r.outcomes.held, func() { r.follower.start(ctx) })
	r.outcomes.stoodBy = r.outcomes.stoodBy || r.slot.succession.stands()
	if err != nil {
		return err // following goes on: Postgres may be away for this node alone
	}
	if err := r.prepare(ctx, s); err != nil {
		return err
	}
	if last, joined := r.follower.stop(); joined {
		r.continuity.follow(last)
	}
	return nil
}

// connect opens the replication connection, makes sure that the slot can be read
// and streams from it.
func (r *Reader) connect(ctx context.Context, config *pgconn.Config, socket *socketReader, server server) error {
	conn, err := connectReplication(ctx, config, r.outcomes.untranslatable)
	if err != nil {
		return err
	}
	defer closeQuietly(conn) // does nothing once the stream has taken it over
	now, ancestors, err := r.identify(ctx, conn, server.started)
	if err != nil {
		return err
	}
	if err := r.prepareSlot(ctx, conn, server); err != nil {
		return err
	}
	err = r.slot.whenFree(ctx, server.hasLock, func() error {
		return startStreaming(ctx, conn, startCommand(r.config.Slot, r.continuity.goOnAt(r.progress.received()), server.publications))
	})
	if err != nil {
		return fmt.Errorf("start replication from slot %q: %w", r.config.Slot, err)
	}
	r.takeOver(ctx, server)
	source := changelog.Source{
		System: now.id, Database: server.database, Timeline: now.timeline, Ancestors: ancestors, Publications: server.publications,
	}
	r.log.ReadFrom(source)
	at, err := r.beginHistory(ctx, now)
	if err != nil {
		return err
	}
	at.end = now.end
	if at.term, err = r.newTerm(ctx, now); err != nil {
		return err
	}
	at.opening = relay.Opening{
		History: r.log.History(), Reason: r.log.Reason(), Source: source, Instance: now.instance, End: now.end,
		Encoding: conn.ParameterStatus("server_encoding"), AsStored: conn.ParameterStatus("client_encoding") != conninfo.Encoding(conn),
	}
	server.host = conninfo.Host(ctx, config, conn.Conn().RemoteAddr())
	return r.stream(ctx, conn, socket, server, at)
}

// takeOver tells that the slot is ours, and announces this server to others that read
// the database, before any client is served from the slot.
func (r *Reader) takeOver(ctx context.Context, server server) {
	r.outcomes.held = true
	if r.config.SlotHeld != nil {
		r.config.SlotHeld(r.slot.succession.stands())
	}
	r.progress.connected(server.isStandby)
	if r.config.Heartbeat == 0 || server.isStandby {
		return
	}
	if err := r.messages().begin(ctx); err != nil && ctx.Err() == nil {
		r.logger.Warn("other walcasts that read this database do not learn of this one, and may take its clients for new", "err", err)
	}
}

// start is where a stream begins.
type start struct {
	from      wal.LSN // what commits before it has been read, or is not to be read
	confirmed wal.LSN // where the slot is: at from, or behind it by what is in the window
	end       wal.LSN // where the WAL ended when the stream was about to begin

	// What other nodes of a cluster are told of the stream; zero in none.
	term    relay.Term
	opening relay.Opening
}

// newTerm says of the stream that begins that it is the newest. The slot is ours by now,
// so that whoever read it before has read no more than the WAL has.
func (r *Reader) newTerm(ctx context.Context, now system) (t relay.Term, err error) {
	if r.config.Relay == nil {
		return t, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	var end string
	t.Timeline = now.timeline
	err = r.control.use(ctx, func(db querier) error {
		rows, err := db.Query(ctx, `select (`+walEnd+`)::text, (extract(epoch from clock_timestamp()) * 1000000)::bigint`)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&end, &t.At}, func() error { return nil })
		return err
	})
	if err != nil {
		return t, fmt.Errorf("ask where the WAL ends: %w", err)
	}
	t.Begun, err = wal.ParseLSN(end)
	return t, err
}

// stream streams until the connection breaks or ctx is done.
func (r *Reader) stream(ctx context.Context, conn *pgconn.PgConn, socket *socketReader, server server, at start) error {
	pid := int32(conn.PID())
	s, err := r.newStream(conn, socket, server, at)
	if err != nil {
		return err
	}
	r.progress.started(at, server.host)
	r.retention.started(pid)
	defer r.retention.stopped()
	r.outcomes.streamed = true
	r.logger.Info("replication started", "position", at.from.String(), "host", server.host, "publications", server.publications)
	if took, stood := r.slot.succession.end(); stood {
		r.metrics.takeovers.Inc()
		r.logger.Info("taken over: this process has the slot and serves clients", "took", took.Round(time.Millisecond))
	}
	r.outcomes.filters.began(server.version, at.end)
	err = s.run(ctx)
	return r.outcomes.filters.ended(err, s.receiver.decoder.XID(), r.outcomes.stoodBy)
}

// newStream takes the connection over from pgconn, which is not made to be
// written to while another goroutine reads.
func (r *Reader) newStream(conn *pgconn.PgConn, socket *socketReader, server server, at start) (*stream, error) {
	describer := &describer{control: r.control, types: r.control.types, limit: r.timing.query, asking: newAtomicTime(time.Now())}
	text := newTranscoder(describer, conn)
	raw, err := conn.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over replication connection: %w", err)
	}
	began := time.Now()
	lastTransaction := newAtomicTime(began)
	lastTransaction.set(began)
	watch := &publicationWatch{
		publications: r.publications, reading: server.publications, version: server.version, pool: r.control.pool, mayWrite: r.progress.mayWrite,
		timing:   publicationTiming{every: r.timing.publications, mark: r.timing.heartbeatLate, query: r.timing.query},
		progress: r.progress, logger: r.logger,
	}
	ownHeartbeats := &heartbeats{
		messages: r.messages(), idle: r.config.Heartbeat, lateAfter: r.timing.heartbeatLate,
		late: r.metrics.late, logger: r.logger, lastTransaction: lastTransaction, written: began,
	}
	acks := &acknowledger{
		log: r.log, conn: raw.Conn, socket: socket, progress: r.progress, timing: r.timing.streamTiming,
		patience: stallPatience(r.timing.silence, r.outcomes.stalled),
		hurry:    func() bool { return watch.anew() != nil }, requested: make(chan struct{}, 1), confirmed: at.confirmed,
	}
	acks.received(at.from)
	return &stream{
		slot: r.config.Slot, conn: raw.Conn, frontend: raw.Frontend,
		acknowledger: acks, heartbeats: ownHeartbeats, publications: watch,
		silence: &silenceWatch{
			socket: socket, asking: describer.asking, pool: r.control.pool, slot: r.config.Slot, walsender: raw.PID, timing: r.timing.streamTiming,
			patience: stallPatience(r.timing.doubt, r.outcomes.stalled), progress: r.progress,
		},
		mayWrite:   r.progress.mayWrite,
		watchEvery: min(r.timing.sample, r.timing.publications),
		receiver: r.newReceiver(intake{
			appender: appender{
				log: r.log, metrics: r.metrics, progress: r.progress, logger: r.logger,
				patience: r.timing.headway, lastTransaction: lastTransaction, batch: batch{upTo: at.from},
			},
			describer: describer, transcoder: text,
		}, acks, ownHeartbeats, watch, at),
	}, nil
}

// newReceiver is that of a stream which begins. In a cluster the other nodes are told
// what it reads.
func (r *Reader) newReceiver(i intake, acks *acknowledger, beats *heartbeats, watch *publicationWatch, at start) *receiver {
	told := &publisher{relay: r.config.Relay, retained: r.retained}
	if told.relay != nil {
		told.begin(at.term, at.from, at.opening)
	}
	receiver := &receiver{
		intake: i, publisher: told, acknowledger: acks, heartbeats: beats, publications: watch, logger: r.logger,
		peers: peers{slot: r.config.Slot, found: r.config.PeerFound, clients: r.config.PeerClients},
	}
	receiver.own = receiver.takeOwn
	return receiver
}

// identify finds out whether the cluster at the other end continues what was
// read; if not, subscribers have to resync. ancestors are the timelines before.
func (r *Reader) identify(ctx context.Context, conn *pgconn.PgConn, instance string) (now system, ancestors []changelog.TimelineEnd, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	now, err = identify(ctx, conn)
	now.instance = instance
	if err != nil {
		return now, nil, err
	}
	ancestors, unread := ancestorsOf(ctx, conn, now.timeline)
	err = r.continuity.compare(now, r.progress.received(), r.progress.seenTimeline(), func(timeline int32) (wal.LSN, error) {
		return endOf(timeline, ancestors), unread
	})
	if err == nil && unread != nil {
		r.logger.Warn("clients whose history is of an earlier timeline are told to resync", "err", unread)
	}
	return now, ancestors, err
}

// prepareSlot makes sure that there is a slot that can be read. One that is
// lost beyond repair is replaced, and subscribers have to resync.
func (r *Reader) prepareSlot(ctx context.Context, conn *pgconn.PgConn, s server) error {
	slot, err := r.slot.find(ctx)
	if err != nil {
		return err
	}
	if slot != nil {
		if err := slot.Refused(s.database); err != nil {
			return err
		}
		why, lost := slot.Lost()
		if lost {
			r.continuity.replaceSlot(causeSlotLost)
		}
		if r.continuity.replace == "" {
			return r.slot.ensureFailover(ctx, conn, slot, s.hasLock)
		}
		r.logger.Error("slot cannot be read any further and is made anew, subscribers have to resync",
			"reason", r.continuity.replace, "why", why, "wal_status", slot.WALStatus, "confirmed", slot.Confirmed.String())
		if err := r.slot.whenFree(ctx, s.hasLock, func() error { return r.slot.drop(ctx) }); err != nil {
			return err
		}
	} else if r.continuity.slotIsMissing() {
		r.logger.Error("slot was dropped and is made anew, subscribers have to resync", "reason", r.continuity.replace)
	}
	if err := r.slot.create(ctx, conn); err != nil {
		return err
	}
	if reason := r.continuity.slotWasCreated(); reason != "" {
		r.metrics.recreated.WithLabelValues(reason).Inc()
	}
	return nil
}

// beginHistory tells the log which history the stream belongs to and returns
// where the stream starts. The slot is ours by now, so its row does not change
// any more.
func (r *Reader) beginHistory(ctx context.Context, now system) (start, error) {
	slot, err := r.slot.find(ctx)
	if err != nil {
		return start{}, err
	}
	if slot == nil || slot.Confirmed == 0 {
		return start{}, fmt.Errorf("read position of slot %q: it has none", r.config.Slot)
	}
	confirmed, received := slot.Confirmed, r.progress.received()
	if r.continuity.goesOn(now, confirmed, received) {
		r.log.Refill(now.end)
		return start{from: received, confirmed: confirmed}, nil
	}
	history := changelog.History{System: now.id, Timeline: now.timeline, Slot: r.config.Slot}
	if r.continuity.begun {
		history.Slot += "@" + confirmed.String() // the same slot's earlier history has another name
		r.logger.Error("history does not continue, subscribers have to resync", "reason", r.continuity.resync,
			"received", received.String(), "start", confirmed.String(), "timeline", now.timeline)
	}
	r.log.Begin(history, confirmed, r.continuity.resync)
	r.log.Refill(now.end)
	r.progress.begin(confirmed)
	r.continuity.begin(now)
	return start{from: confirmed, confirmed: confirmed}, nil
}
