package protocol

// envelope is a text frame in the making: what stands around the payload, which
// the caller appends to buf between open and seal.
type envelope struct {
	version      Version
	joinRef, ref Ref
	topic        string
	oddTopic     []byte // instead of topic, raw
	event        string
	position     string // where a client goes on that has the frame; "" says nothing
	buf          []byte
	payload      int // where in buf it starts, in an event stream
}

// open starts the frame. size is how long the payload will be, so that one
// allocation does.
func (e *envelope) open(size int) {
	const around = len(`{"ref":null,"event":"","payload":,"topic":""}`) + len("null")
	if e.version.IsStream() {
		e.openSSE(size)
		return
	}
	e.buf = newWire(around + len(e.joinRef) + len(e.ref) + len(e.topic) + len(e.oddTopic) + len(e.event) + size)
	if e.version == V1 {
		e.openV1()
	} else {
		e.openV2()
	}
}

// close writes what comes after the payload.
func (e *envelope) close() {
	switch {
	case e.version.IsStream():
		e.closeSSE()
	case e.version == V1:
		e.closeV1()
	default:
		e.closeV2()
	}
}

// seal ends the frame.
func (e *envelope) seal() *Frame {
	e.close()
	if e.version.IsStream() {
		return &Frame{wire: e.buf}
	}
	return newFrame(opText, e.buf)
}

func (e *envelope) appendTopic() {
	if e.oddTopic != nil {
		e.buf = append(e.buf, e.oddTopic...)
		return
	}
	e.buf = appendQuoted(e.buf, e.topic)
}
