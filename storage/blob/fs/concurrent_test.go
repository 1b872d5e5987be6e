package fs_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
)

// Writers, readers, erasers and walkers at once on tiny packs that seal, rest and vanish all the
// time. Whatever is there is whole, and nothing is lost that nobody erased.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{PackSize: 60_000, Step: 8192, Idle: time.Millisecond})
	type kept struct {
		l    blob.Location
		seed uint64
		size int
	}
	var mu sync.Mutex
	live := map[blob.Location]kept{}
	pick := func(remove bool) (kept, bool) {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range live { // a map gives one at random
			if remove {
				delete(live, k.l)
			}
			return k, true
		}
		return kept{}, false
	}
	var writers, others sync.WaitGroup
	stop := make(chan struct{})
	for i := range uint64(4) {
		writers.Go(func() {
			for n := range uint64(60) {
				seed, size := i*1000+n, rand.IntN(30_000)
				w, err := s.Create(t.Context(), tenant)
				if err != nil {
					t.Errorf("Create: %v", err)
					return
				}
				_, _ = w.Write(blobtest.Content(seed, size))
				if n%5 == 4 {
					w.Abort()
					continue
				}
				r, err := w.Commit(t.Context())
				if err != nil {
					t.Errorf("Commit: %v", err)
				}
				w.Abort()
				mu.Lock()
				live[r.Location] = kept{r.Location, seed, size}
				mu.Unlock()
			}
		})
	}
	loop := func(work func()) {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					work()
				}
			}
		})
	}
	for range 2 {
		loop(func() { // reads what an eraser may take away
			k, ok := pick(false)
			if !ok {
				return
			}
			r, err := s.Open(t.Context(), k.l, 0, -1)
			if errs.Is(err, errs.NotFound) {
				return
			}
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			defer r.Close()
			if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, blobtest.Content(k.seed, k.size)) {
				t.Errorf("content at %+v differs (%v)", k.l, err)
			}
		})
	}
	loop(func() {
		if rand.IntN(3) > 0 {
			runtime.Gosched()
			return
		}
		k, ok := pick(true)
		if !ok {
			return
		}
		for err := s.Erase(t.Context(), k.l); err != nil; err = s.Erase(t.Context(), k.l) {
			if !errs.Is(err, errs.Unavailable) {
				t.Errorf("Erase: %v", err)
				return
			}
		}
	})
	loop(func() {
		for r, err := range s.List(t.Context(), nil) {
			if err != nil {
				t.Errorf("List: %v", err)
			} else if err := s.Verify(t.Context(), r.Location); err != nil && !errs.Is(err, errs.NotFound) {
				t.Errorf("Verify: %v", err)
			}
		}
	})
	writers.Wait()
	close(stop)
	others.Wait()

	again, _ := crash(t, s, nil)
	for _, s := range []blob.Store{s, again} {
		got := blobtest.Records(t, s, nil)
		if len(got) != len(live) {
			t.Errorf("%d records, want %d", len(got), len(live))
		}
		for _, k := range live {
			if !bytes.Equal(blobtest.Get(t, s, k.l), blobtest.Content(k.seed, k.size)) {
				t.Errorf("content at %+v differs", k.l)
			}
		}
	}
}
