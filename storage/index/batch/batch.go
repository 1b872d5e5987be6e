// Package batch lets concurrent writers of an index share a commit without a goroutine of its
// own: a caller who finds nobody writing lets those who can run come in, and writes; what arrived
// meanwhile is written together by the first of those who wait. A caller who is alone waits for
// nobody. It leaves out what is written, and how.
package batch

import (
	"runtime"
	"slices"
	"sync"
)

// Queue gathers items of concurrent callers. New makes one; it is safe for concurrent use.
type Queue[T any] struct {
	max int

	lock    sync.Mutex
	idle    sync.Cond
	pending []*place[T]
	busy    bool
	closed  bool
}

// place is a caller in the queue.
type place[T any] struct {
	item    T
	written bool          // when woken: else this caller is to write
	wake    chan struct{} // buffered for one
}

// New returns a queue whose batches hold up to max items.
func New[T any](max int) *Queue[T] {
	q := &Queue[T]{max: max}
	q.idle.L = &q.lock
	return q
}

// Do returns when a call of write, this one or another caller's, is done with a batch that holds
// the item; calls of write never overlap. It reports false, and nothing happened, when the queue
// is closed.
func (q *Queue[T]) Do(item T, write func([]T)) bool {
	p := &place[T]{item: item, wake: make(chan struct{}, 1)}
	lead, ok := q.enter(p)
	if !ok {
		return false
	}
	if !lead {
		<-p.wake
		lead = !p.written
	}
	if lead {
		runtime.Gosched() // callers who were answered together come back together
		places := q.take()
		items := make([]T, len(places))
		for i, p := range places {
			items[i] = p.item
		}
		write(items)
		q.leave(places, p)
	}
	return true
}

// enter queues p and reports whether its caller is to write.
func (q *Queue[T]) enter(p *place[T]) (lead, ok bool) {
	q.lock.Lock()
	defer q.lock.Unlock()
	if q.closed {
		return false, false
	}
	q.pending = append(q.pending, p)
	lead = !q.busy
	q.busy = true
	return lead, true
}

// take returns the next batch; the caller who leads is its first.
func (q *Queue[T]) take() []*place[T] {
	q.lock.Lock()
	defer q.lock.Unlock()
	n := min(len(q.pending), q.max)
	places := slices.Clone(q.pending[:n])
	q.pending = slices.Delete(q.pending, 0, n)
	return places
}

// leave answers the callers of the batch and passes the lead on.
func (q *Queue[T]) leave(places []*place[T], self *place[T]) {
	for _, p := range places {
		if p != self {
			p.written = true
			p.wake <- struct{}{}
		}
	}
	q.lock.Lock()
	defer q.lock.Unlock()
	if len(q.pending) > 0 {
		q.pending[0].wake <- struct{}{}
		return
	}
	q.busy = false
	q.idle.Broadcast()
}

// Close refuses what comes and waits for what is there. It reports false the second time.
func (q *Queue[T]) Close() bool {
	q.lock.Lock()
	defer q.lock.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	for q.busy {
		q.idle.Wait()
	}
	return true
}
