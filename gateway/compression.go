package gateway

import (
	"bytes"
	"compress/flate"
	"sync"

	"walcast/protocol"
)

// compressFrom is the size of a frame below which compressing gains little: the
// packet is sent anyway.
const compressFrom = 1 << 10

// deflater compresses payloads for permessage-deflate without context takeover
// (RFC 7692), so that a compressed frame can be shared like a plain one. A
// flate.Writer is over half a megabyte, so they are lent.
type deflater struct{ writers sync.Pool }

func newDeflater() *deflater {
	return &deflater{writers: sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.BestSpeed)
		if err != nil {
			panic(err) // only for an unknown level
		}
		return w
	}}}
}

// wire is what goes to a session that agreed to compression.
func (d *deflater) wire(f *protocol.Frame) []byte {
	if f.Size() < compressFrom {
		return f.Wire()
	}
	return f.Compressed(d.deflate)
}

// deflate appends the compressed payload, without the empty block at its end
// that both sides know of.
func (d *deflater) deflate(dst, payload []byte) []byte {
	w := d.writers.Get().(*flate.Writer)
	defer d.writers.Put(w)
	b := bytes.NewBuffer(dst)
	w.Reset(b)
	// Neither fails: the buffer takes everything.
	_, _ = w.Write(payload)
	_ = w.Flush()
	return b.Bytes()[:b.Len()-len("\x00\x00\xff\xff")]
}
