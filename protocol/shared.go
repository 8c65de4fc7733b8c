package protocol

import (
	"bytes"
	"encoding/json"
)

// SharedFrom is from how many bytes on a payload is worth sharing: a shorter one is
// copied sooner than it is written in pieces.
const SharedFrom = 4 << 10

// PushShared is Push to one receiver, of a payload that many frames have: they share
// its memory, so it must not change any more.
func (v Version) PushShared(joinRef, ref Ref, topic, event string, payload json.RawMessage) *Frame {
	if v.IsStream() {
		return v.Push(joinRef, ref, topic, event, payload) // it may be spelled otherwise there
	}
	e := envelope{version: v, joinRef: joinRef, ref: ref, topic: topic, event: event}
	e.open(0)
	return e.sealShared(payload, len(e.buf), true)
}

// ChangesShared is ChangesAt of data that frames for other topics and bindings have
// too: they share its memory, so it must not change any more.
func (v Version) ChangesShared(position, topic string, ids, data []byte) *Frame {
	if len(data) < SharedFrom || v.IsStream() && bytes.ContainsAny(data, lineBreaks) {
		return v.ChangesAt(position, topic, ids, data)
	}
	e := envelope{version: v, topic: topic, event: EventPostgresChanges, position: position}
	e.open(len(`{"ids":,"data":}`) + len(ids))
	e.buf = append(e.buf, `{"ids":`...)
	e.buf = append(e.buf, ids...)
	e.buf = append(e.buf, `,"data":`...)
	opening := len(e.buf)
	e.buf = append(e.buf, '}')
	return e.sealShared(data, opening, false)
}

// sealShared ends the frame, whose payload stands between what was written up to
// opening and what follows.
func (e *envelope) sealShared(payload []byte, opening int, single bool) *Frame {
	e.close()
	follows := &rest{payload: payload, end: e.buf[opening:], single: single}
	if e.version.IsStream() {
		return &Frame{wire: e.buf[:opening:opening], rest: follows}
	}
	return newSharing(opText, e.buf[:opening:opening], follows)
}
