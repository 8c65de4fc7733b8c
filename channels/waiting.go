package channels

import (
	"sync"

	"walcast/replication/catalog"
)

// waiting is the channels whose table is not published, each with the name of
// that table.
type waiting struct {
	mu       sync.Mutex
	channels map[*channel]catalog.TableName
}

func (w *waiting) add(ch *channel, missing catalog.TableName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.channels[ch] = missing
}

func (w *waiting) remove(ch *channel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.channels, ch)
}

// any forgets the channels that have ended, and reports whether others are
// left.
func (w *waiting) any() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.channels {
		if ch.ended.Load() {
			delete(w.channels, ch)
		}
	}
	return len(w.channels) > 0
}

// found returns the channels whose table is published. A name may have "*" for
// any schema or table.
func (w *waiting) found(published []catalog.TableName) map[*channel]catalog.TableName {
	names := map[catalog.TableName]bool{}
	for _, n := range published {
		for _, name := range []catalog.TableName{n, {Schema: n.Schema, Table: "*"}, {Schema: "*", Table: n.Table}, {Schema: "*", Table: "*"}} {
			names[name] = true
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[*channel]catalog.TableName{}
	for ch, name := range w.channels {
		if names[name] {
			found[ch] = name
		}
	}
	return found
}
