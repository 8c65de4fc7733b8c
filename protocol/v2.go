package protocol

import "errors"

// decodeV2 reads [join_ref, ref, topic, event, payload]; more elements are
// ignored.
func decodeV2(data []byte) (Message, error) {
	r := newReader(data)
	defer r.close()
	if r.kind() != '[' || !r.enter() {
		return Message{}, errors.New("decode 2.0.0 frame: not an array")
	}
	f := fields{joinRef: r.next(), ref: r.next(), topic: r.next(), event: r.next(), payload: r.next()}
	if !r.finish() {
		return Message{}, errors.New("decode 2.0.0 frame: not JSON")
	}
	if f.payload == nil {
		return Message{}, errors.New("decode 2.0.0 frame: fewer than five elements")
	}
	return f.message(), nil
}

// openV2 writes what comes before the payload.
func (e *envelope) openV2() {
	e.buf = append(e.buf, '[')
	e.buf = e.joinRef.appendTo(e.buf)
	e.buf = append(e.buf, ',')
	e.buf = e.ref.appendTo(e.buf)
	e.buf = append(e.buf, ',')
	e.appendTopic()
	e.buf = append(e.buf, ',')
	e.buf = appendQuoted(e.buf, e.event)
	e.buf = append(e.buf, ',')
}

// closeV2 writes what comes after the payload.
func (e *envelope) closeV2() { e.buf = append(e.buf, ']') }
