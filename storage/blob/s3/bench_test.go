package s3_test

import (
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
)

// BenchmarkCommit puts records into MinIO from several writers at once.
func BenchmarkCommit(b *testing.B) {
	url := testkit.Part(b, "minio")
	for _, size := range []int{10_000, 526_000, 20 << 20} {
		for _, writers := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("%dkB/%d", size/1000, writers), func(b *testing.B) {
				s := open(b, quick(b, url))
				content := blobtest.Content(1, size)
				b.SetBytes(int64(size))
				b.ResetTimer()
				var wg sync.WaitGroup
				for i := range writers {
					wg.Go(func() {
						for range (b.N + i) / writers {
							blobtest.Put(b, s, tenant, content)
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	}
}

// BenchmarkRead reads records whole, and a piece out of their middle.
func BenchmarkRead(b *testing.B) {
	s := open(b, quick(b, testkit.Part(b, "minio")))
	const size = 526_000
	var rs []blob.Record
	for i := range 16 {
		rs = append(rs, blobtest.Put(b, s, tenant, blobtest.Content(uint64(i), size)))
	}
	for name, n := range map[string]int64{"whole": -1, "20kB": 20_000} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				off := int64(0)
				if n > 0 {
					off = 100_000
				}
				r, err := s.Open(b.Context(), rs[i%len(rs)].Location, off, n)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}
