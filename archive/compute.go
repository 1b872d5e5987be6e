package archive

import (
	"context"
	"iter"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// compute bounds the work on pixels: as many frames at a time as there are CPUs, and so many
// bytes of frames under way. Memory is taken before a CPU and given back by whoever has one, so
// that nobody waits for somebody who waits.
type compute struct {
	cpus   *semaphore.Weighted
	memory *semaphore.Weighted
	bound  int64
}

// defaultDecoding is enough for two of the largest mammograms at a time with all that comes of
// them; a frame that needs more is worked on alone.
const defaultDecoding = 512 << 20

func newCompute(bound int64) compute {
	if bound <= 0 {
		bound = defaultDecoding
	}
	return compute{
		cpus:   semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))),
		memory: semaphore.NewWeighted(bound), bound: bound,
	}
}

// Work runs do, which keeps a CPU busy (codecs, rendering) and holds so many bytes, when there
// is a CPU and room for it. It must not be called from within do.
func (a *Archive) Work(ctx context.Context, bytes int64, do func() error) error {
	c := &a.compute
	bytes = min(max(bytes, 0), c.bound)
	if err := c.memory.Acquire(ctx, bytes); err != nil {
		return errs.E(errs.Canceled, "archive.Work", err)
	}
	defer c.memory.Release(bytes)
	if err := c.cpus.Acquire(ctx, 1); err != nil {
		return errs.E(errs.Canceled, "archive.Work", err)
	}
	defer c.cpus.Release(1)
	return do()
}

// aheadBytes bounds what one reader has waiting for it, so that a slow one holds no more than
// this, and no CPU.
const aheadBytes = 16 << 20

// ahead returns how many frames of a size are made before their turn.
func ahead(bytes int64) int {
	return int(min(max(aheadBytes/max(bytes, 1), 1), int64(2*runtime.GOMAXPROCS(0))))
}

// inOrder makes values of items, up to ahead of them beside each other and before their turn,
// and yields them in the items' order. It ends with the first error. When it returns nothing of
// it is under way any more.
func inOrder[In, Out any](ctx context.Context, ahead int, items iter.Seq2[In, error], work func(context.Context, In) (Out, error)) iter.Seq2[Out, error] {
	type result struct {
		value Out
		err   error
	}
	return func(yield func(Out, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		var group sync.WaitGroup
		defer group.Wait()
		defer stop()
		turns := make(chan chan result, ahead-1)
		group.Go(func() {
			defer close(turns)
			for item, err := range items {
				turn := make(chan result, 1)
				select {
				case turns <- turn:
				case <-ctx.Done():
					return
				}
				if err != nil {
					turn <- result{err: err}
					return
				}
				group.Go(func() {
					value, err := work(ctx, item)
					turn <- result{value, err}
				})
			}
		})
		for turn := range turns {
			r := <-turn
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			var none Out
			yield(none, errs.E(errs.Canceled, "archive.inOrder", err))
		}
	}
}
