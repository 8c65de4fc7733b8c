package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"walcast/replication/pgoutput"
	"walcast/replication/wal"
)

// errReopen ends a stream so that the next one reads more.
var errReopen = &fault{remedy: retryFast, cause: causeReopen, err: errors.New("the publications to read have changed")}

// errBack ends a stream that has passed over changes.
var errBack = &fault{remedy: renew, cause: causePublication, err: errors.New("a publication that was missing is back, and its changes were not sent meanwhile")}

// receiver takes the server's messages of one stream: it decodes changes for
// the appender and tells the acknowledger and the heartbeats what concerns them. It
// belongs to the goroutine that reads.
type receiver struct {
	intake
	publisher    *publisher
	acknowledger *acknowledger
	heartbeats   *heartbeats
	peers        peers
	publications *publicationWatch
	logger       *slog.Logger
}

// take handles one message.
func (r *receiver) take(ctx context.Context, msg pgproto3.BackendMessage) error {
	switch msg := msg.(type) {
	case *pgproto3.CopyData:
		return r.takeData(ctx, msg.Data)
	case *pgproto3.NoticeResponse:
		return r.notice(msg)
	case *pgproto3.ParameterStatus:
		want, isPinned := pinned()[msg.Name]
		if !isPinned || msg.Name == "client_encoding" { // which of two it is was checked at the beginning
			return nil
		}
		return checkReported(msg.Name, msg.Value, want)
	case *pgproto3.CommandComplete, *pgproto3.CopyDone:
		return &fault{remedy: retryFast, cause: causeStopping, err: errors.New("the server ended the stream")}
	}
	return nil
}

// takeData handles the content of one CopyData.
func (r *receiver) takeData(ctx context.Context, data []byte) error {
	if len(data) == 0 {
		return errors.New("read replication message: it is empty")
	}
	switch data[0] {
	case walDataByte:
		return r.takeWAL(ctx, data)
	case keepaliveByte:
		return r.takeKeepalive(data)
	}
	return fmt.Errorf("read replication message: unknown kind %q", data[0])
}

func (r *receiver) takeWAL(ctx context.Context, data []byte) error {
	payload, err := parseWALData(data)
	if err != nil {
		return err
	}
	end, err := r.takeMessage(ctx, payload)
	if err != nil {
		return err
	}
	r.publisher.message(payload, end)
	if end != 0 {
		r.complete(end)
	}
	if r.appender.batch.isFull() {
		r.appender.appendAll()
	}
	return r.reopen()
}

// takeOwn takes a message that a walcast wrote for walcasts, and reports whether it
// is one. A mark counts once its transaction is shown: until then the next stream
// would not find the publication, and would begin behind the mark without it.
func (r *receiver) takeOwn(ctx context.Context, m *pgoutput.LogicalMessage) (isOwn bool, err error) {
	if h, ok := readHeartbeat(m); ok {
		r.heartbeats.arrived(h.number)
	}
	name, isMark := marked(m)
	if isMark && r.publications.isUnread(name) {
		if err := r.describer.awaitCommit(ctx, r.decoder.XID()); err != nil {
			return true, err
		}
		r.publications.arrived()
	}
	return r.peers.take(m) || isMark, nil
}

// takeKeepalive treats the position as an empty transaction, which passes
// through the log like any other and so can never overtake a change. Inside a
// transaction it means nothing.
func (r *receiver) takeKeepalive(data []byte) error {
	k, err := parseKeepalive(data)
	if err != nil {
		return err
	}
	if r.decoder.InTransaction() {
		r.acknowledger.received(k.end)
	} else {
		r.publisher.keepalive(k.end)
		r.complete(k.end)
	}
	if k.reply {
		r.acknowledger.request()
	}
	return r.reopen()
}

func (r *receiver) complete(end wal.LSN) { r.acknowledger.received(r.appender.complete(end)) }

// reopen ends the stream for other publications, but only between transactions: with
// others, the changes inside one would have other indexes.
func (r *receiver) reopen() error {
	if r.decoder.InTransaction() {
		return nil
	}
	return r.publications.anew()
}

// notice looks for the one warning that matters: from 18 on a missing
// publication is no error, its changes are skipped and all looks healthy.
func (r *receiver) notice(m *pgproto3.NoticeResponse) error {
	isSkipped := m.Code == "55000" && (m.Routine == "LoadPublications" || strings.Contains(m.Message, "skipped loading publication"))
	if isSkipped && r.publications.isOptional(m.Message) {
		return nil // it did not exist at that LSN, and so has nothing to send
	}
	r.logger.Warn("notice from Postgres", "code", m.Code, "message", m.Message, "detail", m.Detail)
	if isSkipped && !r.publications.passes() {
		return &fault{remedy: renew, cause: causePublication, err: errors.New(m.Message)}
	}
	return nil
}
