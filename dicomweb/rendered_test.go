package dicomweb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/gif"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// paths of an instance of the corpus, after it was stored.
type placed struct{ study, series, instance string }

// place stores a file of the shared folder.
func (s *server) place(path string) placed {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Shared(s.T), "data", path))
	if err != nil {
		s.Fatal(err)
	}
	s.store(b)
	f, err := dicom.Read(bytes.NewReader(b), dicom.Source{}, 0)
	if err != nil {
		s.Fatal(err)
	}
	p := placed{study: "/studies/" + f.Dataset.UID(tag.StudyInstanceUID)}
	p.series = p.study + "/series/" + f.Dataset.UID(tag.SeriesInstanceUID)
	p.instance = p.series + "/instances/" + f.Dataset.UID(tag.SOPInstanceUID)
	return p
}

// uid is the last UID of a path.
func uidOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// form says of an answer what it is: "image/png", "3 x image/jpeg" for parts, "406" for a refusal.
func (a answer) form(t *testing.T) string {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		return fmt.Sprint(a.StatusCode)
	}
	media, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	if media != "multipart/related" {
		return media
	}
	a.ContentLength = int64(len(a.body)) // of pictures made on the way nobody knows it
	types, bodies := a.parts(t)
	for _, b := range bodies {
		if strings.HasPrefix(types[0], "image/") {
			decodePicture(t, types[0], b)
		}
	}
	media, _, _ = strings.Cut(types[0], ";")
	return fmt.Sprintf("%d x %s", len(types), media)
}

// decodePicture reads a picture with the standard library.
func decodePicture(t *testing.T, media string, b []byte) image.Image {
	t.Helper()
	m, kind, err := image.Decode(bytes.NewReader(b))
	if err != nil || "image/"+kind != media {
		t.Fatalf("%s is %s, %v", media, kind, err)
	}
	return m
}

// TestRenderedForms has each Accept that viewers send with each kind of object.
func TestRenderedForms(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	s.store(first(t)[0])
	kinds := []struct{ name, path string }{
		{"one frame", firstPath(1)}, {"cine", s.place("multiframe/us-palette-10-rle.dcm").instance},
		{"report", s.place("derived/head-ct/sr-tid1500.dcm").instance}, {"pdf", s.place("derived/head-ct/report-pdf.dcm").instance},
		{"video", s.place("multiframe/video/h264-102.dcm").instance}, {"state", s.place("derived/head-ct/pr-gsps.dcm").instance},
		{"three frames", ""},
	}
	kinds[6].path = kinds[1].path + "/frames/1,3,2"
	for _, c := range []struct {
		accept string
		want   [7]string
	}{
		{"", [7]string{"image/jpeg", "image/jpeg", "text/html", "application/pdf", "video/mp4", "406", "3 x image/jpeg"}},
		{"*/*", [7]string{"image/jpeg", "image/jpeg", "text/html", "application/pdf", "video/mp4", "406", "3 x image/jpeg"}},
		{"image/jpeg", [7]string{"image/jpeg", "image/jpeg", "406", "406", "406", "406", "406"}},
		{"image/png", [7]string{"image/png", "image/png", "406", "406", "406", "406", "406"}},
		{"image/gif", [7]string{"image/gif", "image/gif", "406", "406", "406", "406", "image/gif"}},
		{"image/webp, image/png;q=0.9, image/jpeg;q=0.8", [7]string{"image/png", "image/png", "406", "406", "406", "406", "406"}},
		{`multipart/related; type="image/jpeg"`, [7]string{"1 x image/jpeg", "10 x image/jpeg", "406", "406", "406", "406", "3 x image/jpeg"}},
		{`multipart/related; type=image/png`, [7]string{"1 x image/png", "10 x image/png", "406", "406", "406", "406", "3 x image/png"}},
		{`multipart/related; type="text/html"`, [7]string{"406", "406", "1 x text/html", "406", "406", "406", "406"}},
		{"text/html", [7]string{"406", "406", "text/html", "406", "406", "406", "406"}},
		{"text/plain", [7]string{"406", "406", "text/plain", "406", "406", "406", "406"}},
		{"application/pdf", [7]string{"406", "406", "application/pdf", "application/pdf", "406", "406", "406"}},
		{`multipart/related; type="application/pdf"`, [7]string{"406", "406", "1 x application/pdf", "1 x application/pdf", "406", "406", "406"}},
		{"video/*", [7]string{"406", "406", "406", "406", "video/mp4", "406", "406"}},
		{`multipart/related; type="video/mp4"`, [7]string{"406", "406", "406", "406", "1 x video/mp4", "406", "406"}},
		{"application/dicom", [7]string{"406", "406", "406", "406", "406", "406", "406"}},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", // a browser's address line
			[7]string{"image/jpeg", "image/jpeg", "text/html", "application/pdf", "video/mp4", "406", "3 x image/jpeg"}},
		{"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", // its <img>
			[7]string{"image/jpeg", "image/jpeg", "text/html", "application/pdf", "video/mp4", "406", "image/gif"}},
	} {
		for i, kind := range kinds {
			var header []string
			if c.accept != "" {
				header = []string{"Accept", c.accept}
			}
			a := s.get(kind.path+"/rendered", header...)
			if got := a.form(t); got != c.want[i] {
				t.Errorf("%q of %s: %s, want %s: %.200s", c.accept, kind.name, got, c.want[i], a.body)
			}
			if a.StatusCode == http.StatusNotAcceptable && !strings.Contains(string(a.body), "available: ") {
				t.Errorf("%q of %s: refused without a word of what can be had: %s", c.accept, kind.name, a.body)
			}
			if a.StatusCode == http.StatusOK && strings.HasPrefix(a.Header.Get("Content-Type"), "image/") {
				decodePicture(t, a.Header.Get("Content-Type"), a.body)
			}
		}
	}
	g, err := gif.DecodeAll(bytes.NewReader(s.accept(kinds[1].path+"/rendered", "image/gif").body))
	if err != nil || len(g.Image) != 10 {
		t.Errorf("a cine as GIF: %v", err)
	}
	if r := s.get(kinds[2].path + "/rendered"); !strings.Contains(r.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("a report without a Content-Security-Policy")
	}
}

