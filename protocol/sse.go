package protocol

import (
	"bytes"
	"strconv"
	"time"
)

// In an event stream (Server-Sent Events, WHATWG HTML 9.2) a frame is a block of
// lines: the name of the event, its payload, and as id the position at which a
// client goes on that has everything up to the block. There are no references
// and no topic: a stream has one join. In UnnamedSSE the data is an object of the
// event's name and its payload.

// openSSE writes what comes before the payload of size bytes.
func (e *envelope) openSSE(size int) {
	const around = len("event: \nid: \ndata: \n\n") + len(`{"event":"","payload":}`)
	e.buf = make([]byte, 0, around+len(e.event)+len(e.position)+size)
	if e.version == SSE {
		e.buf = append(e.buf, "event: "...)
		e.buf = append(e.buf, e.event...)
		e.buf = append(e.buf, '\n')
	}
	if e.position != "" {
		e.buf = append(e.buf, "id: "...)
		e.buf = append(e.buf, e.position...)
		e.buf = append(e.buf, '\n')
	}
	e.buf = append(e.buf, "data: "...)
	e.payload = len(e.buf)
	if e.version == UnnamedSSE {
		e.buf = append(e.buf, `{"event":`...)
		e.buf = appendQuoted(e.buf, e.event)
		e.buf = append(e.buf, `,"payload":`...)
	}
}

// closeSSE ends the block. The payload becomes one line: in JSON line breaks
// stand only where space does as well.
func (e *envelope) closeSSE() {
	if e.version == UnnamedSSE {
		e.buf = append(e.buf, '}')
	}
	flatten(e.buf[e.payload:])
	e.buf = append(e.buf, "\n\n"...)
}

const lineBreaks = "\n\r"

func flatten(text []byte) {
	for _, lineBreak := range []byte(lineBreaks) {
		for rest := text; ; {
			i := bytes.IndexByte(rest, lineBreak)
			if i < 0 {
				break
			}
			rest[i] = ' '
			rest = rest[i+1:]
		}
	}
}

// StreamHead is what an event stream begins with: the head of the HTTP response,
// and how long a client waits before it comes back.
func StreamHead(head []byte, retry time.Duration) *Frame {
	return &Frame{wire: append(appendRetry(head[:len(head):len(head)], retry), '\n')}
}

// StreamAlive keeps an event stream from looking dead. It says nothing but the
// position, "" for none: a client that has the frame has everything up to there.
func StreamAlive(position string) *Frame {
	if position == "" {
		return &Frame{wire: []byte(":\n\n")}
	}
	return &Frame{wire: []byte(":\nid: " + position + "\n\n")}
}

// StreamEnd is the last frame of an event stream: how long to wait before coming
// back, and as a system event what a WebSocket is told by its close frame.
// Without a reason there is no event.
func (v Version) StreamEnd(code int, reason string, retry time.Duration) *Frame {
	wire := appendRetry(nil, retry)
	if reason == "" {
		return &Frame{wire: append(wire, '\n')}
	}
	e := envelope{version: v, event: EventSystem}
	e.openSSE(len(`{"message":"","status":"error","extension":"system","code":1000}`) + len(reason))
	e.buf = codedSystem(e.buf, code, reason)
	return &Frame{wire: append(wire, e.seal().wire...)}
}

func appendRetry(dst []byte, retry time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, retry.Milliseconds(), 10)
	return append(dst, '\n')
}
