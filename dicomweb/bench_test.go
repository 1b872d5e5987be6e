package dicomweb_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicomweb"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// discard is a client that costs nothing.
type discard struct {
	header http.Header
	status int
	bytes  int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(s int)           { d.status = s }
func (d *discard) Write(p []byte) (int, error) { d.bytes += len(p); return len(p), nil }

// BenchmarkHandlers times whole requests without a socket, on one series of 200 slices of the
// header size of testdata/first and 500 further studies.
func BenchmarkHandlers(b *testing.B) {
	arch := archivetest.New(b)
	slice := first(b)[0]
	put := func(o []byte) {
		if _, err := arch.Store(context.Background(), storage.DefaultTenant, archive.Incoming{Data: bytes.NewReader(o)}); err != nil {
			b.Fatal(err)
		}
	}
	uid := []byte(firstInstance(1))
	for i := range 200 {
		put(bytes.ReplaceAll(slice, uid, fmt.Appendf(nil, "%s.%03d", uid[:len(uid)-4], i)))
	}
	for i := range 500 {
		put(bytes.ReplaceAll(slice, []byte("2.25.311111"), fmt.Appendf(nil, "2.25.4%05d", i)))
	}
	engine := gin.New()
	dicomweb.New(dicomweb.Config{Log: quiet}, arch).Register(engine)
	h := httpd.NewHandler(httpd.HandlerConfig{Log: quiet}, engine)
	series := "/studies/" + firstStudy + "/series/" + firstSeries
	for _, tc := range []struct{ name, path, accept string }{
		{"PatientID limit 1", "/studies?PatientID=FIRST-1&limit=1", "application/dicom+json"},
		{"StudyInstanceUID", "/studies?StudyInstanceUID=" + firstStudy, "application/dicom+json"},
		{"500 studies", "/studies", "application/dicom+json"},
		{"200 instances", series + "/instances", "application/dicom+json"},
		{"200 instances all", series + "/instances?includefield=all", "application/dicom+json"},
		{"metadata", series + "/metadata", "application/dicom+json"},
		{"frame", series + "/instances/" + string(uid[:len(uid)-4]) + ".000/frames/1", `multipart/related; type="application/octet-stream"`},
	} {
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, dicomweb.Root+tc.path, nil)
				r.Header.Set("Accept", tc.accept)
				r.Header.Set("Accept-Encoding", "gzip")
				w := &discard{header: http.Header{}}
				h.ServeHTTP(w, r)
				if w.status != 200 {
					b.Fatalf("status %d", w.status)
				}
			}
		})
	}
}

// BenchmarkSeriesMetadata times the metadata of a series that is not in memory, on the real
// engines: from its headers, and as it was sealed. With DROP=1 the kernel forgets the files too
// (root only).
//
//	BENCH_DIR=/on/the/disk [DROP=1] go test ./dicomweb -run '^$' -bench SeriesMetadata -benchtime 20x
func BenchmarkSeriesMetadata(b *testing.B) {
	for _, instances := range []int{200, 1000} {
		dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "seal-bench")
		if err != nil {
			b.Fatal(err)
		}
		defer os.RemoveAll(dir)
		open := func(name string) blob.Store {
			s, err := fs.Open(fs.Config{Dir: filepath.Join(dir, name)})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Close() })
			return s
		}
		blobs, derived := open("instances"), open("derived")
		ix, err := sqlite.Open(filepath.Join(dir, "index"), sqlite.Config{})
		if err != nil {
			b.Fatal(err)
		}
		defer ix.Close()
		form := dicomweb.MetadataForm("", "http://pacs.example.org:8042"+dicomweb.Root)
		node := func(derived blob.Store) *archive.Archive {
			return archive.New(archive.Config{Derived: derived, SealAfter: -time.Hour, Form: form}, blobs, ix)
		}
		arch := node(derived)
		slice, uid := first(b)[0], []byte(firstInstance(1))
		for i := range instances {
			other := bytes.ReplaceAll(slice, uid, fmt.Appendf(nil, "%s.%03d", uid[:len(uid)-4], i))
			if _, err := arch.Store(b.Context(), storage.DefaultTenant, archive.Incoming{Data: bytes.NewReader(other)}); err != nil {
				b.Fatal(err)
			}
		}
		begun := time.Now()
		if n, err := arch.SealOnce(b.Context(), 1); err != nil || n != 1 {
			b.Fatal(n, err)
		}
		b.Logf("%d instances sealed in %v", instances, time.Since(begun))
		read := func(b *testing.B, derived blob.Store) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				if os.Getenv("DROP") != "" {
					b.StopTimer()
					if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				arch := node(derived) // with nothing in memory
				states, err := arch.Series(b.Context(), storage.DefaultTenant, index.Ref{})
				if err != nil || len(states) != 1 {
					b.Fatal(states, err)
				}
				p, err := arch.SeriesMetadata(b.Context(), storage.DefaultTenant, states[0], form)
				if err != nil {
					b.Fatal(err)
				}
				size = len(p.Blocks)
			}
			b.ReportMetric(float64(size), "bytes")
		}
		for range 3 { // in turn, as the machine is shared
			b.Run(fmt.Sprintf("%d/headers", instances), func(b *testing.B) { read(b, nil) })
			b.Run(fmt.Sprintf("%d/sealed", instances), func(b *testing.B) { read(b, derived) })
		}
	}
}