// TestRenderedLevels: a study and a series are the image that stands for them, or all of theirs.
func TestRenderedLevels(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	s.store(first(t)...)
	middle := s.accept(firstPath(3)+"/rendered", "image/png")
	for _, path := range []string{"/studies/" + firstStudy, "/studies/" + firstStudy + "/series/" + firstSeries} {
		if a := s.accept(path+"/rendered", "image/png"); !bytes.Equal(a.body, middle.body) {
			t.Errorf("%s is not the image in the middle: %d, %.200s", path, a.StatusCode, a.Header)
		}
		a := s.accept(path+"/rendered", `multipart/related; type="image/png"`)
		a.ContentLength = int64(len(a.body))
		types, bodies := a.parts(t)
		if len(types) != 5 || !bytes.Equal(bodies[2], middle.body) {
			t.Errorf("%s: %d parts, or in another order", path, len(types))
		}
		if locations := regexp.MustCompile(`Content-Location: (\S+)`).FindAllSubmatch(a.body, -1); len(locations) != 5 ||
			!bytes.Equal(s.accept(string(locations[4][1]), "image/png").body, bodies[4]) {
			t.Errorf("%s: parts without the place they can be had from: %q", path, locations)
		}
	}
	for path, want := range map[string]int{
		"/studies/1.2.3": 404, firstPath(1) + "1": 404, "/studies/" + firstStudy + "/series/1": 404,
		firstPath(1) + "/frames/2": 404, firstPath(1) + "/frames/0": 400, firstPath(1) + "/frames/999999": 404, firstPath(1) + "/frames/x": 400,
	} {
		for _, kind := range []string{"/rendered", "/thumbnail"} {
			if a := s.get(path + kind); a.StatusCode != want {
				t.Errorf("%s%s: %d, want %d", path, kind, a.StatusCode, want)
			}
		}
	}
}

