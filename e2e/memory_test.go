package e2e

import (
	"bytes"
	"io"
	"os"
	"sync"
	"testing"
	"time"
)

// TestMemoryOfLargeObjects: memory must not depend on the size of objects.
func TestMemoryOfLargeObjects(t *testing.T) {
	t.Parallel()
	start(t).takesLarge(t, 256<<20)
}

// TestMemoryOfLargeObjectsS3 is the same on PostgreSQL and MinIO: no part of an upload may wait
// in memory for as long as others take.
func TestMemoryOfLargeObjectsS3(t *testing.T) {
	t.Parallel()
	newArchive(t, 1).nodes[0].takesLarge(t, 384<<20)
}

// takesLarge has ten senders push large multi-frame objects at one time: 10 x 64 MB here, 10 x
// 1 GB with AURELIUS_LONG=1.
func (s *server) takesLarge(t *testing.T, limit int64) {
	t.Helper()
	frames := 64 << 20 / (512 * 512)
	if os.Getenv("AURELIUS_LONG") != "" {
		frames = 1 << 30 / (512 * 512)
	}
	const most = 10
	began := time.Now()
	var group sync.WaitGroup
	for i := range most {
		group.Go(func() {
			m := made{class: mfStorage, patient: 1, study: i, series: 1, number: i, rows: 512, columns: 512, bits: 8, frames: frames}
			head, size := m.header()
			w, err := dialWire(s.dimse, mfStorage, explicitLE, 10*time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.conn.Close()
			rsp, err := w.store(m.uid(), io.MultiReader(bytes.NewReader(head), zeros(size)))
			if err != nil || rsp.status != 0 {
				t.Errorf("sender %d: %v %v", i, rsp, err)
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	peak := s.peakRSS(t)
	mib := float64(most*frames*512*512) / (1 << 20)
	t.Logf("%d senders, %.0f MiB in all: %.0f MiB/s, peak memory %d MiB", most, mib, mib/took.Seconds(), peak>>20)
	if peak > limit {
		t.Errorf("peak memory %d MiB, want at most %d", peak>>20, limit>>20)
	}
	// What came in is whole, read back as a stream.
	for i := range most {
		m := made{class: mfStorage, patient: 1, study: i, series: 1, number: i}
		status, header, _ := s.get(t, "/studies/"+m.studyUID()+"/series/"+uidOf(1, i, 1)+"/instances/"+m.uid()+"/frames/1")
		if status != 200 {
			t.Errorf("frame of object %d: status %d, %s", i, status, header.Get("Content-Type"))
		}
	}
	if peak := s.peakRSS(t); peak > limit {
		t.Errorf("peak memory %d MiB after reading frames, want at most %d", peak>>20, limit>>20)
	}
}
