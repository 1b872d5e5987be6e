package archive_test

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
)

// BenchmarkStore takes in CT slices of 526 kB and small objects of 10 kB, on a disk but with an
// index in memory: what archive and blobs cost.
//
//	BENCH_DIR=/on/the/disk go test ./archive -run '^$' -bench Store -benchtime 500x
func BenchmarkStore(b *testing.B) {
	for _, pixels := range []int{10_000, 526_000} {
		for _, senders := range []int{1, 4} {
			b.Run(fmt.Sprintf("%dkB/senders=%d", pixels/1000, senders), func(b *testing.B) {
				dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "archive-bench")
				if err != nil {
					b.Fatal(err)
				}
				defer os.RemoveAll(dir)
				blobs, err := fs.Open(fs.Config{Dir: dir})
				if err != nil {
					b.Fatal(err)
				}
				defer blobs.Close()
				a := archive.New(archive.Config{}, blobs, newMemIndex())
				const sop = "1.2.3.4.00000000"
				dataset := sample{sop: sop, pixels: make([]byte, pixels)}.dataset()
				at := bytes.Index(dataset, []byte(sop)) + 8
				b.SetBytes(int64(len(dataset)))
				b.ReportAllocs()
				b.ResetTimer()
				var n atomic.Int64
				var wg sync.WaitGroup
				for range senders {
					wg.Go(func() {
						mine := bytes.Clone(dataset)
						for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
							copy(mine[at:], fmt.Sprintf("%08d", 10_000_000+i))
							in := incoming(mine, string(mine[at-8:at+8]))
							if _, err := a.Store(b.Context(), tenant, in); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
