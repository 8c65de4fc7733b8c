package relay

import (
	"bytes"
	"encoding/binary"
	"time"

	"walcast/replication/pgoutput"
)

// Config bounds what a Store keeps.
type Config struct {
	Bytes  int64         // of batches, at most
	Window time.Duration // how long a batch is kept, as far as Bytes allow
}

// Store keeps the newest batches that a node has read or written, without a gap, for
// nodes that miss some, and what has to be known of tables before the oldest.
type Store struct {
	config Config
	list   []entry // oldest first
	bytes  int64
	before prelude // of list[0]
}

type entry struct {
	batch Batch
	at    time.Time
}

// NewStore returns an empty store.
func NewStore(c Config) *Store { return &Store{config: c} }

// Add adds the next batch. One that does not follow what there is has it forgotten.
func (s *Store) Add(now time.Time, b Batch) {
	if b.IsBeat() {
		return
	}
	if b.Prelude {
		s.reset()
		s.before.learn(b)
		return
	}
	if n := len(s.list); n > 0 && !s.list[n-1].batch.precedes(b) {
		s.reset()
	}
	if len(s.list) == 0 && !b.begins() {
		switch { // could nobody begin with it?
		case !s.before.leadsTo(b):
			return
		case b.Inside:
			s.before.learn(b)
			return
		}
	}
	s.list = append(s.list, entry{b, now})
	s.bytes += int64(len(b.Records) + header)
	s.Expire(now)
}

// precedes reports whether o may be read after b: it is the next one of the stream, or
// begins another that goes back at least as far as b has come.
func (b Batch) precedes(o Batch) bool {
	if b.Term == o.Term && !o.Prelude {
		return o.Number == b.Number+1
	}
	return o.Number == 1 && o.Prev <= b.Last
}

func (s *Store) reset() { *s = Store{config: s.config} }

// Expire lets go of what is too old, or too much. The oldest that stays is one that a
// node can begin with: it does not begin inside of a transaction.
func (s *Store) Expire(now time.Time) {
	for len(s.list) > 1 && (s.bytes > s.config.Bytes || now.Sub(s.list[0].at) > s.config.Window) {
		s.drop()
		for len(s.list) > 0 && s.list[0].batch.Inside {
			s.drop()
		}
	}
}

func (s *Store) drop() {
	b := s.list[0].batch
	s.list[0] = entry{}
	s.list = s.list[1:]
	s.bytes -= int64(len(b.Records) + header)
	s.before.learn(b)
}

// Bytes is how much is kept.
func (s *Store) Bytes() int64 { return s.bytes }

// prelude is what a stream has told of tables so far.
type prelude struct {
	last      Batch // that was learnt from
	opening   []byte
	relations map[uint32][]byte // Relation messages by the OID of the table
	types     map[uint32][]byte // Type messages by the OID of the type
	roots     map[uint32]uint32 // of tables, by partition, whose rows come under the root's name
	lineage   pgoutput.Lineage
}

// learn takes in what a batch tells of tables.
func (p *prelude) learn(b Batch) {
	p.last = b
	p.last.Records = nil
	inPart := false
	_ = b.Each(func(kind byte, payload []byte) error { // it was read before
		switch {
		case kind == KindOpening:
			*p = prelude{last: p.last, opening: bytes.Clone(payload), relations: map[uint32][]byte{}, types: map[uint32][]byte{}, roots: map[uint32]uint32{}}
		case (kind == KindMessage || kind == KindPart) && !inPart && p.opening != nil:
			p.message(payload, kind == KindMessage, b.Prelude)
		}
		inPart = kind == KindPart
		return nil
	})
}

// message takes in a message, or the first part of one.
func (p *prelude) message(payload []byte, isWhole, recalled bool) {
	read := p.lineage.Read
	if recalled {
		read = p.lineage.Recall
	}
	if root, partition, ok := read(payload); ok {
		p.roots[partition] = root
	}
	if !isWhole || len(payload) < 5 {
		return
	}
	switch oid := binary.BigEndian.Uint32(payload[1:]); payload[0] {
	case 'R':
		p.relations[oid] = bytes.Clone(payload)
	case 'Y':
		p.types[oid] = bytes.Clone(payload)
	}
}

// leadsTo reports whether a batch follows what was learnt from.
func (p *prelude) leadsTo(b Batch) bool {
	return p.opening != nil && p.last.Term == b.Term && p.last.Number+1 == b.Number
}

// batch is the prelude to a batch.
func (p *prelude) batch(to Batch) Batch {
	b := Batch{Term: to.Term, Number: to.Number - 1, Prev: to.Prev, Last: to.Prev, Prelude: true}
	b.Records = appendRecord(nil, KindOpening, p.opening)
	for _, message := range p.types {
		b.Records = appendRecord(b.Records, KindMessage, message)
	}
	for oid, message := range p.relations {
		if _, isPartition := p.roots[oid]; !isPartition {
			b.Records = appendRecord(b.Records, KindMessage, message)
		}
	}
	for partition, root := range p.roots { // as pgoutput.Lineage.Recall reads them
		b.Records = appendRecord(b.Records, KindMessage, p.relations[root])
		b.Records = appendRecord(b.Records, KindMessage, p.relations[partition])
	}
	return b
}
