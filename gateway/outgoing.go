package gateway

import (
	"net"

	"walcast/protocol"
)

// What one write carries at most. More per system call gains nothing, and the
// write deadline is for one write.
const (
	writeFrames = 64
	writeBytes  = 256 << 10
)

// outgoing is what a writer takes from its queue at once, with the room that it
// needs to write it. Writers borrow one for as long as they run.
type outgoing struct {
	frames []*protocol.Frame
	bytes  int
	last   bool // ends with the close frame

	pieces net.Buffers // the bytes of each frame
	rest   net.Buffers // those that writev has still to write; it takes them off, and pieces keeps their memory
	joined []byte      // all pieces in one, where there is no writev
}

func newOutgoing() *outgoing {
	return &outgoing{frames: make([]*protocol.Frame, 0, writeFrames), pieces: make(net.Buffers, 0, writeFrames)}
}

func (o *outgoing) fits(f *protocol.Frame) bool {
	return len(o.frames) == 0 || len(o.frames) < writeFrames && o.bytes+f.Size() <= writeBytes
}

func (o *outgoing) add(f *protocol.Frame) {
	o.frames = append(o.frames, f)
	o.bytes += f.Size()
}

// reset forgets the frames, so that a pooled one keeps none of them alive.
func (o *outgoing) reset() {
	clear(o.frames)
	o.frames, o.bytes, o.last = o.frames[:0], 0, false
}

// committed is the commit time of the oldest change among them, in
// nanoseconds since the epoch, 0 if there is none.
func (o *outgoing) committed() int64 {
	for _, f := range o.frames {
		if f.Committed != 0 {
			return f.Committed
		}
	}
	return 0
}

// writeTo writes the frames with one system call where the socket takes it all,
// and returns how many bytes that were. With d, large frames go compressed.
func (o *outgoing) writeTo(conn net.Conn, d *deflater) (size int, err error) {
	o.pieces = o.pieces[:0]
	for _, f := range o.frames {
		if d != nil {
			o.pieces = append(o.pieces, d.wire(f))
			continue
		}
		o.pieces = f.AppendPieces(o.pieces)
	}
	for _, p := range o.pieces {
		size += len(p)
	}
	_, isTCP := conn.(*net.TCPConn)
	switch {
	case len(o.pieces) == 1:
		_, err = conn.Write(o.pieces[0])
	case isTCP:
		o.rest = o.pieces
		_, err = o.rest.WriteTo(conn)
	case size > writeBytes: // one large frame, which is not copied
		for i := 0; i < len(o.pieces) && err == nil; i++ {
			_, err = conn.Write(o.pieces[i])
		}
	default: // TLS makes a record and a system call of each piece
		o.joined = o.joined[:0]
		for _, p := range o.pieces {
			o.joined = append(o.joined, p...)
		}
		_, err = conn.Write(o.joined)
	}
	clear(o.pieces) // keeps no frame alive
	return size, err
}
