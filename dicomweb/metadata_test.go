package dicomweb_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

func gunzip(t *testing.T, b []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.store(first(t)...)
	other := spec{study: firstStudy, series: firstSeries + ".5", instance: firstSeries + ".5.1", syntax: dicom.JPEGBaseline, frames: someFrames(2, 16, 0)}
	s.store(other.make(t))
	for path, want := range map[string]int{
		"/studies/" + firstStudy + "/metadata":                            6,
		"/studies/" + firstStudy + "/series/" + firstSeries + "/metadata": 5,
		firstPath(1) + "/metadata":                                        1,
	} {
		plain := s.accept(path, "application/dicom+json")
		got := plain.json(t)
		if len(got) != want || plain.Header.Get("Content-Type") != "application/dicom+json" {
			t.Errorf("%s: %d instances, %s", path, len(got), plain.Header.Get("Content-Type"))
		}
		if plain.ContentLength != int64(len(plain.body)) {
			t.Errorf("%s: Content-Length %d, body %d", path, plain.ContentLength, len(plain.body))
		}
		zipped := s.get(path, "Accept-Encoding", "gzip")
		if zipped.Header.Get("Content-Encoding") != "gzip" || !bytes.Equal(gunzip(t, zipped.body), plain.body) {
			t.Errorf("%s: compressed answer differs (%s)", path, zipped.Header.Get("Content-Encoding"))
		}
		etag := plain.Header.Get("ETag")
		if a := s.get(path, "If-None-Match", etag); a.StatusCode != http.StatusNotModified || etag == "" {
			t.Errorf("%s: If-None-Match %s: %d", path, etag, a.StatusCode)
		}
		if a := s.do(http.MethodHead, path, nil); a.StatusCode != 200 || a.ContentLength != int64(len(plain.body)) {
			t.Errorf("HEAD %s: %d, length %d, want %d", path, a.StatusCode, a.ContentLength, len(plain.body))
		}
		for _, m := range got {
			if m["00080018"].text() == "" || m["00083002"].text() == "" || m["7FE00010"].BulkDataURI == "" {
				t.Errorf("%s: incomplete: %v", path, m)
			}
		}
	}
}

func TestMetadataFollowsChanges(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	objects := first(t)
	path := "/studies/" + firstStudy + "/series/" + firstSeries + "/metadata"
	etags := map[string]bool{}
	for i, step := range []func(){
		func() { s.store(objects[:3]...) },
		func() { s.store(objects[3:]...) },
		func() { s.do(http.MethodDelete, firstPath(1), nil) },
	} {
		step()
		a := s.get(path)
		if got, want := len(a.json(t)), []int{3, 5, 4}[i]; got != want {
			t.Errorf("step %d: %d instances, want %d", i, got, want)
		}
		etags[a.Header.Get("ETag")] = true
	}
	if len(etags) != 3 {
		t.Errorf("%d different ETags for 3 states", len(etags))
	}
}

// TestAcceptOfJSON: viewers ask for JSON in odd ways; XML is refused openly.
func TestAcceptOfJSON(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.store(first(t)...)
	for accept, want := range map[string]int{
		"": 200, "*/*": 200, "application/dicom+json": 200, "application/json": 200, "application/dicom+json, application/json": 200,
		"application/dicom+json; charset=utf-8":                               200,
		"multipart/related; type=application/octet-stream; transfer-syntax=*": 200, // OHIF, for everything
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8":     200,
		`multipart/related; type="application/dicom+xml"`:                     406,
		"application/dicom+xml":                                               406, "image/png": 406,
		`multipart/related; type="application/dicom+xml", application/dicom+json`: 200,
	} {
		for _, path := range []string{"/studies", "/studies/" + firstStudy + "/metadata", firstPath(1) + "/metadata", "/studies/count"} {
			if a := s.accept(path, accept); a.StatusCode != want {
				t.Errorf("%q of %s: %d, want %d", accept, path, a.StatusCode, want)
			}
		}
	}
}

