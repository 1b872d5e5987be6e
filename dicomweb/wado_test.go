package dicomweb_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicomweb"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

const (
	anyDICOM   = `multipart/related; type="application/dicom"; transfer-syntax=*`
	explicitLE = "1.2.840.10008.1.2.1"
	implicitLE = "1.2.840.10008.1.2"
	jpegUID    = "1.2.840.10008.1.2.4.50"
)

func TestRetrieve(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	sent := first(t)
	s.store(sent...)
	for path, want := range map[string][][]byte{
		"/studies/" + firstStudy:                            sent,
		"/studies/" + firstStudy + "/series/" + firstSeries: sent,
		firstPath(3): sent[2:3],
	} {
		types, got := s.accept(path, anyDICOM).parts(t)
		if len(got) != len(want) {
			t.Fatalf("%s: %d parts, want %d", path, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) || types[i] != "application/dicom; transfer-syntax="+explicitLE {
				t.Errorf("%s: part %d: %s, %d bytes", path, i, types[i], len(got[i]))
			}
		}
		head := s.do(http.MethodHead, path, nil, "Accept", anyDICOM)
		if head.StatusCode != 200 || len(head.body) != 0 || head.ContentLength <= 0 {
			t.Errorf("HEAD %s: %d, length %d", path, head.StatusCode, head.ContentLength)
		}
	}
	for _, path := range []string{"/studies/1.2", "/studies/" + firstStudy + "/series/1.2", firstPath(9),
		"/studies/1.2/metadata", firstPath(9) + "/metadata", firstPath(9) + "/frames/1", firstPath(9) + "/bulkdata/7FE00010",
		"/studies/..%2f..%2fetc", "/studies/" + strings.Repeat("9", 5000), "/nothing"} {
		if a := s.get(path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%.60s: status %d, want 404", path, a.StatusCode)
		}
	}
}

// TestAcceptOfObjects has the Accept headers as clients send them. want: "single", "multi", or
// a status; a converted object is followed by its transfer syntax.
func TestAcceptOfObjects(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	jpeg := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.1", syntax: dicom.JPEGBaseline, frames: [][]byte{{1, 2, 3, 4}}}
	s.store(append(first(t), jpeg.make(t))...)
	for accept, want := range map[string]struct{ native, jpeg string }{
		"":                  {"multi", "multi"},
		"*/*":               {"multi", "multi"},
		"multipart/related": {"multi", "multi"},
		"multipart/*":       {"multi", "multi"},
		anyDICOM:            {"multi", "multi"}, // dicomweb-client, Orthanc
		"application/dicom": {"single", "single"},
		"application/*":     {"single", "single"},
		"application/dicom; q=1, multipart/related; type=\"application/dicom\"":      {"single", "single"},
		"multipart/related; type=application/dicom":                                  {"multi", "multi"}, // curl, unquoted
		"multipart/related; type=\"*/*\"":                                            {"multi", "multi"},
		"multipart/related;type=\"application/dicom\";transfer-syntax=\"*\"":         {"multi", "multi"},
		"Multipart/Related; Type=\"APPLICATION/DICOM\"; Transfer-Syntax=*":           {"multi", "multi"},
		"application/dicom; transfer-syntax=*":                                       {"single", "single"},
		"application/dicom; transfer-syntax=" + explicitLE:                           {"single", "406"},
		"application/dicom; transfer-syntax=" + implicitLE:                           {"single " + implicitLE, "406"},
		`multipart/related; type="application/dicom"; transfer-syntax=` + implicitLE: {"multi " + implicitLE, "406"},
		`multipart/related; type="application/dicom"; transfer-syntax=` + jpegUID:    {"406", "multi"},
		// Slicer, wsidicom: a list of what they can read.
		`multipart/related; type="application/dicom"; transfer-syntax=` + jpegUID +
			`, multipart/related; type="application/dicom"; transfer-syntax=` + explicitLE: {"multi", "multi"},
		`multipart/related; type="application/dicom"; transfer-syntax=1.2.3.4`: {"406", "406"},
		`multipart/related; type="application/dicom+xml"`:                      {"406", "406"},
		"image/png":            {"406", "406"},
		"application/zip":      {"406", "406"},
		"image/png, */*;q=0.1": {"multi", "multi"},
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8": {"multi", "multi"}, // a browser
	} {
		for path, want := range map[string]string{firstPath(1): want.native, jpeg.path(): want.jpeg} {
			var header []string
			if accept != "" {
				header = []string{"Accept", accept}
			}
			a := s.get(path, header...)
			form, syntax, _ := strings.Cut(want, " ")
			contentType := a.Header.Get("Content-Type")
			if status, err := strconv.Atoi(form); err == nil {
				if a.StatusCode != status || !strings.Contains(string(a.body), "available: ") {
					t.Errorf("%s of %s: status %d, %s", accept, path, a.StatusCode, a.body)
				}
				continue
			}
			if a.StatusCode != 200 || strings.HasPrefix(contentType, "multipart/related") != (form == "multi") {
				t.Errorf("%s of %s: status %d, %s, want %s", accept, path, a.StatusCode, contentType, want)
			}
			if syntax != "" && !bytes.Contains(a.body, []byte(syntax+"\x00")) {
				t.Errorf("%s of %s: not in %s", accept, path, syntax)
			}
		}
	}
}

