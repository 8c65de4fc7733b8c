package drill

import (
	"bytes"
	"sync/atomic"
)

// thief takes one row away, on whatever connection it passes first.
type thief struct{ stolen atomic.Bool }

// takes reports whether the payload of a frame is to vanish.
func (t *thief) takes(payload []byte) bool {
	return bytes.Contains(payload, []byte(`"postgres_changes",{"ids"`)) && bytes.Contains(payload, []byte(`"writer":1`)) && t.stolen.CompareAndSwap(false, true)
}
