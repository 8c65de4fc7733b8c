package replication

import (
	"context"
	"sync"
	"time"

	"walcast/replication/relay"
	"walcast/replication/wal"
)

// Relay carries the WAL between the processes that have one slot. All methods may be
// called at once.
type Relay interface {
	// Publish sends a batch to all other nodes. It never waits, and the batch may be lost.
	Publish(batch []byte)
	// Subscribe returns the batches that other nodes publish from now on.
	Subscribe(ctx context.Context) (Subscription, error)
	// Ask asks the other nodes, the reader first, until accept takes an answer. It is
	// complete if one was taken, or if all that are there have answered.
	Ask(ctx context.Context, question []byte, accept func(answer []byte) bool) (complete bool)
	// Unreadable takes note of a message that could not be read.
	Unreadable(err error)
}

// Subscription is batches that come. It belongs to one goroutine.
type Subscription interface {
	// Next waits for the next batch, until ctx is done.
	Next(ctx context.Context) ([]byte, error)
	// Waiting is how many bytes wait to be taken.
	Waiting() int
	Close()
}

// beatEvery is how often the reader says how far it has come, though nothing happens.
const beatEvery = 200 * time.Millisecond

// retained is the batches that a node has for others that miss some. It is safe for
// concurrent use.
type retained struct {
	mu    sync.Mutex
	store *relay.Store
}

func newRetained(c relay.Config) *retained { return &retained{store: relay.NewStore(c)} }

func (r *retained) add(b relay.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store.Add(time.Now(), b)
}

func (r *retained) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store.Expire(now)
}

func (r *retained) answer(q relay.Question) relay.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.Answer(q)
}

func (r *retained) bytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.Bytes()
}

// AnswerNode answers what another node asks: which batches come after its place. A
// question that cannot be read has no answer.
func (r *Reader) AnswerNode(question []byte) []byte {
	q, err := relay.DecodeQuestion(question)
	if err != nil || r.retained == nil {
		return nil
	}
	return r.retained.answer(q).Encode()
}

// publisher publishes the messages of one stream while it is read. The zero publisher
// is that of a server in no cluster, and does nothing. Its methods may be called at
// once.
type publisher struct {
	relay    Relay
	retained *retained

	mu     sync.Mutex
	writer *relay.Writer
}

// begin publishes the opening of the stream.
func (p *publisher) begin(term relay.Term, from wal.LSN, o relay.Opening) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writer = relay.NewWriter(term, from, o, func(b relay.Batch) {
		p.retained.add(b)
		p.relay.Publish(b.Encode())
	})
}

// message publishes a message of the plugin, with what comes after it. end is where its
// transaction ends, if it ends one.
func (p *publisher) message(payload []byte, end wal.LSN) {
	if p.relay == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writer.Message(payload, end)
}

func (p *publisher) keepalive(end wal.LSN) {
	if p.relay == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writer.Keepalive(end)
}

// flush publishes all complete transactions.
func (p *publisher) flush() {
	if p.relay == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writer.Flush()
}

// beat says again and again how far the stream has come, until ctx is done.
func (p *publisher) beat(ctx context.Context) {
	if p.relay == nil {
		return
	}
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		p.relay.Publish(p.writer.Beat().Encode())
		p.mu.Unlock()
		p.retained.expire(time.Now())
	}
}
