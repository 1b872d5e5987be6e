package archive

import (
	"container/list"
	"sync"
)

// lru keeps the most recently used values up to a bound in bytes. Safe for concurrent use.
type lru[K comparable, V any] struct {
	mu    sync.Mutex
	bound int64
	bytes int64
	order *list.List // front: used last
	byKey map[K]*list.Element
}

type cached[K comparable, V any] struct {
	key   K
	value V
	bytes int64
}

func newLRU[K comparable, V any](bound int64) *lru[K, V] {
	return &lru[K, V]{bound: bound, order: list.New(), byKey: map[K]*list.Element{}}
}

func (c *lru[K, V]) get(k K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached[K, V]).value, true
}

// put keeps v, which takes bytes; what is larger than a quarter of it is not kept.
func (c *lru[K, V]) put(k K, v V, bytes int64) {
	if bytes > c.bound/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[k]; ok {
		c.drop(e)
	}
	c.byKey[k] = c.order.PushFront(&cached[K, V]{k, v, bytes})
	c.bytes += bytes
	for c.bytes > c.bound {
		c.drop(c.order.Back())
	}
}

func (c *lru[K, V]) drop(e *list.Element) {
	old := c.order.Remove(e).(*cached[K, V])
	delete(c.byKey, old.key)
	c.bytes -= old.bytes
}
