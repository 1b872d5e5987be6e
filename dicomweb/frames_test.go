package dicomweb_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicomweb"
)

// someFrames makes frames that differ in content and, when asked, in length.
func someFrames(n, length, more int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = bytes.Repeat([]byte{byte(i + 1)}, length+i*more)
	}
	return out
}

func TestFrameLists(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	native := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.1", syntax: dicom.ExplicitVRLittleEndian, frames: someFrames(300, 64, 0)}
	jpeg := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.2", syntax: dicom.JPEGBaseline, frames: someFrames(20, 64, 2)}
	deflated := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.3", syntax: dicom.ExplicitVRBigEndian, frames: someFrames(5, 64, 0)}
	s.store(native.make(t), jpeg.make(t), deflated.make(t))
	all := make([]string, 300)
	for i := range all {
		all[i] = strconv.Itoa(i + 1)
	}
	for _, tc := range []struct {
		object spec
		list   string
		want   []int // nil: want status
		status int
	}{
		{native, "1", []int{1}, 200}, {native, "300", []int{300}, 200}, {native, "3,1,2,1", []int{3, 1, 2, 1}, 200},
		{native, "1%2C2", []int{1, 2}, 200}, {native, " 1 , 2 ", []int{1, 2}, 200}, {native, strings.Join(all, ","), nil, 200},
		{jpeg, "1", []int{1}, 200}, {jpeg, "20,1", []int{20, 1}, 200}, {deflated, "5,1", []int{5, 1}, 200},
		{native, "301", nil, 404}, {native, "1,301", nil, 404}, {native, "0", nil, 400}, {native, "-1", nil, 400},
		{native, "x", nil, 400}, {native, "1,,2", nil, 400}, {native, "1-5", nil, 400}, {native, "99999999999999999999", nil, 400},
	} {
		path := tc.object.path() + "/frames/" + strings.ReplaceAll(tc.list, " ", "%20")
		a := s.accept(path, `multipart/related; type="*/*"`)
		if a.StatusCode != tc.status {
			t.Errorf("frames %.20s: status %d, want %d: %.100s", tc.list, a.StatusCode, tc.status, a.body)
			continue
		}
		if tc.status != 200 {
			continue
		}
		types, got := a.parts(t)
		if tc.want == nil {
			for i := range all {
				tc.want = append(tc.want, i+1)
			}
		}
		if len(got) != len(tc.want) {
			t.Fatalf("frames %.20s: %d parts", tc.list, len(got))
		}
		wantType := "application/octet-stream; transfer-syntax=" + explicitLE
		if tc.object.syntax.Encapsulated {
			wantType = "image/jpeg; transfer-syntax=" + jpegUID
		}
		for i, n := range tc.want {
			if !bytes.Equal(got[i], tc.object.frames[n-1]) || types[i] != wantType {
				t.Errorf("frames %.20s: part %d: %s, %d bytes", tc.list, i, types[i], len(got[i]))
			}
		}
	}
}

