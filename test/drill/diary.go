package drill

import (
	"sync"
	"time"
)

// diary is what a client has noted. It is safe for concurrent use.
type diary struct {
	mu      sync.Mutex
	entries []entry
	pulse   int // number of the newest pulse that came; -1 before the first
	joined  bool
}

func newDiary() *diary { return &diary{pulse: -1} }

func (d *diary) note(e entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e.Time = time.Now().UnixNano()
	d.entries = append(d.entries, e)
	switch {
	case e.Kind == joined:
		d.joined = true
	case e.Kind == closed:
		d.joined = false
	case e.Kind == seen && e.Row.Writer == 0:
		d.pulse = max(d.pulse, e.Row.Number/len(tables))
	}
}

// has reports whether the n-th pulse, or a later one, has come.
func (d *diary) has(n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pulse >= n
}

func (d *diary) isJoined() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.joined
}

func (d *diary) read() []entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries[:len(d.entries):len(d.entries)]
}
