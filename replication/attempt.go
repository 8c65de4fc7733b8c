package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/conninfo"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// attempt connects and streams until something breaks or ctx is done. Its error
// is a *fault that names what was connected to.
func (r *Reader) attempt(ctx context.Context) error {
	ordinary := r.control.pool.Config().ConnConfig
	server, err := r.preflight(ctx)
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

// connect opens the replication connection, makes sure that the slot can be read
// and streams from it.
func (r *Reader) connect(ctx context.Context, config *pgconn.Config, socket *socketReader, server server) error {
	conn, err := connectReplication(ctx, config, r.outcomes.untranslatable)
	if err != nil {
		return err
	}
	defer closeQuietly(conn) // does nothing once the stream has taken it over
	now, err := r.identify(ctx, conn, server.started)
	if err != nil {
		return err
	}
	if err := r.prepareSlot(ctx, conn, server); err != nil {
		return err
	}
	err = r.slot.whenFree(ctx, server.hasLock, func() error {
		return startStreaming(ctx, conn, r.config.Slot, server.publications)
	})
	if err != nil {
		return err
	}
	if err := r.takeOver(ctx, server); err != nil {
		return err
	}
	from, err := r.beginHistory(ctx, now)
	if err != nil {
		return err
	}
	server.host = conninfo.Host(ctx, config, conn.Conn().RemoteAddr())
	return r.stream(ctx, conn, socket, server, from)
}

// takeOver tells that the slot is ours, and announces this server to others that read
// the database, before any client is served from the slot.
func (r *Reader) takeOver(ctx context.Context, server server) error {
	if r.config.SlotHeld != nil {
		others, err := r.slot.others(ctx)
		if err != nil {
			return err
		}
		r.config.SlotHeld(others)
	}
	if r.config.Heartbeat == 0 || server.isStandby {
		return nil
	}
	if err := r.announcement().write(ctx, 0); err != nil && ctx.Err() == nil {
		r.logger.Warn("other walcasts that read this database do not learn of this one, and may take its clients for new", "err", err)
	}
	return nil
}

// announcement is the message by which servers know of each other.
func (r *Reader) announcement() heartbeatMessage {
	return heartbeatMessage{pool: r.control.pool, slot: r.config.Slot, limit: r.timing.query}
}

// stream streams from an LSN until the connection breaks or ctx is done.
func (r *Reader) stream(ctx context.Context, conn *pgconn.PgConn, socket *socketReader, server server, from wal.LSN) error {
	pid := int32(conn.PID())
	s, err := r.newStream(conn, socket, server, from)
	if err != nil {
		return err
	}
	r.progress.started(from, server.host)
	r.retention.started(pid)
	defer r.retention.stopped()
	r.outcomes.streamed = true
	r.logger.Info("replication started", "position", from.String(), "host", server.host, "publications", server.publications)
	return s.run(ctx)
}

// newStream takes the connection over from pgconn, which is not made to be
// written to while another goroutine reads. The stream begins at from.
func (r *Reader) newStream(conn *pgconn.PgConn, socket *socketReader, server server, from wal.LSN) (*stream, error) {
	describer := &describer{control: r.control, types: r.control.types, limit: r.timing.query}
	text := newTranscoder(describer, conn)
	raw, err := conn.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over replication connection: %w", err)
	}
	began := time.Now()
	lastTransaction := newAtomicTime(began)
	lastTransaction.set(began)
	watch := &publicationWatch{
		publications: r.publications, reading: server.publications, pool: r.control.pool, slot: r.config.Slot,
		every: r.timing.publications, queryLimit: r.timing.query, progress: r.progress, logger: r.logger, checked: began,
	}
	ownHeartbeats := &heartbeats{
		message: r.announcement(), idle: r.config.Heartbeat, lateAfter: r.timing.heartbeatLate,
		late: r.metrics.late, logger: r.logger, lastTransaction: lastTransaction, written: began,
		peerFound: r.config.PeerFound,
	}
	acks := &acknowledger{
		log: r.log, conn: raw.Conn, socket: socket, progress: r.progress, timing: r.timing.streamTiming,
		patience: stallPatience(r.timing.silence, r.outcomes.stalled),
		hurry:    watch.foundMore, requested: make(chan struct{}, 1), confirmed: from,
	}
	acks.received(from)
	return &stream{
		slot: r.config.Slot, conn: raw.Conn, frontend: raw.Frontend,
		acknowledger: acks, heartbeats: ownHeartbeats, publications: watch,
		mayWrite:   func() bool { return !server.isStandby || r.progress.seenTimeline() != 0 },
		watchEvery: r.timing.sample,
		receiver: &receiver{
			appender: appender{
				log: r.log, metrics: r.metrics, progress: r.progress, logger: r.logger,
				patience: r.timing.headway, lastTransaction: lastTransaction, batch: batch{upTo: from},
			},
			describer: describer, transcoder: text,
			acknowledger: acks, heartbeats: ownHeartbeats, publications: watch, logger: r.logger,
		},
	}, nil
}

// identify finds out whether the cluster at the other end continues what was
// read; if not, subscribers have to resync.
func (r *Reader) identify(ctx context.Context, conn *pgconn.PgConn, instance string) (system, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	now, err := identify(ctx, conn)
	now.instance = instance
	if err != nil {
		return now, err
	}
	err = r.continuity.compare(now, r.progress.received(), r.progress.seenTimeline(), func(timeline int32) (wal.LSN, error) {
		return timelineEnd(ctx, conn, now.timeline, timeline)
	})
	return now, err
}

// prepareSlot makes sure that there is a slot that can be read. One that is
// lost beyond repair is replaced, and subscribers have to resync.
func (r *Reader) prepareSlot(ctx context.Context, conn *pgconn.PgConn, s server) error {
	slot, err := r.slot.find(ctx)
	if err != nil {
		return err
	}
	if slot != nil {
		if err := slot.refuse(s.database); err != nil {
			return err
		}
		why, lost := slot.lost()
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
func (r *Reader) beginHistory(ctx context.Context, now system) (wal.LSN, error) {
	slot, err := r.slot.find(ctx)
	if err != nil {
		return 0, err
	}
	if slot == nil || slot.Confirmed == 0 {
		return 0, fmt.Errorf("read position of slot %q: it has none", r.config.Slot)
	}
	start, received := slot.Confirmed, r.progress.received()
	if r.continuity.goesOn(now, start, received) {
		r.log.Refill(now.end)
		return start, nil
	}
	history := changelog.History{System: now.id, Timeline: now.timeline, Slot: r.config.Slot}
	if r.continuity.begun {
		history.Slot += "@" + start.String() // the same slot's earlier history has another name
		r.logger.Error("history does not continue, subscribers have to resync", "reason", r.continuity.resync,
			"received", received.String(), "start", start.String(), "timeline", now.timeline)
	}
	r.log.Begin(history, start, r.continuity.resync)
	r.log.Refill(now.end)
	r.progress.begin(start)
	r.continuity.begin(now)
	return start, nil
}