// TestAcceptOfFrames has the Accept headers as viewers send them; want is the form, or a status.
func TestAcceptOfFrames(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	native := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.1", syntax: dicom.ImplicitVRLittleEndian, frames: someFrames(2, 16, 0)}
	jpeg := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.2", syntax: dicom.JPEGBaseline, frames: someFrames(2, 16, 0)}
	htj2k := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.3", syntax: dicom.HTJ2KLosslessRPCL, frames: someFrames(2, 16, 0)}
	s.store(native.make(t), jpeg.make(t), htj2k.make(t))
	slim := `multipart/related; type="image/jls"; transfer-syntax=1.2.840.10008.1.2.4.80, multipart/related; type="image/jp2"; ` +
		`transfer-syntax=1.2.840.10008.1.2.4.90, multipart/related; type="image/jpeg"; transfer-syntax=` + jpegUID +
		`, multipart/related; type="application/octet-stream"; transfer-syntax=` + explicitLE
	for accept, want := range map[string]struct{ native, jpeg, htj2k string }{
		"":                              {"multi", "multi", "multi"},
		"*/*":                           {"multi", "multi", "multi"},
		`multipart/related; type="*/*"`: {"multi", "multi", "multi"}, // dicomweb-client (Python)
		`multipart/related; type="application/octet-stream"; transfer-syntax=*`:             {"multi", "multi", "multi"}, // OHIF
		`multipart/related; type=application/octet-stream; transfer-syntax=*`:               {"multi", "multi", "multi"}, // OHIF, unquoted
		`multipart/related; type="application/octet-stream"`:                                {"multi", "406", "406"},
		`multipart/related; type="application/octet-stream"; transfer-syntax=` + explicitLE: {"multi", "406", "406"},
		`application/octet-stream`: {"single", "406", "406"},
		`multipart/related; type="image/jpeg"; transfer-syntax=` + jpegUID: {"406", "multi", "406"},
		`multipart/related; type="image/jpeg"`:                             {"406", "multi", "406"},
		`multipart/related; type=image/jpeg;transfer-syntax=` + jpegUID:    {"406", "multi", "406"},
		`multipart/related; type="image/dicom+jpeg"`:                       {"406", "multi", "406"},
		`image/jpeg`: {"406", "single", "406"},
		`image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70`: {"406", "406", "406"},
		`image/*`:                           {"406", "single", "single"},
		`image/jphc`:                        {"406", "406", "single"}, // Cornerstone3D, progressive
		`multipart/related; type="image/*"`: {"406", "multi", "multi"},
		slim:                                {"multi", "multi", "406"},
		// dicom-microscopy-viewer: single types and a way out.
		`image/jls, image/jp2, image/jpx, image/jpeg, application/octet-stream;q=0.5`: {"single", "single", "406"},
		`application/dicom+json, multipart/related; type="*/*"`:                       {"multi", "multi", "multi"},
		`application/dicom`:   {"406", "406", "406"},
		`text/html,*/*;q=0.8`: {"multi", "multi", "multi"},
	} {
		for object, want := range map[*spec]string{&native: want.native, &jpeg: want.jpeg, &htj2k: want.htj2k} {
			var header []string
			if accept != "" {
				header = []string{"Accept", accept}
			}
			a := s.get(object.path()+"/frames/2", header...)
			if status, err := strconv.Atoi(want); err == nil {
				if a.StatusCode != status || !strings.Contains(string(a.body), object.syntax.MediaType) {
					t.Errorf("%q of %s: status %d, %s", accept, object.syntax, a.StatusCode, a.body)
				}
				continue
			}
			got := a.body
			if want == "multi" && a.StatusCode == 200 {
				_, parts := a.parts(t)
				got = parts[0]
			}
			if a.StatusCode != 200 || !bytes.Equal(got, object.frames[1]) {
				t.Errorf("%q of %s: status %d, %s, want %s", accept, object.syntax, a.StatusCode, a.Header.Get("Content-Type"), want)
			}
			viaQuery := s.get(object.path() + "/frames/2?accept=" + queryEscape(accept))
			if accept != "" && viaQuery.StatusCode != 200 {
				t.Errorf("?accept=%s: status %d", accept, viaQuery.StatusCode)
			}
		}
	}
	// A single body cannot hold two frames.
	if a := s.accept(native.path()+"/frames/1,2", "application/octet-stream"); a.StatusCode != http.StatusNotAcceptable {
		t.Errorf("two frames as a single part: %d", a.StatusCode)
	}
}

func queryEscape(s string) string {
	return strings.NewReplacer(" ", "%20", `"`, "%22", "+", "%2B", "=", "%3D", ";", "%3B", "/", "%2F").Replace(s)
}

func TestFramesOfNoImage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.1", syntax: dicom.ExplicitVRLittleEndian}
	s.store(o.make(t))
	a := s.get(o.path() + "/frames/1")
	if a.StatusCode != http.StatusNotFound || !strings.Contains(string(a.body), "no pixel data") {
		t.Errorf("status %d: %s", a.StatusCode, a.body)
	}
}

// TestBulkDataOfCompressedPixels is answered frame by frame.
func TestBulkDataOfCompressedPixels(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.2", syntax: dicom.JPEGBaseline, frames: someFrames(3, 64, 2)}
	s.store(o.make(t))
	_, got := s.get(o.path() + "/bulkdata/7FE00010").parts(t)
	if fmt.Sprint(len(got)) != "3" || !bytes.Equal(got[2], o.frames[2]) {
		t.Errorf("%d parts", len(got))
	}
}

// TestSlowReaders: frames made for clients that do not take them are bounded, and others are told
// to come again.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := newServerOn(t, dicomweb.Config{FrameMemory: 1}, archivetest.NewWith(t, archive.Config{Codecs: codecs}))
	mammogram := s.place("modalities/mg-sv1.dcm").instance + "/frames/1" // 14.7 MB of samples
	native := []string{"Accept", "application/octet-stream; transfer-syntax=" + uid.ExplicitVRLittleEndian}
	slow, err := s.send(http.MethodGet, mammogram, nil, native...)
	if err != nil {
		t.Fatal(err)
	}
	if slow.StatusCode != http.StatusOK {
		t.Fatal(slow.Status)
	}
	a := s.do("GET", mammogram, nil, native...)
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("beside a client that does not read: %s, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
	if _, err := io.Copy(io.Discard, slow.Body); err != nil {
		t.Error(err)
	}
	slow.Body.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		a = s.do("GET", mammogram, nil, native...)
		if a.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the slow client is gone: %s", a.Status)
		}
	}
}
