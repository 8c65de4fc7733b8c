package resume

import (
	"encoding/binary"
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
	// Old is how long ago the node that knew it has told it, which others tell again.
	Old time.Duration
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

// supersedes reports whether t counts, and not what an earlier run has left. That a client
// has to resync was found later, on another node: it may have lost its right there.
func (t *Told) supersedes(left *record) bool {
	return t.Resync || t.Proven.Position.Compare(left.proven.Position) >= 0
}

// The flags of an encoded Told.
const (
	toldResync = 1 << iota
	toldOwn
	toldGone
	toldQuiet
	toldOld
)

// Append appends t as ReadTold reads it.
func (t *Told) Append(b []byte) []byte {
	b = append(append(b, t.ID[:]...), nodes.Bit(t.Resync, toldResync)|nodes.Bit(t.Own, toldOwn)|nodes.Bit(t.Gone, toldGone)|nodes.Bit(t.Quiet, toldQuiet)|nodes.Bit(t.Old > 0, toldOld))
	b = binary.BigEndian.AppendUint64(append(b, t.Bindings[:]...), t.Topic)
	h, at := t.Proven.History, t.Proven.Position
	b = nodes.AppendBytes(nodes.AppendBytes(b, h.System), h.Slot)
	for _, n := range []uint64{uint64(uint32(h.Timeline)), uint64(at.LSN), uint64(at.Seq)} {
		b = binary.AppendUvarint(b, n)
	}
	if b = nodes.AppendAge(b, t.Age); t.Old > 0 {
		b = nodes.AppendAge(b, t.Old)
	}
	return b
}

// ReadTold reads what Append has written. r.Err says what is wrong.
func ReadTold(r *nodes.Reader) (t Told) {
	copy(t.ID[:], r.Take(len(t.ID)))
	flags := r.Flags(toldResync | toldOwn | toldGone | toldQuiet | toldOld)
	t.Resync, t.Own = flags&toldResync != 0, flags&toldOwn != 0
	t.Gone, t.Quiet = flags&toldGone != 0, flags&toldQuiet != 0
	copy(t.Bindings[:], r.Take(len(t.Bindings)))
	t.Topic = r.Fixed()
	h := changelog.History{System: string(r.Text()), Slot: string(r.Text())}
	h.Timeline = int32(r.Small())
	t.Proven = changelog.Standing{History: h, Position: wal.Position{LSN: wal.LSN(r.Number()), Seq: r.Small()}}
	if t.Age = r.Age(); flags&toldOld != 0 {
		t.Old = r.Age()
	}
	return t
}
