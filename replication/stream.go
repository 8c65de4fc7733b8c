package replication

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"walcast/replication/wal"
)

// startLimit bounds how long the server takes to begin a stream: it may have to
// read its WAL back far.
const startLimit = time.Minute

// startCommand is valid on all versions: with proto_version 1 transactions
// arrive whole, in commit order, after their commit. The position 0/0 means
// where the slot stands. Postgres obeys one beyond it, and skips what lies
// between without an error, or a look at the publications of that time.
func startCommand(slot string, from wal.LSN, publications []string) string {
	quoted := make([]string, len(publications))
	for i, name := range publications {
		quoted[i] = quoteIdentifier(name) // identifiers, inside a literal
	}
	return "START_REPLICATION SLOT " + quoteIdentifier(slot) + " LOGICAL " + from.String() + " (proto_version '1', publication_names " +
		quoteLiteral(strings.Join(quoted, ",")) + ", messages 'true')"
}

// startStreaming asks the server to stream. When it refuses, the connection can
// be used again.
func startStreaming(ctx context.Context, conn *pgconn.PgConn, command string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	conn.Frontend().SendQuery(&pgproto3.Query{String: command})
	if err := conn.Frontend().Flush(); err != nil {
		return err
	}
	var refused error
	for {
		msg, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		switch msg := msg.(type) {
		case *pgproto3.CopyBothResponse:
			return nil
		case *pgproto3.ErrorResponse:
			refused = pgconn.ErrorResponseToPgError(msg)
		case *pgproto3.ReadyForQuery:
			if refused == nil {
				refused = errors.New("the server did not start to stream")
			}
			return refused
		}
	}
}

// stream is one replication connection from the first change to its end. The
// goroutine in run reads from it; a second one acknowledges and is the only one
// to write; a third watches over heartbeats and publications by the pool, a fourth over
// the silence of the server, and a fifth tells other nodes of a cluster that all goes on.
type stream struct {
	slot         string
	conn         net.Conn
	frontend     *pgproto3.Frontend
	receiver     *receiver
	acknowledger *acknowledger
	heartbeats   *heartbeats
	publications *publicationWatch
	silence      *silenceWatch
	mayWrite     func() bool // the server takes heartbeats: it is no standby
	watchEvery   time.Duration
}

// run streams until the connection breaks or ctx is done; then it ends the
// connection in an orderly way so that the slot is free when it returns.
func (s *stream) run(ctx context.Context) error {
	defer s.conn.Close()
	inner, stop := context.WithCancelCause(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() {
		if err := s.acknowledger.run(inner); err != nil {
			stop(err)
		}
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reader; fails only if the connection is closed
	})
	helpers.Go(func() { s.watch(inner) })
	helpers.Go(func() {
		if err := s.silence.run(inner); err != nil {
			stop(err)
			_ = s.conn.SetReadDeadline(time.Unix(1, 0))
		}
	})
	helpers.Go(func() { s.receiver.publisher.beat(inner) })
	s.receiver.begin(inner)
	s.acknowledger.socket.drained = func() {
		s.receiver.publisher.flush()
		s.receiver.appender.appendComplete()
	}
	err := s.read(inner)
	stop(err)
	helpers.Wait()
	s.receiver.appender.appendAll()
	if ctx.Err() != nil {
		s.acknowledger.terminate()
		return ctx.Err()
	}
	if cause := context.Cause(inner); cause != nil {
		return cause // what a helper found is the reason why reading ended
	}
	return err
}

// read takes messages until one ends the stream.
func (s *stream) read(ctx context.Context) error {
	for {
		s.receiver.appender.awaitRoom(ctx)
		msg, err := s.frontend.Receive()
		if err != nil {
			return fmt.Errorf("read from slot %q: %w", s.slot, err)
		}
		if refused, ok := msg.(*pgproto3.ErrorResponse); ok {
			return fmt.Errorf("read from slot %q: %w", s.slot, &decodingError{pgconn.ErrorResponseToPgError(refused)})
		}
		if err := s.receiver.take(ctx, msg); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// watch looks after publications and heartbeats until ctx is done.
func (s *stream) watch(ctx context.Context) {
	tick := time.NewTicker(s.watchEvery)
	defer tick.Stop()
	for {
		s.publications.check(ctx)
		if s.heartbeats.idle > 0 && s.mayWrite() {
			s.heartbeats.check(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
