package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"

	"walcast/internal/nodes"
	"walcast/presence"
	"walcast/protocol"
)

// format is that of the messages between nodes, the first byte of each.
const format = 1

// The kinds of messages, the second byte of each.
const (
	kindDelta    = 'd' // one part, of a delta
	kindSummary  = 's' // what was sent lately
	kindQuestion = 'q' // what is there on topics
	kindAnswer   = 'a' // parts, of what is there
)

// message is what nodes send each other, of any kind.
type message struct {
	kind byte
	run  string // the process that has sent it

	parts   []part  // of a delta or an answer
	asked   []entry // of a question
	summary summary
}

// part is a delta, or one that is too long for a message in parts: the lists go on in the
// next, which comes right after it.
type part struct {
	digest digest
	topic  protocol.Topic // without a name in an answer about a topic that nobody is on
	stay   uint64         // in an answer: that of the entry that asks; 0 in a delta
	same   bool           // in an answer: nothing is newer than what who asks has
	index  uint64         // of the part, from 0 on
	more   bool           // another one follows
	delta  presence.Delta
}

// entry is a topic that is asked for. Who asks knows everything up to a number, or nothing.
// stay counts the times that somebody has come to the topic there: an answer from before is
// about what is not known any more.
type entry struct {
	digest digest
	stay   uint64
	known  bool
	seq    uint64
}

// summary is what a node has sent lately.
type summary struct {
	nodes.Summary[digest]
	bye bool // it is the last one
}

// The flags of a part.
const (
	flagPrivate = 1 << iota
	flagSame
	flagMore
	flagWhole
)

func begin(kind byte, run string) []byte {
	return nodes.AppendHeader(nil, format, kind, run)
}

func (s summary) encode(run string) []byte {
	b := append(begin(kindSummary, run), nodes.Bit(s.bye, 1))
	b = binary.BigEndian.AppendUint64(b, s.Number)
	b = binary.BigEndian.AppendUint64(b, s.From)
	for _, n := range s.News {
		b = binary.BigEndian.AppendUint64(append(b, n.Topic[:]...), n.Number)
	}
	return b
}

func encodeQuestion(run string, asked []entry) []byte {
	b := begin(kindQuestion, run)
	for _, e := range asked {
		b = append(append(b, e.digest[:]...), nodes.Bit(e.known, 1))
		b = binary.BigEndian.AppendUint64(b, e.seq)
		b = binary.BigEndian.AppendUint64(b, e.stay)
	}
	return b
}

func (p part) append(b []byte) []byte {
	d := &p.delta
	b = append(b, p.digest[:]...)
	b = append(b, nodes.Bit(p.topic.Private, flagPrivate)|nodes.Bit(p.same, flagSame)|nodes.Bit(p.more, flagMore)|nodes.Bit(d.Whole, flagWhole))
	b = binary.AppendUvarint(b, p.stay)
	if p.same {
		return b
	}
	b = nodes.AppendBytes(b, p.topic.Name)
	for _, n := range []uint64{p.index, d.Seq, d.Prev} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Leaves)))
	for _, ref := range d.Leaves {
		b = nodes.AppendBytes(b, ref)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Claims)))
	for _, c := range d.Claims {
		b = binary.AppendUvarint(nodes.AppendBytes(b, c.Ref), uint64(c.Moves))
	}
	b = binary.AppendUvarint(b, uint64(len(d.Joins)))
	for _, l := range d.Joins {
		b = nodes.AppendBytes(nodes.AppendBytes(b, l.Key), l.Ref)
		for _, n := range []uint32{l.Moves, l.Fields(), l.Client()} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = nodes.AppendBytes(b, l.JSON)
	}
	return b
}

// decode reads a message. It keeps nothing of encoded.
func decode(encoded []byte) (m message, err error) {
	var r reader
	if m.kind, m.run, r.Reader, err = nodes.ReadHeader(encoded, format, "tells of presence"); err != nil {
		return message{}, err
	}
	switch m.kind {
	case kindDelta, kindAnswer:
		for r.Err == nil && len(r.Rest) > 0 {
			m.parts = append(m.parts, r.part())
		}
		if m.kind == kindDelta && len(m.parts) != 1 {
			r.Fail(errors.New("a delta of several topics, or of none"))
		}
	case kindQuestion:
		m.asked = r.asked()
	case kindSummary:
		m.summary = r.summary()
	default:
		r.Fail(fmt.Errorf("unknown kind %q", m.kind))
	}
	if r.Err != nil {
		return message{}, fmt.Errorf("read what a node tells of presence: %w", r.Err)
	}
	return m, nil
}
