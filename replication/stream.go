package replication

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"walcast/replication/catalog"
	"walcast/replication/pgoutput"
	"walcast/replication/wal"
)

// startCommand is valid on all versions: with proto_version 1 transactions
// arrive whole, in commit order, after their commit. The position 0/0 means
// where the slot stands; one beyond it would be obeyed, and skip in silence.
func startCommand(slot string, publications []string) string {
	quoted := make([]string, len(publications))
	for i, name := range publications {
		quoted[i] = quoteIdentifier(name) // identifiers, inside a literal
	}
	return "START_REPLICATION SLOT " + quoteIdentifier(slot) + " LOGICAL 0/0 (proto_version '1', publication_names " +
		quoteLiteral(strings.Join(quoted, ",")) + ", messages 'true')"
}

// start asks the server to stream. When it refuses, the connection can be used
// again.
func (r *Reader) start(ctx context.Context, conn *pgconn.PgConn) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // the server may have to read back far
	defer cancel()
	conn.Frontend().SendQuery(&pgproto3.Query{String: startCommand(r.config.Slot, r.reading)})
	if err := conn.Frontend().Flush(); err != nil {
		return fmt.Errorf("start replication from slot %q: %w", r.config.Slot, err)
	}
	var refused error
	for {
		msg, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return fmt.Errorf("start replication from slot %q: %w", r.config.Slot, err)
		}
		switch msg := msg.(type) {
		case *pgproto3.CopyBothResponse:
			return nil
		case *pgproto3.ErrorResponse:
			refused = fmt.Errorf("start replication from slot %q: %w", r.config.Slot, pgconn.ErrorResponseToPgError(msg))
		case *pgproto3.ReadyForQuery:
			if refused == nil {
				refused = errors.New("start replication: the server did not start to stream")
			}
			return refused
		}
	}
}

// stream is one replication connection from its start to its end. The
// goroutine in run reads; attend writes; monitor asks over the pool.
type stream struct {
	*Reader
	conn     net.Conn
	frontend *pgproto3.Frontend
	in       *intake
	standby  bool
	began    time.Time

	// These belong to the goroutine in run.
	decoder  *pgoutput.Decoder
	batch    batch
	whole    wal.LSN   // everything that commits before it has come
	commit   time.Time // of the newest transaction in the batch
	lookup   error     // why the catalog could not be asked
	appended bool      // to the log, since it was last waited for

	newest atomic.Uint64 // newest position received
	active *moment       // when the last transaction came
	beat   atomic.Uint64 // number of the newest heartbeat that came back
	reply  chan struct{} // the server wants a status update
	reopen atomic.Bool   // there is one more publication to read

	confirmed wal.LSN // what the slot was moved to; belongs to attend
}

// newStream takes the connection over from pgconn, which is not made to be
// written to while somebody reads.
func newStream(r *Reader, conn *pgconn.PgConn, in *intake, from wal.LSN, standby bool) (*stream, error) {
	pid := int32(conn.PID())
	raw, err := conn.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over replication connection: %w", err)
	}
	r.sender.Store(pid)
	began := time.Now()
	s := &stream{
		Reader: r, conn: raw.Conn, frontend: raw.Frontend, in: in, standby: standby,
		began: began, active: newMoment(began), reply: make(chan struct{}, 1), whole: from, confirmed: from,
	}
	s.newest.Store(uint64(from))
	s.active.set(began)
	return s, nil
}

// run streams until the connection breaks or ctx is done; then it says goodbye
// to the server so that the slot is free when it returns.
func (s *stream) run(ctx context.Context) error {
	defer s.conn.Close()
	defer s.sender.Store(0)
	s.progress.started(s.confirmed, s.began)
	select {
	case s.look <- struct{}{}:
	default: // asked already
	}
	s.streamed = true
	s.logger.Info("replication started", "position", s.confirmed.String(), "publications", s.reading)

	inner, stop := context.WithCancelCause(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() {
		if err := s.attend(inner); err != nil {
			stop(err)
		}
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reader; fails only if the connection is closed
	})
	helpers.Go(func() { s.monitor(inner) })
	s.decoder = pgoutput.NewDecoder(func(relation uint32, types []uint32) (wal.Description, error) {
		return s.describe(inner, relation, types)
	})
	s.in.empty = s.passWhole
	err := s.read(inner)
	stop(err)
	helpers.Wait()
	s.passAll()
	if ctx.Err() != nil {
		s.goodbye()
		return ctx.Err()
	}
	if cause := context.Cause(inner); cause != nil {
		return cause // what attend found is the reason why reading ended
	}
	return err
}

