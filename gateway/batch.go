package gateway

import (
	"net"

	"walcast/protocol"
)

// What one write carries at most. More per system call gains nothing, and the
// write deadline is for one batch.
const (
	batchFrames = 64
	batchBytes  = 256 << 10
)

// batch is what a writer takes from its queue at once, with the room that it
// needs to write it. Writers borrow one for as long as they run.
type batch struct {
	frames []*protocol.Frame
	bytes  int
	last   bool // ends with the close frame

	pieces net.Buffers // the bytes of each frame
	rest   net.Buffers // those that writev has still to write; it takes them off, and pieces keeps their memory
	joined []byte      // all pieces in one, where there is no writev
}

func newBatch() *batch {
	return &batch{frames: make([]*protocol.Frame, 0, batchFrames), pieces: make(net.Buffers, 0, batchFrames)}
}

func (b *batch) fits(f *protocol.Frame) bool {
	return len(b.frames) == 0 || len(b.frames) < batchFrames && b.bytes+f.Size() <= batchBytes
}

func (b *batch) add(f *protocol.Frame) {
	b.frames = append(b.frames, f)
	b.bytes += f.Size()
}

// reset forgets the frames, so that a pooled batch keeps none of them alive.
func (b *batch) reset() {
	clear(b.frames)
	b.frames, b.bytes, b.last = b.frames[:0], 0, false
}

// committed is the commit time of the oldest change in the batch, in
// nanoseconds since the epoch, 0 if there is none.
func (b *batch) committed() int64 {
	for _, f := range b.frames {
		if f.Committed != 0 {
			return f.Committed
		}
	}
	return 0
}

// writeTo writes the batch with one system call where the socket takes it all,
// and returns how many bytes that were. With d, large frames go compressed.
func (b *batch) writeTo(conn net.Conn, d *deflater) (size int, err error) {
	b.pieces = b.pieces[:0]
	for _, f := range b.frames {
		if d != nil {
			b.pieces = append(b.pieces, d.wire(f))
			continue
		}
		b.pieces = f.AppendPieces(b.pieces)
	}
	for _, p := range b.pieces {
		size += len(p)
	}
	_, isTCP := conn.(*net.TCPConn)
	switch {
	case len(b.pieces) == 1:
		_, err = conn.Write(b.pieces[0])
	case isTCP:
		b.rest = b.pieces
		_, err = b.rest.WriteTo(conn)
	case size > batchBytes: // one large frame, which is not copied
		for i := 0; i < len(b.pieces) && err == nil; i++ {
			_, err = conn.Write(b.pieces[i])
		}
	default: // TLS makes a record and a system call of each piece
		b.joined = b.joined[:0]
		for _, p := range b.pieces {
			b.joined = append(b.joined, p...)
		}
		_, err = conn.Write(b.joined)
	}
	clear(b.pieces) // keeps no frame alive
	return size, err
}