// TestJSONIsCalledAsAskedFor: browsers show application/json and save application/dicom+json.
func TestJSONIsCalledAsAskedFor(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.store(first(t)...)
	for accept, want := range map[string]string{
		"": "application/dicom+json", "*/*": "application/dicom+json", "application/dicom+json, application/json": "application/dicom+json",
		"application/json": "application/json", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "application/json",
	} {
		for _, path := range []string{"/studies", "/studies/" + firstStudy + "/metadata", firstPath(1) + "/metadata"} {
			if got := s.accept(path, accept).Header.Get("Content-Type"); got != want {
				t.Errorf("%q of %s: %s, want %s", accept, path, got, want)
			}
		}
	}
}

// TestBulkData: each BulkDataURI of the metadata leads to the value that was sent.
func TestBulkData(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	top := bytes.Repeat([]byte{1, 2, 3, 4}, 5000)
	nested := bytes.Repeat([]byte{5, 6}, 40_000)
	o := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.1", syntax: dicom.ExplicitVRLittleEndian, set: func(d *dicom.Dataset) {
		d.SetElement(dicom.Element{Tag: tag.EncapsulatedDocument, VR: vr.OB, Value: top})
		item := &dicom.Dataset{}
		item.SetElement(dicom.Element{Tag: tag.New(0x0009, 0x0010), VR: vr.LO, Value: []byte("MINE")})
		item.SetElement(dicom.Element{Tag: tag.New(0x0009, 0x1001), VR: vr.OB, Value: nested})
		d.SetItems(tag.ReferencedSeriesSequence, &dicom.Dataset{}, item)
		d.SetElement(dicom.Element{Tag: tag.New(0x0011, 0x0010), VR: vr.LO, Value: []byte("MINE")})
		d.SetElement(dicom.Element{Tag: tag.New(0x0011, 0x1001), VR: vr.OB, Value: []byte{7, 8}})
	}}
	s.store(o.make(t))
	a := s.get(o.path() + "/metadata")
	m := a.json(t)[0]
	if got := m["00111001"]; got.BulkDataURI != "" || !strings.Contains(string(a.body), base64.StdEncoding.EncodeToString([]byte{7, 8})) {
		t.Errorf("a short value is not inline: %+v", got)
	}
	inner := string(m["00081115"].Value[1])
	at := strings.Index(inner, "http")
	uri := inner[at : at+strings.IndexByte(inner[at:], '"')]
	for uri, want := range map[string][]byte{m["00420011"].BulkDataURI: top, uri: nested} {
		single := s.accept(uri, "application/octet-stream")
		if !bytes.Equal(single.body, want) {
			t.Errorf("%s: status %d, %d bytes, want %d", uri, single.StatusCode, len(single.body), len(want))
		}
		if part := s.get(uri, "Range", "bytes=100-199"); part.StatusCode != 206 || !bytes.Equal(part.body, want[100:200]) {
			t.Errorf("%s: range: %d", uri, part.StatusCode)
		}
		_, parts := s.accept(uri, `multipart/related; type="application/octet-stream"`).parts(t)
		if len(parts) != 1 || !bytes.Equal(parts[0], want) {
			t.Errorf("%s: %d parts", uri, len(parts))
		}
	}
	for path, want := range map[string]int{"x": 400, "00420011/0": 400, "00081115": 400, "00081115/9/00080018": 404, "00100030": 404, "": 400} {
		if got := s.get(o.path() + "/bulkdata/" + path).StatusCode; got != want {
			t.Errorf("path %q: %d, want %d", path, got, want)
		}
	}
}

func TestMetadataOfLargeSeries(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var objects [][]byte
	for i := range 300 {
		objects = append(objects, spec{study: "2.25.1", series: "2.25.1.1", instance: fmt.Sprint("2.25.1.1.", i), syntax: dicom.ExplicitVRLittleEndian,
			set: func(d *dicom.Dataset) { d.SetText(tag.ImageComments, strings.Repeat("long text ", 400)) }}.make(t))
	}
	s.store(objects...)
	plain := s.get("/studies/2.25.1/series/2.25.1.1/metadata")
	if n := len(plain.json(t)); n != 300 {
		t.Errorf("%d instances", n)
	}
	zipped := s.get("/studies/2.25.1/metadata", "Accept-Encoding", "gzip")
	if !bytes.Equal(gunzip(t, zipped.body), plain.body) {
		t.Error("compressed answer differs")
	}
}
