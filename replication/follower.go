package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/pgoutput"
	"walcast/replication/relay"
	"walcast/replication/wal"
)

// followerTiming is for reading from another node.
type followerTiming struct {
	check time.Duration // between two looks at whether it keeps up, and at what may be let go
	again time.Duration // after a question that nobody could answer
	lost  time.Duration // without a word of the reader until one with an older WAL is believed
}

// follower is a reader whose stream comes from another node: it appends to the log what
// that node has read from the slot. start and stop belong to the goroutine in Run of the
// Reader, the rest to that of the follower.
type follower struct {
	relay    Relay // nil in no cluster: then it never runs
	log      *changelog.Log
	retained *retained
	progress *progress
	metrics  *metrics
	timing   followerTiming
	logger   *slog.Logger
	newTake  func(relay.Opening) intake // of a stream
	readyLag time.Duration              // how far behind the reader it may be and serve
	tell     func(serves bool)          // whenever that changes; nil tells nobody

	running sync.WaitGroup
	cancel  context.CancelFunc // nil while it does not run
	course
}

// course is how far a follower has come, and in which stream.
type course struct {
	place   relay.Place
	opening relay.Opening // of the stream; zero before there was one
	intake  intake
	part    []byte // of a message that has not come to its end
	joined  bool   // the log has a history that came from another node
	heard   time.Time
}

// start has it follow, until stop.
func (f *follower) start(ctx context.Context) {
	if f.relay == nil || f.cancel != nil {
		return
	}
	ctx, f.cancel = context.WithCancel(ctx)
	f.running.Go(func() { f.run(ctx) })
	f.running.Go(func() { f.watch(ctx) })
}

// watch tells whenever it changes whether clients are served with what comes, until ctx
// is done.
func (f *follower) watch(ctx context.Context) {
	tick := time.NewTicker(f.timing.check)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if serves, changed := f.progress.lookFollowing(time.Now(), f.readyLag); changed {
			f.logger.Info("following another node", "serves_clients", serves)
			if f.tell != nil {
				f.tell(serves)
			}
		}
	}
}

// stop ends it, and returns what it followed; joined is false if it was nothing.
func (f *follower) stop() (last relay.Opening, joined bool) {
	if f.cancel == nil {
		return last, false
	}
	f.cancel()
	f.running.Wait()
	f.cancel = nil
	return f.opening, f.joined
}

// run follows until ctx is done.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		f.logger.Warn("following another node is interrupted", "err", err, "retry_in", f.timing.again)
		f.place = relay.Place{UpTo: f.place.UpTo} // a decoder that failed begins anew
		select {
		case <-ctx.Done():
		case <-time.After(f.timing.again):
		}
	}
}

// follow takes batches until ctx is done or one cannot be taken.
func (f *follower) follow(ctx context.Context) error {
	batches, err := f.relay.Subscribe(ctx)
	if err != nil {
		return err
	}
	defer batches.Close()
	f.heard = time.Now()
	if err := f.fill(ctx, relay.Batch{}); err != nil {
		return err
	}
	for looked := time.Now(); ; {
		limited, cancel := context.WithTimeout(ctx, f.timing.check)
		message, err := batches.Next(limited)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			err = f.hear(ctx, message, batches.Waiting() == 0)
		case errors.Is(err, context.DeadlineExceeded):
			err = nil
			if f.place.Number == 0 { // nobody had anything
				err = f.fill(ctx, relay.Batch{})
			}
		}
		if err != nil {
			return err
		}
		if now := time.Now(); now.Sub(looked) >= f.timing.check {
			looked = now
			f.log.Release(now)
			f.retained.expire(now)
		}
	}
}

// hear takes a batch that was published. isLast says that no other waits.
func (f *follower) hear(ctx context.Context, message []byte, isLast bool) error {
	b, err := relay.DecodeBatch(message)
	if err != nil {
		f.relay.Unreadable(err)
		return nil // what is missing is asked for
	}
	verdict := f.place.Judge(b)
	switch verdict {
	case relay.Take:
		err = f.take(ctx, b)
	case relay.Hole:
		if f.place.Number != 0 {
			f.metrics.holes.Inc()
		}
		if err = f.fill(ctx, b); err == nil && f.place.Judge(b) == relay.Take {
			err = f.take(ctx, b)
		}
	case relay.Drop:
		if f.place.IsOther(b.Term) && time.Since(f.heard) > f.timing.lost {
			f.logger.Error("the database is back at an older state, subscribers have to resync", "term", b.Term.Begun.String())
			f.place, f.joined = relay.Place{}, false
			err = f.fill(ctx, b)
		}
		return err
	}
	if err == nil && b.Term == f.place.Term {
		f.heard = time.Now()
		if isLast && f.place.Number >= b.Number {
			f.progress.caughtUp(f.heard)
		}
	}
	return err
}

// fill asks other nodes for what comes after the place, until nothing is missing before
// a batch, or until they have no more. If none has what comes next, the follower goes on
// with the oldest that they have, and its clients have to resync.
func (f *follower) fill(ctx context.Context, before relay.Batch) error {
	for anew := 0; ctx.Err() == nil && anew < relay.MostAnew; {
		choice := relay.Choice{Place: f.place}
		complete := f.relay.Ask(ctx, relay.Question{Place: f.place}.Encode(), func(text []byte) bool {
			a, err := relay.DecodeAnswer(text)
			if err != nil {
				f.relay.Unreadable(err)
				return false
			}
			return choice.Offer(a)
		})
		a, isGap := choice.Best()
		if a == nil || isGap && !complete { // another may have it, and is asked again
			return ctx.Err()
		}
		f.metrics.repairs.Inc()
		if choice.IsAnew() {
			anew++
		}
		if isGap {
			f.metrics.gaps.Inc()
			f.logger.Error("no node has what comes next, subscribers have to resync", "received", f.place.UpTo.String(), "start", a.Batches[0].Prev.String())
			f.place = relay.Place{}
		}
		if err := f.takeAnswer(ctx, a); err != nil {
			return err
		}
		if before.Number != 0 && f.place.Judge(before) != relay.Hole {
			return nil
		}
	}
	return ctx.Err()
}

