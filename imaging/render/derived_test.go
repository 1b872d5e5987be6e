package render_test

import (
	"bytes"
	"flag"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/pr"
	"github.com/aurelius-imaging/aurelius/dicom/iod/seg"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// open opens a file of the corpus.
func open(t testing.TB, path string) *codectest.Image {
	t.Helper()
	return codectest.Open(t, filepath.Join(testkit.Shared(t), "data", path))
}

// header reads the header of a file of the corpus that need not have pixels.
func header(t testing.TB, path string) *dicom.Header {
	t.Helper()
	f, err := os.Open(filepath.Join(testkit.Shared(t), "data", path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := dicom.ReadHeader(f, dicom.Source{}, dicom.Limits{InlineBinary: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// decode decodes frame n.
func decode(m *codectest.Image, n int) (codec.Frame, error) {
	c, err := all.Codecs().Decoder(m.Header.TransferSyntax.UID)
	if err != nil {
		return codec.Frame{}, err
	}
	src, err := m.Frame(n)
	if err != nil {
		return codec.Frame{}, err
	}
	return c.Decode(src, m.Description, nil)
}

// picture renders frame n as the options say.
func picture(t testing.TB, m *codectest.Image, n int, o render.Options) *render.Picture {
	t.Helper()
	header, err := imaging.Read(m.Header.Dataset, m.Header.Pixel.Tag, m.Index.Frames(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := decode(m, n)
	if err != nil {
		t.Fatal(err)
	}
	p, err := new(render.Renderer).Render(header, n, f, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var update = flag.Bool("update", false, "write golden pictures")

// golden compares a picture with testdata, pixel by pixel.
func golden(t *testing.T, name string, m image.Image) {
	t.Helper()
	path := filepath.Join("testdata", name+".png")
	if *update {
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if m.Bounds() != want.Bounds() {
		t.Fatalf("%s: %v, want %v", name, m.Bounds(), want.Bounds())
	}
	differ := 0
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			r0, g0, b0, _ := m.At(x, y).RGBA()
			r1, g1, b1, _ := want.At(x, y).RGBA()
			if r0 != r1 || g0 != g1 || b0 != b1 {
				differ++
			}
		}
	}
	if differ > 0 {
		t.Errorf("%s: %d pixels differ from testdata (-update writes it)", name, differ)
	}
}

// slice is the slice of head-108 that has the UID.
func slice(t *testing.T, sop string) *codectest.Image {
	t.Helper()
	_, samples := testkit.Corpus(t, func(s testkit.Sample) bool {
		return s.SOP == sop && filepath.Dir(s.Path) == "ct-series/head-108"
	})
	if len(samples) != 1 {
		t.Fatalf("%d slices of head-108 with UID %s", len(samples), sop)
	}
	return open(t, samples[0].Path)
}

func TestPresentationState(t *testing.T) {
	t.Parallel()
	s, err := pr.Read(header(t, "derived/head-ct/pr-gsps.dcm").Dataset)
	if err != nil {
		t.Fatal(err)
	}
	sop := s.References[0].SOPInstanceUID
	ct := slice(t, sop)
	p, left, err := render.PresentationOf(s, sop, 1, ct.Description, nil)
	if err != nil || len(left) > 0 {
		t.Fatal(err, left)
	}
	golden(t, "gsps-head", picture(t, ct, 1, render.Options{Presentation: p, Viewport: &render.Viewport{Width: 256, Height: 256}}).Image)
}

func TestSegmentationLayers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, seg string }{
		{"seg-head", "derived/head-ct/seg-2-segments.dcm"},
		{"seg-head-labelmap", "derived/head-ct/seg-labelmap-rle.dcm"},
	} {
		o := open(t, c.seg)
		s, err := seg.Read(o.Header.Dataset)
		if err != nil {
			t.Fatal(err)
		}
		ct := slice(t, s.Frames[3].Sources[0].SOPInstanceUID)
		layers, err := render.LayersOf(s, seg.SourceOf(ct.Header.Dataset, 1), nil, func(n int) (codec.Frame, error) { return decode(o, n) })
		if err != nil || len(layers) != 2 {
			t.Fatal(len(layers), err)
		}
		golden(t, c.name, picture(t, ct, 1, render.Options{Layers: layers, Viewport: &render.Viewport{Width: 256, Height: 256}}).Image)
	}
}

// TestTooManyFrames: an object of a few kilobytes may have thousands of frames of one pixel, each
// over the whole of an image.
func TestTooManyFrames(t *testing.T) {
	t.Parallel()
	s := &seg.Segmentation{Type: seg.Binary, Rows: 1, Columns: 1, Segments: []seg.Segment{{Number: 1}}, Frames: make([]seg.Frame, 1<<12)}
	for i := range s.Frames {
		s.Frames[i] = seg.Frame{Number: i + 1, Segment: 1, Sources: []iod.Reference{{SOPInstanceUID: "1.2"}}}
	}
	frame := codectest.Draw(codectest.Grey(1, 1, 1, 1, 0), "flat")
	_, err := render.LayersOf(s, seg.Source{SOPInstanceUID: "1.2", Frame: 1, Rows: 1024, Columns: 1024}, nil, func(int) (codec.Frame, error) { return frame, nil })
	if !errs.Is(err, errs.Exhausted) {
		t.Errorf("%v, want exhausted", err)
	}
}

// Without its graphics, which dcmp2pgm does not draw, a state looks as DCMTK shows it.
func TestPresentationStateAsDCMTK(t *testing.T) {
	t.Parallel()
	plain, pgm := filepath.Join(t.TempDir(), "ct.dcm"), filepath.Join(t.TempDir(), "out.pgm")
	data := filepath.Join(testkit.Shared(t), "data")
	state := "derived/head-ct/pr-gsps.dcm"
	s, err := pr.Read(header(t, state).Dataset)
	if err != nil {
		t.Fatal(err)
	}
	sop := s.References[0].SOPInstanceUID
	for _, command := range [][]string{
		{"dcmdjpeg", filepath.Join(data, "ct-series/head-108/050.dcm"), plain},
		{"dcmp2pgm", "-p", filepath.Join(data, state), plain, pgm},
	} {
		if out, err := exec.Command(testkit.Tool(t, command[0]), command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	b, err := os.ReadFile(pgm)
	if err != nil {
		t.Fatal(err)
	}
	ct := slice(t, sop)
	p, _, err := render.PresentationOf(s, sop, 1, ct.Description, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Graphics = nil
	got := picture(t, ct, 1, render.Options{Presentation: p}).Image.(*image.Gray)
	want := b[len(b)-len(got.Pix):]
	for i := range want {
		if d := int(got.Pix[i]) - int(want[i]); d < -1 || d > 1 {
			t.Fatalf("pixel %d is %d, DCMTK has %d", i, got.Pix[i], want[i])
		}
	}
}
