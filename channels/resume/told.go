package resume

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"walcast/internal/nodes"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// Told is what the nodes of a cluster tell each other of a client's topic.
type Told struct {
	ID
	Bindings Fingerprint        // zero if it is only known that the client has come to a node
	Topic    uint64             // its nodes.Digest
	Proven   changelog.Standing // as in Known
	Resync   bool               // what it has is not known
	Own      bool               // told by the node that the client was on last, as it is now
	Gone     bool               // the client has left the topic for good
	Quiet    bool               // it had every broadcast to the topic that there was
	// Age is how long ago the client was known to have the right to read the topic.
	Age time.Duration
}

// Found is what other nodes know of a client's topic.
type Found struct {
	Told *Told // nil if none knows it
	// Certain says that all nodes have answered, and that none has forgotten any.
	Certain bool
	// Quiet says that Missed is all that the client lacks of what has been broadcast to the
	// topic, up to Heard, a number of this node.
	Quiet  bool
	Missed [][]byte
	Heard  uint64
}

// Better reports whether t says more than another of the same client, which may be nil.
func (t *Told) Better(other *Told) bool {
	switch {
	case other == nil:
		return true
	case t.Own != other.Own:
		return t.Own
	}
	if order := t.Proven.Position.Compare(other.Proven.Position); order != 0 {
		return order > 0
	}
	return t.Quiet && !other.Quiet
}

// The flags of an encoded Told.
const (
	toldResync = 1 << iota
	toldOwn
	toldGone
	toldQuiet
)

// Append appends t as ReadTold reads it.
func (t *Told) Append(b []byte) []byte {
	b = append(append(b, t.ID[:]...), nodes.Bit(t.Resync, toldResync)|nodes.Bit(t.Own, toldOwn)|nodes.Bit(t.Gone, toldGone)|nodes.Bit(t.Quiet, toldQuiet))
	b = binary.BigEndian.AppendUint64(append(b, t.Bindings[:]...), t.Topic)
	h, at := t.Proven.History, t.Proven.Position
	b = nodes.AppendBytes(nodes.AppendBytes(b, h.System), h.Slot)
	for _, n := range []uint64{uint64(uint32(h.Timeline)), uint64(at.LSN), uint64(at.Seq), uint64(max(0, t.Age).Milliseconds())} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// ReadTold reads what Append has written. r.Err says what is wrong.
func ReadTold(r *nodes.Reader) (t Told) {
	copy(t.ID[:], r.Take(len(t.ID)))
	flags := r.Flags(toldResync | toldOwn | toldGone | toldQuiet)
	t.Resync, t.Own = flags&toldResync != 0, flags&toldOwn != 0
	t.Gone, t.Quiet = flags&toldGone != 0, flags&toldQuiet != 0
	copy(t.Bindings[:], r.Take(len(t.Bindings)))
	t.Topic = r.Fixed()
	h := changelog.History{System: string(r.Text()), Slot: string(r.Text())}
	h.Timeline = int32(r.Small())
	t.Proven = changelog.Standing{History: h, Position: wal.Position{LSN: wal.LSN(r.Number()), Seq: r.Small()}}
	age := r.Number()
	if age > math.MaxInt64/uint64(time.Millisecond) {
		r.Fail(errors.New("an age that is too large"))
		age = 0
	}
	t.Age = time.Duration(age) * time.Millisecond
	return t
}
