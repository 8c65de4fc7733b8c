package diagnose

import (
	"container/list"
	"sync"
	"time"
)

// cache holds values for a time after their last use, within a limit of bytes. Beyond
// the limit it drops the values that were used longest ago. It is safe for
// concurrent use.
type cache[K comparable, V any] struct {
	limit int           // bytes
	age   time.Duration // since the last use

	mu    sync.Mutex
	byKey map[K]*list.Element
	order list.List // of *cached[K, V], in order of last use, oldest first
	bytes int
}

type cached[K comparable, V any] struct {
	key   K
	value V
	size  int
	used  time.Time
}

// cachedCost is the memory of an entry without its key and value: structs, and its
// part of maps and lists.
const cachedCost = 300

func newCache[K comparable, V any](limit int, age time.Duration) *cache[K, V] {
	return &cache[K, V]{limit: limit, age: age, byKey: map[K]*list.Element{}}
}

func (c *cache[K, V]) get(key K, now time.Time) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.byKey[key]
	if at == nil {
		return value, false
	}
	e := at.Value.(*cached[K, V])
	e.used = now
	c.order.MoveToBack(at)
	return e.value, true
}

// put stores a value, which replaces the key's former value. size is the memory of
// key and value. A value that is larger than the limit is not kept.
func (c *cache[K, V]) put(key K, value V, size int, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.byKey[key])
	size += cachedCost
	c.byKey[key] = c.order.PushBack(&cached[K, V]{key, value, size, now})
	c.bytes += size
	for c.bytes > c.limit {
		c.drop(c.order.Front())
	}
}

func (c *cache[K, V]) remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.byKey[key])
}

// drop removes an entry, which may be nil. It is called while mu is held.
func (c *cache[K, V]) drop(at *list.Element) {
	if at == nil {
		return
	}
	e := at.Value.(*cached[K, V])
	c.order.Remove(at)
	delete(c.byKey, e.key)
	c.bytes -= e.size
}

// expire drops the values that were not used for the cache's age.
func (c *cache[K, V]) expire(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.order.Front(); at != nil && now.Sub(at.Value.(*cached[K, V]).used) > c.age; at = c.order.Front() {
		c.drop(at)
	}
}

// size returns the memory of the cache in bytes.
func (c *cache[K, V]) size() (bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}