// TestRenderedParameters: what is asked for is done and said; nonsense is refused without work.
func TestRenderedParameters(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	s.store(first(t)...)
	plain := s.accept(firstPath(1)+"/rendered", "image/png")
	for query, want := range map[string]string{
		"window=100,200,linear":             `window 100/200 LINEAR \(request\)`,
		"window=-10.5,2e2,linear-exact":     `window -10.5/200 LINEAR_EXACT`,
		"window=100,200,sigmoid":            `window 100/200 SIGMOID`,
		"windowing=min-max":                 `LINEAR \(request\)`,
		"windowing=whole":                   `all values`,
		"viewport=20,10":                    `scaled \d+x\d+ to 10x10`,
		"viewport=16,16,2,2,8,8":            `region 2,2 8x8; scaled 8x8 to 16x16`,
		"viewport=16,16,,,-8,8":             `flipped horizontally; region 0,0 8x8`,
		"annotation=patient":                `annotated patient$`,
		"annotation=technique,patient":      `annotated patient, technique$`,
		"invert=yes":                        `inverse`,
		"quality=10&charset=utf-8":          `^frame 1`,
		"iccprofile=no":                     `^frame 1`,
		"accept=image/jpeg&iccprofile=srgb": `^frame 1`,
	} {
		a := s.accept(firstPath(1)+"/rendered?"+query, "image/png")
		if a.StatusCode != 200 || !regexp.MustCompile(want).MatchString(a.Header.Get("Aurelius-Rendering")) || a.Header.Get("Warning") != "" {
			t.Errorf("%s: status %d, %q, warning %q: %.200s", query, a.StatusCode, a.Header.Get("Aurelius-Rendering"), a.Header.Get("Warning"), a.body[:min(len(a.body), 200)])
			continue
		}
		var applied struct{ Frame int }
		if err := json.Unmarshal([]byte(a.Header.Get("Aurelius-Rendering-Json")), &applied); err != nil || applied.Frame != 1 {
			t.Errorf("%s: what was done, for programs: %v", query, err)
		}
		if strings.Contains(query, "accept") != (a.Header.Get("Content-Type") == "image/jpeg") {
			t.Errorf("%s: %s", query, a.Header.Get("Content-Type"))
		}
		if a.Header.Get("Etag") == plain.Header.Get("Etag") && !strings.Contains(query, "accept") {
			t.Errorf("%s: the ETag of another picture", query)
		}
	}
	for _, query := range []string{
		"window=NaN,1,linear", "window=1,NaN,linear", "window=Inf,1,linear", "window=1,2", "window=1,2,linear,3", "window=1,0,linear", "window=1,2,cubic",
		"window=0x10,2,linear", "window=1,-5,sigmoid", "window=", "window=1,2,linear&window=1,3,linear",
		"viewport=1e9", "viewport=1e9,1e9", "viewport=1000000000,1000000000", "viewport=99999999999999999999,1", "viewport=0,10", "viewport=-5,5", "viewport=10",
		"viewport=10,10,1000,1000,5,5", "viewport=10,10,NaN", "viewport=10,10,1,2,3,4,5", "viewport=10,10,1e300,1e300,1e300,1e300",
		"quality=0", "quality=101", "quality=x", "annotation=", "annotation=patient,", "iccprofile=cmyk", "windowing=magic", "windowname=", "windowname=Bone",
		"invert=perhaps", "overlay=", "overlay=1.2.3", "presentation=1.2.3", "overlay=" + strings.Repeat("1.2.3,", 9999) + "1.2.3", "presentation=1.2&window=1,2,linear",
		"overlay=" + firstInstance(2), "a=%zz", "a;b=c",
	} {
		a := s.accept(firstPath(1)+"/rendered?"+query, "image/png")
		if a.StatusCode != http.StatusBadRequest || len(a.body) > 500 {
			t.Errorf("%.60s: status %d, %.200s", query, a.StatusCode, a.body)
		}
	}
	if a := s.accept(firstPath(1)+"/rendered?annotation=patient,mood", "image/png"); a.StatusCode != 200 || !strings.Contains(a.Header.Get("Warning"), "mood") {
		t.Errorf("an annotation nobody knows: status %d, %q", a.StatusCode, a.Header.Get("Warning"))
	}
	a := s.accept(firstPath(1)+`/rendered?foo=1&b%22%0d%0aX-Evil:%201=2`, "image/png")
	if w := a.Header.Get("Warning"); a.StatusCode != 200 || !strings.HasPrefix(w, `299 aurelius "The following query parameters are not supported: `) ||
		!strings.Contains(w, "foo") || strings.Count(w, `"`) != 2 || !bytes.Equal(a.body, plain.body) || a.Header.Get("X-Evil") != "" {
		t.Errorf("parameters nobody knows: status %d, %q", a.StatusCode, w)
	}
}