// read takes messages until one ends the stream.
func (s *stream) read(ctx context.Context) error {
	for {
		s.awaitRoom(ctx)
		msg, err := s.frontend.Receive()
		if err != nil {
			return fmt.Errorf("read from slot %q: %w", s.config.Slot, err)
		}
		switch msg := msg.(type) {
		case *pgproto3.CopyData:
			err = s.take(msg.Data)
		case *pgproto3.ErrorResponse:
			err = fmt.Errorf("read from slot %q: %w", s.config.Slot, pgconn.ErrorResponseToPgError(msg))
		case *pgproto3.NoticeResponse:
			err = s.notice(msg)
		case *pgproto3.ParameterStatus:
			err = checkReported(msg.Name, msg.Value)
		case *pgproto3.CommandComplete, *pgproto3.CopyDone:
			err = &fault{remedy: retryFast, cause: causeStopping, err: errors.New("the server ended the stream")}
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// awaitRoom waits, after something was appended, until the log has room for what
// comes next: a burst is read no faster than it is matched. Postgres keeps it
// meanwhile, and is told that we live.
func (s *stream) awaitRoom(ctx context.Context) {
	if !s.appended {
		return
	}
	s.appended = false
	waited, gaveUp := s.log.Await(ctx, 2*batchBytes, s.timing.held)
	s.metrics.held.Add(waited.Seconds())
	if gaveUp {
		s.logger.Warn("the log is full of changes that are not matched, and matching makes no headway: its subscribers have to resync", "waited", waited)
	}
}

// take handles the content of one CopyData.
func (s *stream) take(data []byte) error {
	if len(data) == 0 {
		return errors.New("read replication message: it is empty")
	}
	switch data[0] {
	case walDataByte:
		return s.takeWAL(data)
	case keepaliveByte:
		return s.takeKeepalive(data)
	}
	return fmt.Errorf("read replication message: unknown kind %q", data[0])
}

func (s *stream) takeWAL(data []byte) error {
	payload, err := parseWALData(data)
	if err != nil {
		return err
	}
	d, err := s.decoder.Decode(payload)
	if err != nil {
		return fmt.Errorf("decode change: %w", err)
	}
	if s.lookup != nil {
		return s.lookup
	}
	if number, own := heartbeatNumber(d.Message); own {
		s.beat.Store(max(s.beat.Load(), number))
	} else {
		s.batch.add(d.Changes)
	}
	if d.End != 0 {
		s.commit = d.CommitTime
		s.complete(d.End)
	}
	if s.batch.full() {
		s.passAll()
	}
	return s.pause()
}

// errReopen ends a stream so that the next one reads more.
var errReopen = &fault{remedy: retryFast, cause: causeReopen, err: errors.New("the publications to read have changed")}

// pause ends the stream for more publications, but only between transactions:
// they may change the indexes inside one.
func (s *stream) pause() error {
	if s.reopen.Load() && !s.decoder.InTransaction() {
		return errReopen
	}
	return nil
}

// takeKeepalive treats the position as an empty transaction, which passes
// through the log like any other and so can never overtake a change. Inside a
// transaction it means nothing.
func (s *stream) takeKeepalive(data []byte) error {
	k, err := parseKeepalive(data)
	if err != nil {
		return err
	}
	if s.decoder.InTransaction() {
		s.hear(k.end)
	} else {
		s.complete(k.end)
	}
	if k.reply {
		select {
		case s.reply <- struct{}{}:
		default: // asked already
		}
	}
	return s.pause()
}

// complete notes that everything that commits before end has come. Keepalives
// may name a position before the commit that they follow.
func (s *stream) complete(end wal.LSN) {
	s.whole = max(s.whole, end)
	s.batch.close(s.whole)
	s.hear(s.whole)
}

// hear notes a position that the server has told.
func (s *stream) hear(position wal.LSN) { s.newest.Store(max(s.newest.Load(), uint64(position))) }

// passWhole hands the complete transactions to the log.
func (s *stream) passWhole() {
	changes, end := s.batch.takeWhole()
	if end == 0 {
		return
	}
	now := time.Now()
	s.log.Append(now, changes, end)
	s.appended = true
	s.metrics.count(changes)
	s.progress.read(end, s.commit)
	if len(changes) > 0 {
		s.active.set(now)
	}
	s.commit = time.Time{}
}

// passAll also hands over the beginning of a transaction that is being read.
func (s *stream) passAll() {
	s.passWhole()
	if rest := s.batch.takeRest(); len(rest) > 0 {
		s.log.Append(time.Now(), rest, 0)
		s.appended = true
		s.metrics.count(rest)
	}
}

// notice looks for the one warning that matters: from 18 on a missing
// publication is no error, its changes are skipped and all looks healthy.
func (s *stream) notice(m *pgproto3.NoticeResponse) error {
	isSkipped := m.Code == "55000" && (m.Routine == "LoadPublications" || strings.Contains(m.Message, "skipped loading publication"))
	if _, ok := s.optional.named(m.Message); ok && isSkipped {
		return nil // it did not exist at that place, and so has nothing to send
	}
	s.logger.Warn("notice from Postgres", "code", m.Code, "message", m.Message, "detail", m.Detail)
	if isSkipped {
		return &fault{remedy: renew, cause: causePublication, err: errors.New(m.Message)}
	}
	return nil
}

// describe looks a relation up in the catalog. If that fails, the stream is
// started again rather than going on: without its types a table's numbers would
// arrive as text, and nobody would know. Nothing is lost by it, and whoever
// needs row-level security needs the catalog anyway.
func (s *stream) describe(ctx context.Context, relation uint32, types []uint32) (d wal.Description, err error) {
	for range 2 { // the second time on a new connection, if the first was lost
		limited, cancel := context.WithTimeout(ctx, s.timing.query)
		err = s.control.use(limited, func(db querier) error {
			d, err = catalog.New(db, nil).Describe(limited, relation, types)
			return err
		})
		cancel()
		if err == nil {
			return d, nil
		}
	}
	s.lookup = &fault{remedy: retryFast, cause: causeControl, err: err}
	return wal.Description{}, err
}
