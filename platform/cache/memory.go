package cache

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// overhead is what an entry takes beside its value, about.
const overhead = 256

// Memory keeps the most recently used values of one process. Memory is bounded by the bytes
// given to NewMemory, and values being built.
type Memory struct {
	bound   int64
	now     func() time.Time
	flights Flights

	lock  sync.Mutex
	bytes int64
	order *list.List // of *entry; front: used last
	byKey map[Key]*list.Element
}

type entry struct {
	key   Key
	value []byte
	until time.Time
}

func (e *entry) size() int64 { return int64(len(e.value)+len(e.key)) + overhead }

// NewMemory returns a cache of so many bytes.
func NewMemory(bound int64) *Memory {
	return &Memory{bound: bound, now: time.Now, order: list.New(), byKey: make(map[Key]*list.Element)}
}

var _ Cache = (*Memory)(nil)

// Get returns a value that is still good.
func (m *Memory) Get(_ context.Context, k Key) ([]byte, bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	at, found := m.byKey[k]
	if !found {
		return nil, false
	}
	e := at.Value.(*entry)
	if !m.now().Before(e.until) {
		m.drop(at)
		return nil, false
	}
	m.order.MoveToFront(at)
	return e.value, true
}

// Set keeps the value; what is larger than a quarter of the cache is not kept.
func (m *Memory) Set(_ context.Context, k Key, value []byte, ttl time.Duration) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if at, found := m.byKey[k]; found {
		m.drop(at)
	}
	e := &entry{key: k, value: value, until: m.now().Add(ttl)}
	if e.size() > m.bound/4 || ttl <= 0 {
		return
	}
	m.byKey[k] = m.order.PushFront(e)
	m.bytes += e.size()
	for m.bytes > m.bound {
		m.drop(m.order.Back())
	}
}

// Delete forgets the value.
func (m *Memory) Delete(_ context.Context, k Key) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if at, found := m.byKey[k]; found {
		m.drop(at)
	}
}

func (m *Memory) drop(at *list.Element) {
	e := m.order.Remove(at).(*entry)
	delete(m.byKey, e.key)
	m.bytes -= e.size()
}

// Do returns the value, built once among concurrent callers.
func (m *Memory) Do(ctx context.Context, k Key, ttl time.Duration, build func() ([]byte, error)) ([]byte, error) {
	if v, ok := m.Get(ctx, k); ok {
		return v, nil
	}
	return m.flights.Do(ctx, k, func() ([]byte, error) {
		if v, ok := m.Get(ctx, k); ok { // set between our look and our turn
			return v, nil
		}
		v, err := build()
		if err == nil {
			m.Set(ctx, k, v, ttl)
		}
		return v, err
	})
}

// Close does nothing: the values go with the process.
func (m *Memory) Close() error { return nil }
