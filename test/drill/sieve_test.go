package drill

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
)

// thief takes one row away, on whatever connection it passes first.
type thief struct{ stolen atomic.Bool }

// takes reports whether the payload of a frame is to vanish.
func (t *thief) takes(payload []byte) bool {
	return bytes.Contains(payload, []byte(`"postgres_changes",{"ids"`)) && bytes.Contains(payload, []byte(`"writer":1`)) && t.stolen.CompareAndSwap(false, true)
}

// frames cuts what a server sends on one connection into WebSocket frames, and
// drops those that a thief takes.
type frames struct {
	thief    *thief
	upgraded bool
	held     []byte // the beginning of a frame
}

func (f *frames) sift(p []byte) (out []byte) {
	f.held = append(f.held, p...)
	if !f.upgraded {
		_, rest, found := bytes.Cut(f.held, []byte("\r\n\r\n"))
		if !found {
			return nil
		}
		out, f.upgraded = append(out, f.held[:len(f.held)-len(rest)]...), true
		f.held = rest
	}
	for {
		head, size := extent(f.held)
		if head == 0 || len(f.held) < head+size {
			return out
		}
		if !f.thief.takes(f.held[head : head+size]) {
			out = append(out, f.held[:head+size]...)
		}
		f.held = f.held[head+size:]
	}
}

// extent is the length of a frame's header, 0 if there is not all of it, and of
// its payload. Servers do not mask.
func extent(p []byte) (head, size int) {
	if len(p) < 2 {
		return 0, 0
	}
	switch n := int(p[1]); {
	case n == 126 && len(p) >= 4:
		return 4, int(binary.BigEndian.Uint16(p[2:]))
	case n == 127 && len(p) >= 10:
		return 10, int(binary.BigEndian.Uint64(p[2:]))
	case n < 126:
		return 2, n
	}
	return 0, 0
}
