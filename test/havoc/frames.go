package havoc

import (
	"bytes"
	"encoding/binary"
)

// Thief returns a Sieve that cuts what a server sends on one connection into WebSocket
// frames, and drops those whose payload takes is true for.
func Thief(takes func(payload []byte) bool) Sieve { return &frames{takes: takes} }

type frames struct {
	takes    func(payload []byte) bool
	upgraded bool
	held     []byte // the beginning of a frame
}

// Sift passes on the frames that are whole and are not dropped.
func (f *frames) Sift(p []byte) (out []byte) {
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
		if !f.takes(f.held[head : head+size]) {
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