// TestRenderedConditional: the same picture has the same tag, and is not sent again.
func TestRenderedConditional(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	s.store(first(t)...)
	for _, path := range []string{firstPath(1) + "/rendered", firstPath(1) + "/frames/1/rendered", firstPath(1) + "/thumbnail",
		"/studies/" + firstStudy + "/thumbnail", "/studies/" + firstStudy + "/rendered", firstPath(1) + "/rendered?viewport=5,5"} {
		a := s.get(path)
		etag := a.Header.Get("Etag")
		if etag == "" || a.Header.Get("Cache-Control") == "" || a.Header.Get("Vary") == "" {
			t.Errorf("%s: %v", path, a.Header)
		}
		if again := s.get(path, "If-None-Match", etag); again.StatusCode != http.StatusNotModified || len(again.body) > 0 {
			t.Errorf("%s: If-None-Match: %d", path, again.StatusCode)
		}
		if png := s.accept(path, "image/png"); png.Header.Get("Etag") == etag {
			t.Errorf("%s: JPEG and PNG have one tag", path)
		}
		if head := s.do(http.MethodHead, path, nil); head.StatusCode != 200 || head.ContentLength != int64(len(a.body)) {
			t.Errorf("%s: HEAD: %d, %d bytes of %d", path, head.StatusCode, head.ContentLength, len(a.body))
		}
		if part := s.get(path, "Range", "bytes=2-5"); part.StatusCode != http.StatusPartialContent || !bytes.Equal(part.body, a.body[2:6]) {
			t.Errorf("%s: Range: %d", path, part.StatusCode)
		}
	}
}

// TestRenderedOverlays draws a segmentation over a slice and applies a presentation state.
func TestRenderedOverlays(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	_, samples := testkit.Corpus(t, func(x testkit.Sample) bool { return strings.HasPrefix(x.Path, "ct-series/head-108/05") })
	seg, state, report := s.place("derived/head-ct/seg-2-segments.dcm"), s.place("derived/head-ct/pr-gsps.dcm"), s.place("derived/head-ct/sr-tid1500.dcm")
	over, applied := 0, 0
	for _, x := range samples {
		p := s.place(x.Path).instance
		plain := s.get(p + "/rendered")
		a := s.get(p + "/rendered?overlay=" + uidOf(seg.instance))
		if a.StatusCode != 200 {
			t.Fatalf("%s: %d %s", x.Path, a.StatusCode, a.body)
		}
		if strings.Contains(a.Header.Get("Aurelius-Rendering"), "layers") {
			over++
		}
		if bytes.Equal(a.body, plain.body) == strings.Contains(a.Header.Get("Aurelius-Rendering"), "layers") || a.Header.Get("Etag") == plain.Header.Get("Etag") {
			t.Errorf("%s: the header says %q", x.Path, a.Header.Get("Aurelius-Rendering"))
		}
		for _, query := range []string{"presentation=", "overlay="} {
			b := s.get(p + "/rendered?" + query + uidOf(state.instance))
			if b.StatusCode == 200 && strings.Contains(b.Header.Get("Aurelius-Rendering"), "presentation state") {
				applied++
			} else if b.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %s%d %s", x.Path, query, b.StatusCode, b.body)
			}
		}
		if b := s.get(p + "/rendered?overlay=" + uidOf(report.instance)); b.StatusCode != 400 || !strings.Contains(string(b.body), "structured report") {
			t.Errorf("a report drawn over: %d %s", b.StatusCode, b.body)
		}
		if b := s.get(p + "/rendered?window=1,2,linear&overlay=" + uidOf(state.instance)); b.StatusCode != 400 {
			t.Errorf("a window and a state: %d %s", b.StatusCode, b.body)
		}
	}
	if over == 0 || applied == 0 {
		t.Errorf("%d overlays, %d states of %d slices", over, applied, len(samples))
	}
}

