package protocol

import "errors"

// decodeV1 reads an object with topic, event, payload and ref; join_ref may be
// missing, other keys are ignored.
func decodeV1(data []byte) (Message, error) {
	r := newReader(data)
	defer r.close()
	if r.kind() != '{' || !r.enter() {
		return Message{}, errors.New("decode 1.0.0 frame: not an object")
	}
	var f fields
	for name := r.next(); name != nil; name = r.next() {
		v := r.next()
		switch string(name.stringBytes()) {
		case "topic":
			f.topic = v
		case "event":
			f.event = v
		case "payload":
			f.payload = v
		case "ref":
			f.ref = v
		case "join_ref":
			f.joinRef = v
		}
	}
	if !r.finish() {
		return Message{}, errors.New("decode 1.0.0 frame: not JSON")
	}
	if f.topic == nil || f.event == nil || f.payload == nil || f.ref == nil {
		return Message{}, errors.New("decode 1.0.0 frame: topic, event, payload or ref is missing")
	}
	return f.message(), nil
}

// openV1 writes what comes before the payload. There is no join_ref in 1.0.0.
func (e *envelope) openV1() {
	e.buf = append(e.buf, `{"ref":`...)
	e.buf = e.ref.appendTo(e.buf)
	e.buf = append(e.buf, `,"event":`...)
	e.buf = appendQuoted(e.buf, e.event)
	e.buf = append(e.buf, `,"payload":`...)
}

// closeV1 writes what comes after the payload.
func (e *envelope) closeV1() {
	e.buf = append(e.buf, `,"topic":`...)
	e.appendTopic()
	e.buf = append(e.buf, '}')
}
