package batch_test

import (
	"sync"
	"testing"

	"github.com/aurelius-imaging/aurelius/storage/index/batch"
)

// What arrives while somebody writes is written together, in bounded batches that never overlap;
// every caller returns after its own item; a closed queue takes nothing.
func TestQueue(t *testing.T) {
	t.Parallel()
	const callers, most = 50, 8
	q := batch.New[int](most)
	var writing sync.Mutex
	written := map[int]bool{}
	write := func(items []int) {
		if !writing.TryLock() {
			t.Error("two callers write at one time")
			return
		}
		defer writing.Unlock()
		if len(items) == 0 || len(items) > most {
			t.Errorf("a batch of %d, want 1 to %d", len(items), most)
		}
		for _, i := range items {
			written[i] = true
		}
	}
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			if !q.Do(i, write) {
				t.Errorf("%d was refused", i)
			}
		})
	}
	all.Wait()
	if len(written) != callers {
		t.Errorf("%d written, want %d", len(written), callers)
	}
	if !q.Close() || q.Close() {
		t.Error("Close says whether it was the first")
	}
	if q.Do(0, func([]int) { t.Error("written after Close") }) {
		t.Error("a closed queue took an item")
	}
}