// TestDamagedPictures: a frame that is damaged fails alone, as an image and in a thumbnail.
func TestDamagedPictures(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	frames := someFrames(3, frameBytes, 0)
	packed := encoded(t, jlsUID, frames)
	packed[1] = packed[1][:len(packed[1])/4*2]
	damaged := spec{study: "2.25.1", series: "2.25.1.1", instance: "2.25.1.1.2", syntax: dicom.JPEGLSLossless, frames: packed,
		set: func(d *dicom.Dataset) { d.SetInts(tag.Rows, frameRows) }}
	s.store(damaged.make(t))
	for path, want := range map[string]int{
		"/frames/1/rendered": 200, "/frames/2/rendered": 406, "/frames/3/rendered": 200, "/frames/2/thumbnail": 406, "/frames/3/thumbnail": 200,
		"/rendered": 406, "/thumbnail": 406, "/frames/2,1/rendered": 406,
	} {
		if a := s.get(damaged.path() + path); a.StatusCode != want || want == 406 && !strings.Contains(string(a.body), "frame 2") {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	// All of it: the answer ends before the frame, and not as if it were whole.
	if a, err := s.try(http.MethodGet, damaged.path()+"/frames/1,2,3/rendered", nil, "Accept", `multipart/related; type="image/png"`); err == nil {
		t.Errorf("an answer without its second frame ends well: %d, %d bytes", a.StatusCode, len(a.body))
	}
	if a := s.accept(damaged.path()+"/rendered", "image/gif"); a.StatusCode != 406 {
		t.Errorf("a cine with a damaged frame: %d", a.StatusCode)
	}
	// One that can be shown stands for the series; without one a page does.
	if a := s.get("/studies/2.25.1/thumbnail"); a.StatusCode != 200 || !strings.Contains(a.Header.Get("Aurelius-Rendering"), "placeholder") {
		t.Errorf("a series of one damaged image: %d %q", a.StatusCode, a.Header.Get("Aurelius-Rendering"))
	}
	whole := damaged
	whole.instance, whole.frames = "2.25.1.1.1", encoded(t, jlsUID, frames)
	s.store(whole.make(t))
	if a := s.get("/studies/2.25.1/thumbnail"); a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Aurelius-Rendering"), "frame 2") {
		t.Errorf("a series with an image that is whole: %d %q", a.StatusCode, a.Header.Get("Aurelius-Rendering"))
	}
}

// TestThumbnails: small, never larger than the image, and something for every object.
func TestThumbnails(t *testing.T) {
	t.Parallel()
	s := newTranscoder(t)
	for path, want := range map[string]string{
		"derived/head-ct/sr-tid1500.dcm": "placeholder", "derived/head-ct/report-pdf.dcm": "placeholder", "multiframe/video/h264-102.dcm": "placeholder",
		"derived/head-ct/pr-gsps.dcm": "placeholder", "multiframe/us-palette-10-rle.dcm": "frame 6", "modalities/mg-sv1.dcm": "frame 1", "ct-series/head-108/054.dcm": "frame 1",
	} {
		p := s.place(path)
		for _, accept := range []string{"", "image/png", "image/gif", `multipart/related; type="image/jpeg"`} {
			var header []string
			if accept != "" {
				header = []string{"Accept", accept}
			}
			a := s.get(p.instance+"/thumbnail", header...)
			if a.StatusCode != 200 || !strings.Contains(a.Header.Get("Aurelius-Rendering"), want) {
				t.Errorf("%s: %d %q", path, a.StatusCode, a.Header.Get("Aurelius-Rendering"))
				continue
			}
			media, body := a.Header.Get("Content-Type"), a.body
			if strings.HasPrefix(accept, "multipart") {
				types, bodies := a.parts(t)
				media, body = types[0], bodies[0]
			}
			size := decodePicture(t, media, body).Bounds().Size()
			if max(size.X, size.Y) != 256 {
				t.Errorf("%s: %v", path, size)
			}
		}
		for query, want := range map[string]int{"?viewport=64,32": 200, "?viewport=64": 400, "?viewport=64,64,1,1": 400, "?viewport=0,0": 400, "?window=1,2,linear": 200} {
			a := s.get(p.instance + "/thumbnail" + query)
			if a.StatusCode != want || strings.Contains(query, "window") != (a.Header.Get("Warning") != "") {
				t.Errorf("%s%s: %d, warning %q", path, query, a.StatusCode, a.Header.Get("Warning"))
			}
		}
		if a := s.accept(p.instance+"/thumbnail", "text/html"); a.StatusCode != 406 {
			t.Errorf("%s: a thumbnail as text: %d", path, a.StatusCode)
		}
	}
	s.store(first(t)...)
	for _, path := range []string{firstPath(1), "/studies/" + firstStudy} { // of 128x128 pixels
		for _, query := range []string{"", "?viewport=512,512"} {
			if a := s.get(path + "/thumbnail" + query); decodePicture(t, "image/jpeg", a.body).Bounds().Dx() != 128 {
				t.Errorf("%s%s is larger than the image: %q", path, query, a.Header.Get("Aurelius-Rendering"))
			}
		}
	}
}
