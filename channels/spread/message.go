package spread

import (
	"encoding/binary"
	"errors"
	"fmt"

	"walcast/channels/topics"
	"walcast/internal/nodes"
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
	news    []nodes.News[uint64] // of a summary, by the digests of topics
	bye     bool                 // a summary that is the last one
}

// summaryOf is a summary as a message. bye says that nothing follows.
func summaryOf(run string, s nodes.Summary[uint64], bye bool) message {
	return message{kind: kindSummary, run: run, number: s.Number, prev: s.From, news: s.News, bye: bye}
}

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
	b = nodes.AppendBytes(b, m.run)
	switch m.kind {
	case kindBroadcast:
		return m.appendBroadcast(b)
	case kindSummary:
		b = append(b, nodes.Bit(m.bye, 1))
		for _, n := range m.news {
			b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, n.Topic), n.Number)
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

// Encode is a broadcast to a topic, as Decode reads it.
func Encode(key protocol.Topic, c topics.Carried) []byte {
	return message{kind: kindBroadcast, run: c.Origin.Run, number: c.Origin.Number, key: key, carried: c}.encode()
}

// Decode reads a broadcast to a topic. It refers to encoded.
func Decode(key protocol.Topic, encoded []byte) (topics.Carried, error) {
	m, err := decode(encoded)
	switch {
	case err != nil:
		return topics.Carried{}, err
	case m.kind != kindBroadcast || m.key != key:
		return topics.Carried{}, errors.New("read message between nodes: it is none of the topic")
	}
	return m.carried, nil
}

func (m message) appendBroadcast(b []byte) []byte {
	c := &m.carried
	b = append(b, nodes.Bit(m.key.Private, flagPrivate)|nodes.Bit(c.Relay != nil, flagRelay)|nodes.Bit(c.Opaque != nil, flagOpaque)|
		nodes.Bit(c.Encoding == protocol.EncodingJSON, flagJSON))
	for _, text := range []string{m.key.Name, c.Client, c.ID, c.Event} {
		b = nodes.AppendBytes(b, text)
	}
	b = nodes.AppendBytes(b, c.Meta)
	switch {
	case c.Relay != nil:
		return append(b, c.Relay...)
	case c.Opaque != nil:
		return append(b, c.Opaque...)
	}
	return append(b, c.Payload...)
}

// decode reads what encode writes. The message refers to encoded.
func decode(encoded []byte) (m message, err error) {
	switch {
	case len(encoded) > 0 && encoded[0] > format:
		return m, nodes.NewerError{Does: "sends broadcasts", Format: encoded[0], Most: format}
	case len(encoded) < fixed || encoded[0] != format:
		return m, fmt.Errorf("read message between nodes: %w", nodes.ErrCut)
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(encoded[numbersAt+8*i:]) }
	m = message{kind: encoded[1], number: at(0), prev: at(1), round: at(2)}
	r := &nodes.Reader{Rest: encoded[fixed:]}
	if m.run = string(r.Text()); m.run == "" {
		r.Fail(nodes.ErrCut)
	}
	switch m.kind {
	case kindBroadcast:
		m.readBroadcast(r)
	case kindSummary:
		m.readSummary(r)
	case kindQuestion, kindAnswer:
	default:
		r.Fail(fmt.Errorf("unknown kind %q", m.kind))
	}
	if r.Err != nil {
		return message{}, fmt.Errorf("read message between nodes: %w", r.Err)
	}
	return m, nil
}

func (m *message) readBroadcast(r *nodes.Reader) {
	flags := r.Flags(flagPrivate | flagRelay | flagOpaque | flagJSON)
	m.key = protocol.Topic{Name: string(r.Text()), Private: flags&flagPrivate != 0}
	c := &m.carried
	c.Client, c.ID, c.Event = string(r.Text()), string(r.Text()), string(r.Text())
	if meta := r.Text(); len(meta) > 0 {
		c.Meta = meta
	}
	if flags&flagJSON != 0 {
		c.Encoding = protocol.EncodingJSON
	}
	payload := r.Rest
	if payload == nil {
		payload = []byte{}
	}
	switch {
	case flags&flagRelay != 0 && flags&flagOpaque != 0:
		r.Fail(errors.New("a broadcast of two forms"))
	case flags&flagRelay != 0:
		c.Relay = payload
	case flags&flagOpaque != 0:
		c.Opaque = payload
	default:
		c.Payload = payload
	}
	c.Origin = topics.Origin{Run: m.run, Number: m.number}
	if r.Err == nil && m.number == 0 {
		r.Fail(errors.New("a broadcast without a number"))
	}
}

func (m *message) readSummary(r *nodes.Reader) {
	m.bye = r.Flags(1) != 0
	m.news = make([]nodes.News[uint64], 0, len(r.Rest)/16)
	for len(r.Rest) > 0 {
		m.news = append(m.news, nodes.News[uint64]{Topic: r.Fixed(), Number: r.Fixed()})
	}
	if m.prev > m.number {
		r.Fail(errors.New("a summary that is damaged"))
	}
}
