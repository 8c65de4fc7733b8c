package replication

import (
	"context"
	"fmt"

	"walcast/replication/pgoutput"
	"walcast/replication/wal"
)

// intake decodes the plugin's messages of one stream, be it that Postgres sends them or
// another node, for the appender. It belongs to the goroutine that reads the stream.
type intake struct {
	appender   appender
	decoder    *pgoutput.Decoder
	describer  *describer
	transcoder *transcoder
	// own takes a message that a walcast wrote for walcasts, and reports whether it is one.
	own func(context.Context, *pgoutput.LogicalMessage) (isOwn bool, err error)
	// prelude is what was told of tables before the stream began here. It is read within
	// the first transaction, as if the stream had begun with that.
	prelude [][]byte
}

// begin begins a stream, of which nothing is known.
func (i *intake) begin(ctx context.Context) {
	i.decoder = pgoutput.NewDecoder(func(relation uint32, types []uint32) (wal.Description, error) {
		return i.describer.describe(ctx, relation, types)
	})
	i.decoder.KeepMessages(isOurs)
	i.decoder.Encode(i.transcoder.encoding(ctx))
}

// takeMessage decodes one message. end is where its transaction ends if it is the one
// that ends it, else 0.
func (i *intake) takeMessage(ctx context.Context, payload []byte) (end wal.LSN, err error) {
	if pgoutput.IsRelation(payload) {
		if err := i.describer.awaitCommit(ctx, i.decoder.XID()); err != nil {
			return 0, err
		}
	}
	if changed := i.describer.types.take(); changed != nil {
		i.decoder.Outdate(changed)
	}
	d, err := i.decoder.Decode(payload)
	if err != nil {
		return 0, fmt.Errorf("decode change: %w", err)
	}
	if err := i.readPrelude(ctx); err != nil {
		return 0, err
	}
	if i.describer.failed != nil {
		return 0, i.describer.failed
	}
	isOwn, err := i.own(ctx, d.Message)
	if err != nil {
		return 0, err
	}
	if !isOwn {
		i.appender.add(d.Changes)
	}
	if d.Message != nil && d.Message.Prefix == "" {
		i.appender.metrics.foreign.Inc()
	}
	if d.End != 0 {
		i.appender.commitAt(d.CommitTime)
	}
	return d.End, nil
}

// readPrelude reads the prelude once the first transaction has begun.
func (i *intake) readPrelude(ctx context.Context) error {
	if len(i.prelude) == 0 || !i.decoder.InTransaction() {
		return nil
	}
	if err := i.describer.awaitCommit(ctx, i.decoder.XID()); err != nil {
		return err
	}
	if err := i.decoder.Recall(i.prelude); err != nil {
		return fmt.Errorf("decode what was told of tables before: %w", err)
	}
	i.prelude = nil
	return nil
}
