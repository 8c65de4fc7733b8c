package resume

import (
	"iter"
	"maps"
	"time"
)

// generations keeps values for a time, and for twice that at most: those of the last turn,
// and those of the turn before. It is not safe for concurrent use.
type generations[K comparable, V any] struct {
	maxBytes, size int // of all, and about of one
	keep           time.Duration
	recent, older  map[K]V
	turn           time.Time // when the recent ones become the older ones
}

func newGenerations[K comparable, V any](maxBytes, size int, keep time.Duration) generations[K, V] {
	return generations[K, V]{maxBytes: maxBytes, size: size, keep: keep, recent: map[K]V{}, older: map[K]V{}}
}

// put keeps a value as of the last turn. forgotten says that there was no room, and that
// all before were forgotten.
func (g *generations[K, V]) put(key K, value V) (forgotten bool) {
	delete(g.older, key)
	g.recent[key] = value
	if g.bytes() <= g.maxBytes {
		return false
	}
	g.forgetAll()
	return true
}

func (g *generations[K, V]) get(key K) (value V, ok bool) {
	if value, ok = g.recent[key]; !ok {
		value, ok = g.older[key]
	}
	return value, ok
}

func (g *generations[K, V]) drop(key K) {
	delete(g.recent, key)
	delete(g.older, key)
}

// age forgets those that were put too long ago.
func (g *generations[K, V]) age(now time.Time) {
	switch {
	case g.turn.IsZero():
		g.turn = now.Add(g.keep)
	case !now.Before(g.turn.Add(g.keep)):
		g.forgetAll()
		g.turn = now.Add(g.keep)
	case !now.Before(g.turn):
		g.older, g.recent = g.recent, map[K]V{}
		g.turn = g.turn.Add(g.keep)
	}
}

// all has each of them, those of the turn before first.
func (g *generations[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, some := range []map[K]V{g.older, g.recent} {
			for key, value := range maps.All(some) {
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

func (g *generations[K, V]) forgetAll() { g.recent, g.older = map[K]V{}, map[K]V{} }

func (g *generations[K, V]) len() int { return len(g.recent) + len(g.older) }

func (g *generations[K, V]) bytes() int { return g.size * g.len() }
