package protocol

import "errors"

// decodeV1 reads an object with topic, event, payload and ref; join_ref may be
// missing, other keys are ignored (wire reference 2.1).
func decodeV1(data []byte) (Message, error) {
	doc, ok := parse(data)
	if !ok {
		return Message{}, errors.New("decode 1.0.0 frame: not JSON")
	}
	if doc.kind() != '{' {
		return Message{}, errors.New("decode 1.0.0 frame: not an object")
	}
	var f fields
	for w := doc.members(); ; {
		name, v := w.member()
		if v == nil {
			break
		}
		switch string(name) {
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
