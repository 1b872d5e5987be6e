package s3_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
)

// What was acknowledged is there after the object store was killed while it was written to, and
// writers that were under way succeed when it is back.
func TestKilledStore(t *testing.T) {
	minio := testkit.NewPart(t, "minio")
	cfg := quick(t, minio.URL)
	cfg.Timeout, cfg.Stall, cfg.GiveUp = 5*time.Second, 5*time.Second, time.Minute
	s := open(t, cfg)
	type stored struct {
		blob.Record
		seed uint64
	}
	const writers, each = 4, 8
	sizeOf := func(seed uint64) int { return []int{1000, 600_000, 6<<20 + 1, 60_000}[seed%4] }
	var (
		mu  sync.Mutex
		all []stored
		wg  sync.WaitGroup
	)
	half := make(chan struct{}, writers*each)
	for i := range writers {
		wg.Go(func() {
			for k := range each {
				seed := uint64(i*each + k)
				r, err := put(t.Context(), s, blobtest.Content(seed, sizeOf(seed)))
				if err != nil {
					t.Errorf("put %d: %v", seed, err)
					continue
				}
				mu.Lock()
				all = append(all, stored{r, seed})
				mu.Unlock()
				half <- struct{}{}
			}
		})
	}
	for range writers * each / 4 {
		<-half
	}
	minio.Kill()
	minio.Restart()
	wg.Wait()
	for _, r := range all {
		got, err := read(t.Context(), s, r.Location)
		if err != nil || !bytes.Equal(got, blobtest.Content(r.seed, sizeOf(r.seed))) {
			t.Errorf("record %d: %d bytes, %v", r.seed, len(got), err)
		}
	}
	// An object whose answer the crash took was put again under the same key: none is there twice.
	if got := blobtest.Records(t, s, nil); len(got) != len(all) {
		t.Errorf("%d records, want %d", len(got), len(all))
	}
}
