package cache

import (
	"context"
	"sync"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Flights lets one caller of a process build what several ask for at a time. The zero value is
// ready to use.
type Flights struct {
	lock sync.Mutex
	open map[Key]*flight
}

// flight is a build under way; the result may be read when done is closed.
type flight struct {
	done  chan struct{}
	value []byte
	err   error
}

// Do runs build, or waits for the caller who does. The builder works in its own goroutine: it is
// bound by its own context, the others leave with theirs.
func (f *Flights) Do(ctx context.Context, k Key, build func() ([]byte, error)) ([]byte, error) {
	for {
		f.lock.Lock()
		fl, found := f.open[k]
		if !found {
			fl = &flight{done: make(chan struct{}), err: errs.Errorf(errs.Internal, "cache.Do", "the builder panicked")}
			if f.open == nil {
				f.open = make(map[Key]*flight)
			}
			f.open[k] = fl
			f.lock.Unlock()
			return f.build(k, fl, build)
		}
		f.lock.Unlock()
		select {
		case <-fl.done:
		case <-ctx.Done():
			return nil, errs.E(errs.Canceled, "cache.Do", ctx.Err())
		}
		if !errs.Is(fl.err, errs.Canceled) || ctx.Err() != nil {
			return fl.value, fl.err
		}
		// Its builder went away, which is not our caller's fault.
	}
}

func (f *Flights) build(k Key, fl *flight, build func() ([]byte, error)) ([]byte, error) {
	defer func() { // also when build panics: nobody may wait for ever
		f.lock.Lock()
		delete(f.open, k)
		f.lock.Unlock()
		close(fl.done)
	}()
	fl.value, fl.err = build()
	return fl.value, fl.err
}