// takeAnswer takes the batches of an answer that begin where the follower is.
func (f *follower) takeAnswer(ctx context.Context, a *relay.Answer) error {
	isJoin := f.place.UpTo == 0
	for i, b := range a.Batches {
		if i > 0 && f.place.Judge(b) != relay.Take {
			return nil // asked again from where this has led to
		}
		if err := f.take(ctx, b); err != nil {
			return err
		}
		if i == 0 && isJoin {
			f.log.Refill(a.UpTo)
		}
	}
	return nil
}

// take appends what a batch tells to the log, and keeps the batch for others.
func (f *follower) take(ctx context.Context, b relay.Batch) error {
	f.retained.add(b)
	err := b.Each(func(kind byte, payload []byte) error { return f.takeRecord(ctx, b, kind, payload) })
	if f.joined {
		f.intake.appender.appendAll()
		f.intake.appender.awaitRoom(ctx)
	}
	if err == nil {
		f.place = f.place.After(b)
	}
	return err
}

func (f *follower) takeRecord(ctx context.Context, b relay.Batch, kind byte, payload []byte) error {
	if kind == relay.KindOpening {
		o, err := relay.DecodeOpening(payload)
		if err == nil {
			f.open(ctx, o, b)
		}
		return err
	}
	if f.intake.decoder == nil {
		return errors.New("read batch of another node: its stream has not begun")
	}
	switch kind {
	case relay.KindPart:
		f.part = append(f.part, payload...)
		if len(f.part) > mostPart {
			return fmt.Errorf("read batch of another node: a message has more than %d bytes", mostPart)
		}
		return nil
	case relay.KindKeepalive:
		end, err := relay.KeepaliveLSN(payload)
		if err == nil {
			f.intake.appender.complete(end)
		}
		return err
	}
	if len(f.part) > 0 {
		payload = append(f.part, payload...)
		f.part = nil
	}
	if b.Prelude {
		f.intake.prelude = append(f.intake.prelude, payload)
		return nil
	}
	end, err := f.intake.takeMessage(ctx, payload)
	if err == nil && end != 0 {
		f.intake.appender.complete(end)
	}
	return err
}

// mostPart is how large a message may be, that comes in parts: Postgres sends none
// that is larger.
const mostPart = 1 << 30

// open begins a stream, or what is left of one. Where it goes on with the history that
// the log has, the log drops what it has already.
func (f *follower) open(ctx context.Context, o relay.Opening, b relay.Batch) {
	f.log.ReadFrom(o.Source)
	if f.forked(o.Source, b.Term) {
		f.logger.Error("the database failed over to a server that lacks what was read, subscribers have to resync", "timeline", b.Term.Timeline)
		f.place, f.joined = relay.Place{}, false
	}
	if !f.joined || o.History != f.opening.History || f.place.UpTo == 0 {
		f.beginHistory(o, b.Prev)
	}
	f.log.Refill(o.End)
	f.logger.Info("following another node", "position", b.Prev.String(), "history", o.History.Slot, "timeline", b.Term.Timeline)
	f.part = nil
	f.opening, f.joined = o, true
	f.intake = f.newTake(o)
	f.intake.appender.batch.upTo = b.Prev
	f.intake.begin(ctx)
}

// forked reports whether the follower has what a stream's timeline lacks: it has come
// farther on an earlier one than where that ended.
func (f *follower) forked(s changelog.Source, t relay.Term) bool {
	was := f.place.Term.Timeline
	return f.joined && was != 0 && was < t.Timeline && f.place.UpTo > endOf(was, s.Ancestors)
}

// beginHistory has the log begin at an LSN. One that has a history is emptied.
func (f *follower) beginHistory(o relay.Opening, from wal.LSN) {
	h, reason := o.History, ""
	switch before := f.log.History(); {
	case before == (changelog.History{}):
	case o.History != f.opening.History:
		reason = o.Reason
	case !f.joined: // see hear
		reason = changelog.CodeDiverged
		h.Slot += "@" + from.String() // the same name stands for something else
	default:
		reason = changelog.CodeTooOld
	}
	f.log.Begin(h, from, reason)
	f.progress.begin(from)
}

// newFollower is that of a reader.
func newFollower(r *Reader) *follower {
	return &follower{
		relay: r.config.Relay, log: r.log, retained: r.retained, progress: r.progress, metrics: r.metrics, timing: r.timing.followerTiming,
		logger: r.logger, newTake: r.newIntake, readyLag: r.config.ReadyLag, tell: r.config.Follows,
	}
}

// newIntake takes a stream that another node has read.
func (r *Reader) newIntake(o relay.Opening) intake {
	describer := &describer{control: r.control, types: r.control.types, limit: r.timing.query, asking: newAtomicTime(time.Now())}
	others := peers{slot: r.config.Slot, found: r.config.PeerFound, clients: r.config.PeerClients}
	return intake{
		appender: appender{
			log: r.log, metrics: r.metrics, progress: r.progress, logger: r.logger, patience: r.timing.headway,
			lastTransaction: newAtomicTime(time.Now()),
		},
		describer: describer, transcoder: transcoderOf(describer, o.Encoding, o.AsStored),
		own: func(_ context.Context, m *pgoutput.LogicalMessage) (bool, error) {
			_, isMark := marked(m)
			return others.take(m) || isMark, nil
		},
	}
}
