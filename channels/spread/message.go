package spread

import (
	"encoding/binary"
	"errors"
	"fmt"

	"walcast/channels/topics"
	"walcast/protocol"
)

// format is that of the messages between nodes, the first byte of each.
const format = 1

// The kinds of messages, the second byte of each.
const (
	kindBroadcast = 'b' // a broadcast to a topic
	kindSummary   = 's' // what was sent lately
	kindQuestion  = 'q' // whether what was subscribed to is known
	kindAnswer    = 'a' // the answer to that
)

// message is what nodes send each other, of any kind. Number counts the broadcasts of a
// process from 1 on, whatever their topic.
type message struct {
	kind byte
	run  string // the process that has sent it

	// Of a broadcast, Number, and that of the one before to its topic, 0 if that is not
	// known any more. Of a summary, the newest Number, and the one after which it tells
	// all. Of an answer, the newest Number.
	number, prev uint64
	round        uint64 // of a question and its answer

	key     protocol.Topic // of a broadcast
	carried topics.Carried
	news    []news // of a summary
	bye     bool   // a summary that is the last one
}

// news is the newest broadcast to a topic.
type news struct{ digest, number uint64 }

// fixed is the length of what begins each message, without run: format, kind, number,
// prev, round.
const fixed = 2 + 3*8

// The flags of a broadcast.
const (
	flagPrivate = 1 << iota
	flagRelay   // the payload is a text to be relayed
	flagOpaque  // the payload is that of a binary push
	flagJSON    // the encoding of the payload
)

// numbersAt is where number and prev stand, which are known last.
const numbersAt = 2

// setNumbers puts number and prev into an encoded message.
func setNumbers(encoded []byte, number, prev uint64) {
	binary.BigEndian.PutUint64(encoded[numbersAt:], number)
	binary.BigEndian.PutUint64(encoded[numbersAt+8:], prev)
}

// encode is the message as it is sent.
func (m message) encode() []byte {
	b := make([]byte, 0, m.size())
	b = append(b, format, m.kind)
	for _, n := range []uint64{m.number, m.prev, m.round} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = appendBytes(b, m.run)
	switch m.kind {
	case kindBroadcast:
		return m.appendBroadcast(b)
	case kindSummary:
		b = append(b, bit(m.bye, 1))
		for _, n := range m.news {
			b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, n.digest), n.number)
		}
	}
	return b
}

// size is how long the message is at most.
func (m message) size() int {
	c := &m.carried
	return fixed + 64 + len(m.run) + len(m.key.Name) + len(c.Client) + len(c.ID) + len(c.Event) + len(c.Meta) +
		len(c.Relay) + len(c.Opaque) + len(c.Payload) + 16*len(m.news)
}

func (m message) appendBroadcast(b []byte) []byte {
	c := &m.carried
	b = append(b, bit(m.key.Private, flagPrivate)|bit(c.Relay != nil, flagRelay)|bit(c.Opaque != nil, flagOpaque)|
		bit(c.Encoding == protocol.EncodingJSON, flagJSON))
	for _, text := range []string{m.key.Name, c.Client, c.ID, c.Event} {
		b = appendBytes(b, text)
	}
	b = appendBytes(b, c.Meta)
	switch {
	case c.Relay != nil:
		return append(b, c.Relay...)
	case c.Opaque != nil:
		return append(b, c.Opaque...)
	}
	return append(b, c.Payload...)
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
	return fmt.Sprintf("a node sends broadcasts in format %d, and this version reads %d at most: upgrade this node", e.format, format)
}

// IsNewer tells such errors from others.
func (newerError) IsNewer() {}

var errCut = errors.New("it is cut off")

// decode reads what encode writes. The message refers to encoded.
func decode(encoded []byte) (m message, err error) {
	switch {
	case len(encoded) > 0 && encoded[0] > format:
		return m, newerError{encoded[0]}
	case len(encoded) < fixed || encoded[0] != format:
		return m, fmt.Errorf("read message between nodes: %w", errCut)
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(encoded[numbersAt+8*i:]) }
	m = message{kind: encoded[1], number: at(0), prev: at(1), round: at(2)}
	r := reader{rest: encoded[fixed:]}
	if m.run = string(r.text()); m.run == "" {
		r.err = errCut
	}
	switch m.kind {
	case kindBroadcast:
		r.broadcast(&m)
	case kindSummary:
		r.summary(&m)
	case kindQuestion, kindAnswer:
	default:
		r.err = fmt.Errorf("unknown kind %q", m.kind)
	}
	if r.err != nil {
		return message{}, fmt.Errorf("read message between nodes: %w", r.err)
	}
	return m, nil
}

// reader reads the parts of a message. After an error it reads nothing.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) text() (text []byte) {
	length, n := binary.Uvarint(r.rest)
	if n <= 0 || length > uint64(len(r.rest)-n) {
		r.err, r.rest = errCut, nil
		return nil
	}
	text, r.rest = r.rest[n:n+int(length)], r.rest[n+int(length):]
	return text
}

func (r *reader) flags(most byte) (flags byte) {
	if len(r.rest) == 0 {
		r.err = errCut
		return 0
	}
	if flags, r.rest = r.rest[0], r.rest[1:]; flags > most {
		r.err = errors.New("unknown flags")
	}
	return flags
}

func (r *reader) broadcast(m *message) {
	flags := r.flags(flagPrivate | flagRelay | flagOpaque | flagJSON)
	m.key = protocol.Topic{Name: string(r.text()), Private: flags&flagPrivate != 0}
	c := &m.carried
	c.Client, c.ID, c.Event = string(r.text()), string(r.text()), string(r.text())
	if meta := r.text(); len(meta) > 0 {
		c.Meta = meta
	}
	if flags&flagJSON != 0 {
		c.Encoding = protocol.EncodingJSON
	}
	payload := r.rest
	if payload == nil {
		payload = []byte{}
	}
	switch {
	case flags&flagRelay != 0 && flags&flagOpaque != 0:
		r.err = errors.New("a broadcast of two forms")
	case flags&flagRelay != 0:
		c.Relay = payload
	case flags&flagOpaque != 0:
		c.Opaque = payload
	default:
		c.Payload = payload
	}
	if r.err == nil && m.number == 0 {
		r.err = errors.New("a broadcast without a number")
	}
}

func (r *reader) summary(m *message) {
	m.bye = r.flags(1) != 0
	if len(r.rest)%16 != 0 || m.prev > m.number {
		r.err = errors.New("a summary that is damaged")
		return
	}
	m.news = make([]news, 0, len(r.rest)/16)
	for rest := r.rest; len(rest) > 0; rest = rest[16:] {
		m.news = append(m.news, news{binary.BigEndian.Uint64(rest), binary.BigEndian.Uint64(rest[8:])})
	}
}
