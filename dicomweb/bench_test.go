package dicomweb_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicomweb"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage"
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
