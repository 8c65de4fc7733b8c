package protocol

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// Frame is one WebSocket message, header included, or one piece of an event
// stream, ready for a socket. It is built once per distinct content and shared by
// every receiver; it never changes.
type Frame struct {
	// Committed is when the change in it was committed, in nanoseconds since the
	// epoch; 0 for all other frames and for changes that are not live. It is set
	// before the first Push; gateway measures with it.
	Committed int64
	// Broadcast is set on live broadcasts: what a server may leave out for a
	// client that reads too slowly. Nothing else may be left out.
	Broadcast bool

	wire   []byte // unmasked FIN header and payload, or as much of it as rest does not have
	header int
	rest   *rest // nil of most

	compressed atomic.Pointer[[]byte] // nil until asked for
}

// rest is the end of a frame that shares its payload with others.
type rest struct {
	payload []byte // shared
	end     []byte
	single  bool // the frame has one receiver: what it is compressed is not kept for others
}

// Wire is the header and payload as they go to the socket. It is read-only. Of a
// frame that shares its payload it is a copy, which AppendPieces does not make.
func (f *Frame) Wire() []byte {
	if f.rest == nil {
		return f.wire
	}
	return slices.Concat(f.wire, f.rest.payload, f.rest.end)
}

// Size is how many bytes Wire has.
func (f *Frame) Size() int {
	if f.rest == nil {
		return len(f.wire)
	}
	return len(f.wire) + len(f.rest.payload) + len(f.rest.end)
}

// AppendPieces appends what Wire is, in one piece or several. They are read-only.
func (f *Frame) AppendPieces(dst [][]byte) [][]byte {
	if f.rest == nil {
		return append(dst, f.wire)
	}
	return append(dst, f.wire, f.rest.payload, f.rest.end)
}

// Payload is the frame without its WebSocket header; a frame of an event stream has
// none. It is read-only.
func (f *Frame) Payload() []byte { return f.Wire()[f.header:] }

// The opcodes of RFC 6455, 5.2.
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

const (
	finalFrame = 0x80 // FIN: every message is one frame
	maxHeader  = 10
)

// newWire makes the buffer of a frame: room for the longest header, then size
// bytes to be appended.
func newWire(size int) []byte { return make([]byte, maxHeader, maxHeader+size) }

// newFrame puts the header in front of the payload, which is all that was
// appended to a buffer of newWire.
func newFrame(opcode byte, wire []byte) *Frame { return newSharing(opcode, wire, nil) }

// newSharing is newFrame with a rest that follows.
func newSharing(opcode byte, wire []byte, follows *rest) *Frame {
	size := len(wire) - maxHeader
	if follows != nil {
		size += len(follows.payload) + len(follows.end)
	}
	f := &Frame{rest: follows}
	switch {
	case size < 126:
		f.header = 2
		wire = wire[maxHeader-f.header:]
		wire[1] = byte(size)
	case size < 1<<16:
		f.header = 4
		wire = wire[maxHeader-f.header:]
		wire[1] = 126
		binary.BigEndian.PutUint16(wire[2:], uint16(size))
	default:
		f.header = maxHeader
		wire[1] = 127
		binary.BigEndian.PutUint64(wire[2:], uint64(size))
	}
	wire[0] = finalFrame | opcode
	f.wire = wire
	return f
}
