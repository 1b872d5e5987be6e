package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// uri is a request of the URI service, as old viewers make it.
func (s *server) uri(o object, params string) string {
	return "http://" + s.http + "/wado?requestType=WADO&objectUID=" + o.SOPInstanceUID + "&" + params
}

// rendered gets a picture, which reads as one.
func (s *server) rendered(t *testing.T, url string) (image.Image, http.Header) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
	m, _, err := image.Decode(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return m, resp.Header
}

// TestRenderedAsDCMTK: CT images of each transfer syntax look as DCMTK shows them with the same window,
// to one grey level.
func TestRenderedAsDCMTK(t *testing.T) {
	t.Parallel()
	s := start(t)
	tool := testkit.Tool(t, "dcmj2pnm")
	reads := map[string]bool{implicitLE: true, dicom.ExplicitVRLittleEndian.UID: true, dicom.ExplicitVRBigEndian.UID: true,
		dicom.DeflatedExplicitVRLittleEndian.UID: true, dicom.RLELossless.UID: true,
		dicom.JPEGLossless.UID: true, dicom.JPEGLosslessSV1.UID: true} // of lossy ones the decoders differ
	compared := 0
	slices := 0
	for _, o := range corpus(t, func(path string) bool {
		if strings.HasPrefix(path, "ct-series/head-108/") {
			slices++
			return slices%20 == 1
		}
		return strings.HasPrefix(path, "syntaxes/ct-") || path == "modalities/ct-elscint.dcm" || path == "modalities/ct-two-studies-a.dcm"
	}) {
		if !reads[o.transferSyntax] {
			continue
		}
		if a := s.stow(t, o); a.status != http.StatusOK && a.status != http.StatusConflict {
			t.Fatalf("%s: status %d", o.name, a.status)
		}
		path := filepath.Join(testkit.Shared(t), "data", o.name+".dcm")
		for _, w := range [][2]string{{"40", "400"}, {"-600", "1500"}} {
			theirs, err := exec.Command(tool, "+Ww", w[0], w[1], "+Wfl", "-O", "--write-raw-pnm", path).Output()
			if err != nil || len(theirs) == 0 {
				continue
			}
			m, header := s.rendered(t, s.uri(o, "contentType=image/png&windowCenter="+w[0]+"&windowWidth="+w[1]))
			if strings.Contains(header.Get("Aurelius-Rendering"), "overlays") {
				continue // which DCMTK has been told to leave out
			}
			compared++
			if worst := greyDifference(t, m, theirs); worst > 1 {
				t.Errorf("%s with window %v: grey levels differ by up to %d (%s)", o.name, w, worst, header.Get("Aurelius-Rendering"))
			}
		}
		s.remove(t, o.SOPInstanceUID) // the syntaxes have the UIDs of one image
	}
	if compared < 10 {
		t.Errorf("%d pictures compared", compared)
	}
}

// greyDifference compares a picture with a binary PGM.
func greyDifference(t *testing.T, m image.Image, pgm []byte) (worst int) {
	t.Helper()
	var magic string
	var width, height, limit int
	r := bytes.NewReader(pgm)
	if _, err := fmt.Fscan(r, &magic, &width, &height, &limit); err != nil || magic != "P5" || limit != 255 {
		t.Fatalf("no PGM: %v %q", err, pgm[:min(len(pgm), 20)])
	}
	pix := pgm[len(pgm)-width*height:]
	if m.Bounds().Dx() != width || m.Bounds().Dy() != height {
		t.Fatalf("%v, DCMTK has %dx%d", m.Bounds(), width, height)
	}
	for i, v := range pix {
		d := int(color.GrayModel.Convert(m.At(i%width, i/width)).(color.Gray).Y) - int(v)
		worst = max(worst, d, -d)
	}
	return worst
}

// TestRenderedAgainAndAgain: 150 pictures of one compressed object one after another and 16 at once,
// each decoded anew, and memory does not grow with their number.
func TestRenderedAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	objects := corpus(t, func(path string) bool {
		return path == "multiframe/us-palette-10-rle.dcm" || path == "syntaxes/ct-all/jpeg-lossless-sv1.dcm" || path == "multiframe/us-34-jpeg.dcm"
	})
	if len(objects) < 2 {
		t.Fatalf("%d objects", len(objects))
	}
	for _, o := range objects {
		if a := s.stow(t, o); a.status != http.StatusOK {
			t.Fatalf("%s: %d", o.name, a.status)
		}
	}
	picture := func(i int) {
		o := objects[i%len(objects)]
		// Another quality and size is another picture.
		s.rendered(t, s.uri(o, fmt.Sprintf("frameNumber=1&imageQuality=%d&columns=%d", 20+i%60, 100+i)))
	}
	for i := range 60 {
		picture(i)
	}
	before := s.peakRSS(t)
	for i := range 3 * 150 {
		picture(60 + i)
	}
	if grown := s.peakRSS(t) - before; grown > 32<<20 {
		t.Errorf("memory grew by %d MiB with the number of pictures", grown>>20)
	}
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for k := range 10 {
				resp, err := http.Get(s.uri(objects[0], fmt.Sprintf("frameNumber=1&imageQuality=90&rows=%d", 700+16*k+i)))
				if err != nil {
					t.Error(err)
					return
				}
				_, _, err = image.Decode(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK || err != nil {
					t.Errorf("at once: %s, %v", resp.Status, err)
				}
			}
		})
	}
	group.Wait()
	if peak := s.peakRSS(t); peak > 384<<20 {
		t.Errorf("peak memory %d MiB with 16 at once", peak>>20)
	}
	t.Logf("peak memory %d MiB after 60, %d MiB in the end", before>>20, s.peakRSS(t)>>20)
}

// TestRenderedDamage: a frame damaged in the file fails alone, through every door for pictures.
func TestRenderedDamage(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := corpus(t, func(path string) bool { return path == "multiframe/us-palette-10-rle.dcm" })[0]
	// The header of frame 4's fragment says that it has 200 segments: RLE has 15 at most (PS3.5 G.5).
	head := []byte{0xFE, 0xFF, 0x00, 0xE0}
	at := bytes.Index(o.file, []byte{0xE0, 0x7F, 0x10, 0x00, 'O', 'B', 0, 0})
	for range 5 { // the offset table, then frames 1 to 4
		at += 4 + bytes.Index(o.file[at+4:], head)
	}
	damaged := bytes.Clone(o.file)
	damaged[at+8] = 200
	o.file = damaged
	if a := s.stow(t, o); a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	resource, _ := s.find(t, o.SOPInstanceUID)
	for n := 1; n <= 10; n++ {
		want := http.StatusOK
		if n == 4 {
			want = http.StatusNotAcceptable
		}
		for _, kind := range []string{"rendered", "thumbnail"} {
			if status, _, body := s.get(t, fmt.Sprintf("%s/frames/%d/%s", resource, n, kind)); status != want {
				t.Errorf("frame %d, %s: status %d, want %d: %s", n, kind, status, want, tail(string(body), 200))
			}
		}
		if resp, err := http.Get(s.uri(o, fmt.Sprint("frameNumber=", n))); err != nil || resp.StatusCode != want {
			t.Errorf("frame %d, WADO-URI: %v %v", n, resp, err)
		} else {
			resp.Body.Close()
		}
	}
}
