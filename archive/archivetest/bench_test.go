package archivetest_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// BenchmarkStore takes objects in on the real engines: packs and SQLite, all durable.
//
//	BENCH_DIR=/on/the/disk go test ./archive/archivetest -run '^$' -bench Store -benchtime 1000x
func BenchmarkStore(b *testing.B) {
	file, err := os.ReadFile(testkit.Testdata("first", "1.dcm"))
	if err != nil {
		b.Fatal(err)
	}
	h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{}, dicom.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	dataset := file[h.DatasetOffset:]
	class, sop := uids(b, h)
	for _, senders := range []int{1, 4} {
		b.Run(fmt.Sprintf("%dkB/senders=%d", len(dataset)/1000, senders), func(b *testing.B) {
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
			ix, err := sqlite.Open(filepath.Join(dir, "index"), sqlite.Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer ix.Close()
			a := archive.New(archive.Config{}, blobs, ix)
			b.SetBytes(int64(len(dataset)))
			b.ReportAllocs()
			b.ResetTimer()
			var n atomic.Int64
			var wg sync.WaitGroup
			for range senders {
				wg.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						other := fmt.Sprintf("%s%08d", sop[:len(sop)-8], 10_000_000+i)
						_, err := a.Store(b.Context(), tenant, archive.Incoming{
							Data: bytes.NewReader(bytes.ReplaceAll(dataset, []byte(sop), []byte(other))), TransferSyntax: h.TransferSyntax.UID,
							SOPClassUID: class, SOPInstanceUID: other,
						})
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "instances/s")
		})
	}
}

func uids(b *testing.B, h *dicom.Header) (class, sop string) {
	b.Helper()
	for _, e := range h.Dataset.Elements {
		switch e.Tag {
		case 0x00080016:
			class = string(bytes.TrimRight(e.Value, "\x00"))
		case 0x00080018:
			sop = string(bytes.TrimRight(e.Value, "\x00"))
		}
	}
	if len(sop) < 16 {
		b.Fatalf("SOP Instance UID %q", sop)
	}
	return class, sop
}
