package moving

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"walcast/channels/resume"
	"walcast/internal/nodes"
)

// format is the version of messages. A node that meets a newer one is not ready.
const format = 1

// The kinds of messages.
const (
	kindQuestion  = 'q' // which clients have come to a node: who knows them?
	kindAnswer    = 'a'
	kindTelling   = 't' // what clients have received lately
	kindAskAll    = 'w' // a node is to tell of all its clients
	kindTellAll   = 'h' // a part of that
	kindHeard     = 'b' // the last telling of a node has come
	idSize        = 16
	flagMore      = 1
	flagBye       = 2
	flagsOfAnyone = flagMore | flagBye
)

// message is one between nodes.
type message struct {
	kind   byte
	run    string // the process that has sent it
	number uint64 // of a question and its answers; of a telling, and of the newest before all are told of
	part   uint64 // of those that tell of all, from 0 on
	doubt  doubt
	more   bool // another answer follows, or another part
	bye    bool // it is the last telling
	told   []*resume.Told
	ids    []resume.ID // that are asked for; in an answer those that miss no more broadcasts than
	missed [][]byte    // these, of one client
}

// doubt is for how long clients that a node does not know may have been on some node all the
// same: it has not been told of all, or has forgotten some, or one is gone that may have
// known more. Zero is for a node that knows all.
type doubt struct {
	all  time.Duration
	lost time.Duration // the part of it that does not end with the node: nobody else knows more
}

func (m *message) encode() []byte {
	b := nodes.AppendHeader(nil, format, m.kind, m.run)
	b = append(b, nodes.Bit(m.more, flagMore)|nodes.Bit(m.bye, flagBye))
	b = binary.AppendUvarint(binary.AppendUvarint(b, m.number), m.part)
	b = nodes.AppendAge(nodes.AppendAge(b, m.doubt.all), m.doubt.lost)
	b = binary.AppendUvarint(b, uint64(len(m.told)))
	for _, t := range m.told {
		b = t.Append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(m.missed)))
	for _, broadcast := range m.missed {
		b = nodes.AppendBytes(b, broadcast)
	}
	for _, id := range m.ids {
		b = append(b, id[:]...)
	}
	return b
}

// decode reads a message. It keeps nothing of encoded.
func decode(encoded []byte) (m message, err error) {
	var r nodes.Reader
	if m.kind, m.run, r, err = nodes.ReadHeader(encoded, format, "tells of clients"); err != nil {
		return message{}, err
	}
	flags := r.Flags(flagsOfAnyone)
	m.more, m.bye = flags&flagMore != 0, flags&flagBye != 0
	m.number, m.part = r.Number(), r.Number()
	m.doubt.all, m.doubt.lost = r.Age(), r.Age()
	for range r.Count(2 * idSize) {
		if t := resume.ReadTold(&r); r.Err == nil {
			m.told = append(m.told, &t)
		}
	}
	for range r.Count(1) {
		m.missed = append(m.missed, bytes.Clone(r.Text()))
	}
	for r.Err == nil && len(r.Rest) > 0 {
		m.ids = append(m.ids, resume.ID(r.Take(idSize)))
	}
	switch m.kind {
	case kindQuestion, kindAnswer, kindTelling, kindAskAll, kindTellAll, kindHeard:
	default:
		r.Fail(fmt.Errorf("unknown kind %q", m.kind))
	}
	if r.Err != nil {
		return message{}, fmt.Errorf("read what a node tells of clients: %w", r.Err)
	}
	return m, nil
}
