package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"

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
	same   bool           // in an answer: nothing is newer than what who asks has
	index  uint64         // of the part, from 0 on
	more   bool           // another one follows
	delta  presence.Delta
}

// entry is a topic that is asked for. Who asks knows everything up to a number, or nothing.
type entry struct {
	digest digest
	known  bool
	seq    uint64
}

// summary is what a node has sent lately: the number of its newest delta, and the one
// after which it tells the newest of each topic.
type summary struct {
	number, from uint64
	news         []news
	bye          bool // it is the last one
}

// The flags of a part.
const (
	flagPrivate = 1 << iota
	flagSame
	flagMore
	flagWhole
)

func begin(kind byte, run string) []byte {
	return appendBytes([]byte{format, kind}, run)
}

func (s summary) encode(run string) []byte {
	b := append(begin(kindSummary, run), bit(s.bye, 1))
	b = binary.BigEndian.AppendUint64(b, s.number)
	b = binary.BigEndian.AppendUint64(b, s.from)
	for _, n := range s.news {
		b = binary.BigEndian.AppendUint64(append(b, n.topic[:]...), n.number)
	}
	return b
}

func encodeQuestion(run string, asked []entry) []byte {
	b := begin(kindQuestion, run)
	for _, e := range asked {
		b = append(append(b, e.digest[:]...), bit(e.known, 1))
		b = binary.BigEndian.AppendUint64(b, e.seq)
	}
	return b
}

func (p part) append(b []byte) []byte {
	d := &p.delta
	b = append(b, p.digest[:]...)
	b = append(b, bit(p.topic.Private, flagPrivate)|bit(p.same, flagSame)|bit(p.more, flagMore)|bit(d.Whole, flagWhole))
	if p.same {
		return b
	}
	b = appendBytes(b, p.topic.Name)
	for _, n := range []uint64{p.index, d.Seq, d.Prev} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Leaves)))
	for _, ref := range d.Leaves {
		b = appendBytes(b, ref)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Claims)))
	for _, c := range d.Claims {
		b = binary.AppendUvarint(appendBytes(b, c.Ref), uint64(c.Moves))
	}
	b = binary.AppendUvarint(b, uint64(len(d.Joins)))
	for _, l := range d.Joins {
		b = appendBytes(appendBytes(b, l.Key), l.Ref)
		for _, n := range []uint32{l.Moves, l.Fields(), l.Client()} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = appendBytes(b, l.JSON)
	}
	return b
}

func bit(is bool, flag byte) byte {
	if is {
		return flag
	}
	return 0
}

func appendBytes[T ~string | ~[]byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// newerError is that of a message which a newer version has written.
type newerError struct{ format byte }

func (e newerError) Error() string {
	return fmt.Sprintf("a node tells presence in format %d, and this version reads %d at most: upgrade this node", e.format, format)
}

// IsNewer tells such errors from others.
func (newerError) IsNewer() {}

var errCut = errors.New("it is cut off")

// decode reads a message. It keeps nothing of encoded.
func decode(encoded []byte) (m message, err error) {
	switch {
	case len(encoded) > 0 && encoded[0] > format:
		return m, newerError{encoded[0]}
	case len(encoded) < 2 || encoded[0] != format:
		return m, fmt.Errorf("read what a node tells of presence: %w", errCut)
	}
	m.kind = encoded[1]
	r := reader{rest: encoded[2:]}
	if m.run = string(r.text()); m.run == "" {
		r.fail(errCut)
	}
	switch m.kind {
	case kindDelta, kindAnswer:
		for r.err == nil && len(r.rest) > 0 {
			m.parts = append(m.parts, r.part())
		}
		if m.kind == kindDelta && len(m.parts) != 1 {
			r.fail(errors.New("a delta of several topics, or of none"))
		}
	case kindQuestion:
		m.asked = r.asked()
	case kindSummary:
		m.summary = r.summary()
	default:
		r.fail(fmt.Errorf("unknown kind %q", m.kind))
	}
	if r.err != nil {
		return message{}, fmt.Errorf("read what a node tells of presence: %w", r.err)
	}
	return m, nil
}
