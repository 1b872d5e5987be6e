package redis

import (
	"sync"
	"time"
)

// rest is how long a Redis that failed is left alone.
const rest = 2 * time.Second

// breaker lets everybody through while Redis answers, and one caller at the end of each rest
// when it did not: a dead Redis costs one time-out now and then, not one for each request.
type breaker struct {
	lock  sync.Mutex
	open  bool // it failed and has not answered since
	until time.Time
}

func (b *breaker) allow(now time.Time) bool {
	b.lock.Lock()
	defer b.lock.Unlock()
	if !b.open {
		return true
	}
	if now.Before(b.until) {
		return false
	}
	b.until = now.Add(rest) // this caller tries; the others do not until it knows
	return true
}

// succeeded reports whether Redis had been failing.
func (b *breaker) succeeded() bool {
	b.lock.Lock()
	defer b.lock.Unlock()
	was := b.open
	b.open = false
	return was
}

// failed reports whether Redis had answered until now.
func (b *breaker) failed(now time.Time) bool {
	b.lock.Lock()
	defer b.lock.Unlock()
	first := !b.open
	b.open, b.until = true, now.Add(rest)
	return first
}