func TestConvertedObject(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	sent := first(t)[0]
	s.store(sent)
	a := s.accept(firstPath(1), "application/dicom; transfer-syntax="+implicitLE)
	f, err := dicom.Read(bytes.NewReader(a.body), dicom.Source{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	was, err := dicom.Read(bytes.NewReader(sent), dicom.Source{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if f.TransferSyntax.UID != implicitLE || f.Meta.UID(tag.MediaStorageSOPInstanceUID) != firstInstance(1) {
		t.Errorf("transfer syntax %s, instance %s", f.TransferSyntax.UID, f.Meta.UID(tag.MediaStorageSOPInstanceUID))
	}
	if got, want := f.Dataset.Get(tag.PixelData).Value, was.Dataset.Get(tag.PixelData).Value; !bytes.Equal(got, want) {
		t.Error("pixel data changed")
	}
	if len(f.Dataset.Elements) != len(was.Dataset.Elements) {
		t.Errorf("%d elements, sent %d", len(f.Dataset.Elements), len(was.Dataset.Elements))
	}
}

func TestRangesAndValidators(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	sent := first(t)[0]
	s.store(sent)
	pixels := sent[len(sent)-32768:]
	for path, tc := range map[string]struct {
		accept string
		want   []byte
	}{
		firstPath(1):                         {"application/dicom", sent},
		firstPath(1) + "/frames/1":           {"application/octet-stream", pixels},
		firstPath(1) + "/bulkdata/7FE00010":  {"application/octet-stream", pixels},
		firstPath(1) + "/bulkdata/7fe00010/": {"*/*", pixels},
	} {
		whole := s.accept(path, tc.accept)
		etag := whole.Header.Get("ETag")
		if whole.StatusCode != 200 || !bytes.Equal(whole.body, tc.want) || etag == "" ||
			whole.Header.Get("Accept-Ranges") != "bytes" || !strings.Contains(whole.Header.Get("Cache-Control"), "immutable") {
			t.Fatalf("%s: status %d, %d bytes, %v", path, whole.StatusCode, len(whole.body), whole.Header)
		}
		n := len(tc.want)
		for spec, want := range map[string][]byte{
			"bytes=0-99": tc.want[:100], "bytes=100-": tc.want[100:], "bytes=-100": tc.want[n-100:], "bytes=7-7": tc.want[7:8],
		} {
			part := s.get(path, "Accept", tc.accept, "Range", spec)
			if part.StatusCode != http.StatusPartialContent || !bytes.Equal(part.body, want) ||
				!strings.HasSuffix(part.Header.Get("Content-Range"), "/"+strconv.Itoa(n)) {
				t.Errorf("%s %s: status %d, %d bytes, %s", path, spec, part.StatusCode, len(part.body), part.Header.Get("Content-Range"))
			}
		}
		if a := s.get(path, "Accept", tc.accept, "Range", "bytes=99999999-"); a.StatusCode != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("%s: range behind the end: %d", path, a.StatusCode)
		}
		if a := s.get(path, "Accept", tc.accept, "Range", "bytes=0-1,3-4"); a.StatusCode != 200 || len(a.body) != n {
			t.Errorf("%s: two ranges: %d", path, a.StatusCode)
		}
		if a := s.get(path, "Accept", tc.accept, "If-None-Match", etag); a.StatusCode != http.StatusNotModified || len(a.body) != 0 {
			t.Errorf("%s: If-None-Match: %d", path, a.StatusCode)
		}
		if a := s.do(http.MethodHead, path, nil, "Accept", tc.accept); a.StatusCode != 200 || a.ContentLength != int64(n) {
			t.Errorf("%s: HEAD: %d, %d bytes", path, a.StatusCode, a.ContentLength)
		}
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.store(first(t)...)
	for _, step := range []struct {
		path   string
		status int
		left   int
	}{
		{firstPath(2), 204, 4}, {firstPath(2), 404, 4}, {"/studies/1.2.3", 404, 4},
		{"/studies/" + firstStudy + "/series/" + firstSeries, 204, 0}, {"/studies/" + firstStudy, 404, 0},
	} {
		if a := s.do(http.MethodDelete, step.path, nil); a.StatusCode != step.status {
			t.Errorf("DELETE %s: %d, want %d", step.path, a.StatusCode, step.status)
		}
		if got := s.get("/instances").json(t); len(got) != step.left {
			t.Errorf("after DELETE %s: %d instances, want %d", step.path, len(got), step.left)
		}
	}
}

// TestMissingRecord: what cannot be opened is said with a status, not by hanging up.
func TestMissingRecord(t *testing.T) {
	t.Parallel()
	ix, err := sqlite.Open(filepath.Join(t.TempDir(), "index.sqlite"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	blobs := mem.New()
	s := newServerOn(t, dicomweb.Config{}, archive.New(archive.Config{}, blobs, ix))
	s.store(first(t)...)
	entries, err := s.arch.Select(t.Context(), storage.DefaultTenant, index.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := blobs.Erase(t.Context(), e.Location); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/studies/" + firstStudy, "/studies/" + firstStudy + "/series/" + firstSeries, firstPath(1)} {
		for _, syntax := range []string{"*", explicitLE, implicitLE} {
			a := s.accept(path, `multipart/related; type="application/dicom"; transfer-syntax=`+syntax)
			if a.StatusCode != http.StatusInternalServerError || a.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s as %s: %d %s", path, syntax, a.StatusCode, a.Header.Get("Content-Type"))
			}
		}
	}
	for _, accept := range []string{"application/dicom", "application/dicom; transfer-syntax=" + implicitLE} {
		if a := s.accept(firstPath(1), accept); a.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s: %d", accept, a.StatusCode)
		}
	}
}

// TestURLsBehindProxy: what the server says can be fetched where the client is.
func TestURLsBehindProxy(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.store(first(t)...)
	header := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "pacs.example.org", "X-Forwarded-Prefix", "/imaging"}
	const want = "https://pacs.example.org/imaging/dicom-web/studies/" + firstStudy
	if got := s.get("/studies", header...).json(t)[0]["00081190"].text(); got != want {
		t.Errorf("search: %s", got)
	}
	for _, m := range s.get("/studies/"+firstStudy+"/metadata", header...).json(t) {
		if got := m["7FE00010"].BulkDataURI; !strings.HasPrefix(got, want+"/series/") {
			t.Errorf("metadata: %s", got)
		}
	}
	a := s.do(http.MethodPost, "/studies", related(first(t)...), append(header, "Content-Type", stowType)...)
	if r := a.response(t); r.URL.text() != want || !strings.HasPrefix(r.Stored.Value[0].URL.text(), want+"/series/") {
		t.Errorf("store: %s", a.body)
	}
	public := newServerWith(t, dicomweb.Config{Base: httpd.NewBase(httpd.BaseConfig{PublicURL: "https://x.org"})})
	public.store(first(t)...)
	if got := public.get("/studies", header...).json(t)[0]["00081190"].text(); got != "https://x.org/dicom-web/studies/"+firstStudy {
		t.Errorf("public URL: %s", got)
	}
}

// TestMutable: where instances may be replaced no cache may keep one without asking.
func TestMutable(t *testing.T) {
	t.Parallel()
	for mutable, want := range map[bool]string{false: "private, max-age=31536000, immutable", true: "private, no-cache"} {
		s := newServerWith(t, dicomweb.Config{Mutable: mutable})
		s.store(first(t)...)
		path := "/studies/" + firstStudy + "/series/" + firstSeries + "/instances/" + firstSeries + ".1.1"
		for _, resource := range []string{"", "/frames/1", "/bulkdata/7FE00010"} {
			if a := s.get(path + resource); a.StatusCode != 200 || a.Header.Get("Cache-Control") != want {
				t.Errorf("mutable %v, %q: status %d, Cache-Control %q", mutable, resource, a.StatusCode, a.Header.Get("Cache-Control"))
			}
		}
	}
}
