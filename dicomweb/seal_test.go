package dicomweb_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicomweb"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// sealing returns two servers over the same stores, as two nodes have them: each with a cache of
// its own, behind a proxy that says how they are reached.
func sealing(t *testing.T) (one, other *server) {
	ix, err := sqlite.Open(filepath.Join(t.TempDir(), "index.sqlite"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	blobs, derived := mem.New(), mem.New()
	node := func() *server {
		arch := archive.New(archive.Config{Derived: derived, SealAfter: -time.Hour,
			Form: dicomweb.MetadataForm("", "https://pacs.example.org/dicom-web")}, blobs, ix)
		engine := gin.New()
		dicomweb.New(dicomweb.Config{Log: quiet}, arch).Register(engine)
		srv := httptest.NewServer(httpd.NewHandler(httpd.HandlerConfig{Log: quiet, SlowBody: slowBody}, engine))
		t.Cleanup(srv.Close)
		return &server{T: t, URL: srv.URL + dicomweb.Root, arch: arch}
	}
	return node(), node()
}

func TestSealedMetadata(t *testing.T) {
	t.Parallel()
	s, other := sealing(t)
	s.store(first(t)...)
	second := spec{study: firstStudy, series: firstSeries + ".5", instance: firstSeries + ".5.1", syntax: dicom.JPEGBaseline, frames: someFrames(2, 16, 0)}
	s.store(second.make(t))
	study := "/studies/" + firstStudy + "/metadata"
	series := "/studies/" + firstStudy + "/series/" + firstSeries + "/metadata"
	proxy := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "pacs.example.org", "Accept-Encoding", "gzip"}
	growing := map[string]answer{}
	for _, path := range []string{study, series} {
		growing[path] = s.get(path, proxy...)
		if tag := growing[path].Header.Get("ETag"); !strings.HasPrefix(tag, "W/") {
			t.Errorf("%s: strong ETag %s of what is made on the way", path, tag)
		}
	}
	if n, err := s.arch.SealOnce(t.Context(), 10); err != nil || n != 2 {
		t.Fatalf("sealed %d series, %v", n, err)
	}
	for _, path := range []string{study, series} {
		want := gunzip(t, growing[path].body)
		sealed := other.get(path, proxy...)
		if !bytes.Equal(gunzip(t, sealed.body), want) || sealed.ContentLength != int64(len(sealed.body)) {
			t.Errorf("%s: sealed metadata is not what it was (%d bytes of %d)", path, len(sealed.body), sealed.ContentLength)
		}
		etag := sealed.Header.Get("ETag")
		if etag == "" || strings.HasPrefix(etag, "W/") {
			t.Errorf("%s: ETag of what is sealed is %q", path, etag)
		}
		if a := other.get(path, append(proxy, "If-None-Match", etag)...); a.StatusCode != http.StatusNotModified {
			t.Errorf("%s: If-None-Match %s: %d", path, etag, a.StatusCode)
		}
		// One URL, two bodies: the strong tag is that of the compressed one.
		plain := other.get(path, proxy[:4]...)
		if !bytes.Equal(plain.body, want) || plain.Header.Get("ETag") == etag {
			t.Errorf("%s: not compressed: %d bytes, ETag %s", path, len(plain.body), plain.Header.Get("ETag"))
		}
		// Who comes by another URL gets that one.
		direct := other.get(path, "Accept-Encoding", "gzip")
		text := gunzip(t, direct.body)
		if bytes.Contains(text, []byte("pacs.example.org")) || !bytes.Contains(text, []byte(other.URL+"/studies/")) || direct.Header.Get("ETag") == etag {
			t.Errorf("%s: metadata for another URL: ETag %s, %.200s", path, direct.Header.Get("ETag"), text)
		}
	}
	// What changes is neither served from the seal nor said to be the same.
	etag := other.get(study, proxy...).Header.Get("ETag")
	other.do(http.MethodDelete, firstPath(1), nil)
	after := other.get(study, append(proxy, "If-None-Match", etag)...)
	if after.StatusCode != http.StatusOK || bytes.Contains(gunzip(t, after.body), []byte(`"`+firstInstance(1)+`"`)) {
		t.Errorf("after a deletion: %d, or it is still there", after.StatusCode)
	}
}
