package render_test

import (
	"bytes"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

var codecs = all.Codecs()

// openFrame reads an image and decodes a frame of it.
func openFrame(t testing.TB, n int, elem ...string) (*imaging.Image, codec.Frame) {
	t.Helper()
	m := codectest.Open(t, elem...)
	c, err := codecs.Decoder(m.Header.TransferSyntax.UID)
	if err != nil {
		t.Skip(err)
	}
	f, err := c.Decode(m.Encoded(t, n), m.Description, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(elem...)
	im, err := imaging.Read(m.Header.Dataset, m.Header.Pixel.Tag, m.Index.Frames(), func(e *dicom.Element) ([]byte, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		b = bytes.Clone(b[e.Bulk.Offset:][:e.Bulk.Length])
		if word := e.VR.Size(); m.Header.TransferSyntax.BigEndian && word == 2 {
			for i := 0; i+1 < len(b); i += 2 {
				b[i], b[i+1] = b[i+1], b[i]
			}
		}
		return b, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return im, f
}

// pnm reads what DCMTK writes.
func pnm(t *testing.T, b []byte) (size image.Point, channels int, pix []byte) {
	t.Helper()
	var magic string
	var limit int
	r := bytes.NewReader(b)
	if _, err := fmt.Fscan(r, &magic, &size.X, &size.Y, &limit); err != nil || limit != 255 {
		t.Fatalf("no picture: %v %q", err, b[:min(len(b), 20)])
	}
	r.ReadByte()
	channels = map[string]int{"P5": 1, "P6": 3}[magic]
	pix = b[len(b)-r.Len():]
	if channels == 0 || len(pix) != size.X*size.Y*channels {
		t.Fatalf("%s of %v with %d bytes", magic, size, len(pix))
	}
	return size, channels, pix
}

// difference is the largest between a picture and what DCMTK writes, and how many differ by more
// than tolerance.
func difference(t *testing.T, p *render.Picture, theirs []byte, tolerance int) (worst, many int) {
	t.Helper()
	size, channels, pix := pnm(t, theirs)
	if size != p.Image.Bounds().Size() {
		t.Fatalf("%v, want %v", p.Image.Bounds(), size)
	}
	ours, step := []uint8(nil), 4
	switch m := p.Image.(type) { // whose rows are without gaps
	case *image.Gray:
		ours, step = m.Pix, 1
	case *image.RGBA:
		ours = m.Pix
	}
	for i := range size.X * size.Y {
		for c := range max(channels, min(step, 3)) {
			d := int(ours[i*step+c%step]) - int(pix[i*channels+c%channels])
			d = max(d, -d)
			if worst = max(worst, d); d > tolerance {
				many++
			}
		}
	}
	return worst, many
}

// theirs says where DCMTK 3.6.7 is known to do something else, and why ours stays.
func theirs(im *imaging.Image, p *render.Picture, mode string) string {
	if p.Applied.Palette != "" {
		return "DCMTK leaves supplemental palettes out"
	}
	if im.BitsStored == 1 && mode == "whole" {
		return "DCMTK shows the ones of a bit as half grey"
	}
	if mode == "whole" && p.Applied.Inverse {
		return "DCMTK's range is one level short when it is turned round"
	}
	if mode == "min-max" && im.Padding != nil {
		return "DCMTK counts padding"
	}
	if mode == "min-max" && im.BitsAllocated == 8 && im.Rows*im.Columns%2 == 1 {
		return "DCMTK counts the pad byte"
	}
	look, err := im.Frame(1)
	if err != nil {
		return err.Error()
	}
	if look.Modality.Slope < 0.01 && look.Modality.LUT == nil {
		return "DCMTK rounds the modality's values to integers, and few are left"
	}
	return ""
}

// TestGrayscaleIsDCMTKs holds grey images of the corpus that both read against dcm2pnm, each of the
// odd ones and one of every other kind: no pixel may differ by more than 1, whichever window is
// taken.
func TestGrayscaleIsDCMTKs(t *testing.T) {
	tool := testkit.Tool(t, "dcmj2pnm")
	seen := map[string]bool{}
	dir, files := testkit.Corpus(t, func(s testkit.Sample) bool {
		if !strings.HasPrefix(s.Photometric, "MONOCHROME") || s.Pixels == nil || strings.HasPrefix(s.Path, "malformed/") {
			return false
		}
		kind := fmt.Sprint(s.SOPClass, s.Photometric, s.BitsAllocated, s.BitsStored, s.Signed)
		if strings.HasPrefix(s.Path, "syntaxes/edge") {
			kind = s.Path
		}
		was := seen[kind]
		seen[kind] = true
		return !was
	})
	var compared atomic.Int32
	t.Run("files", func(t *testing.T) {
		for _, s := range files {
			for _, c := range []struct {
				name  string
				o     render.Options
				flags []string
			}{
				{"header", render.Options{}, []string{"+Wi", "1"}},
				{"min-max", render.Options{Windowing: render.MinMax}, []string{"+Wm", "+Wfl"}},
				{"whole", render.Options{Windowing: render.Whole}, nil},
				{"window", render.Options{Window: &imaging.Window{Center: 120, Width: 301}}, []string{"+Ww", "120", "301", "+Wfl"}},
				{"sigmoid", render.Options{Window: &imaging.Window{Center: 90, Width: 400, Function: imaging.Sigmoid}}, []string{"+Ww", "90", "400", "+Wfs"}},
			} {
				if c.o.Window != nil && !strings.HasPrefix(s.Path, "syntaxes/edge") && !strings.HasPrefix(s.Path, "modalities") {
					continue // a process each, and nothing new
				}
				t.Run(s.Path+" "+c.name, func(t *testing.T) {
					t.Parallel()
					path := filepath.Join(dir, s.Path)
					im, f := openFrame(t, 1, path)
					p, err := new(render.Renderer).Render(im, 1, f, c.o)
					if err != nil {
						t.Fatal(err)
					}
					if v := p.Applied.VOI; v != nil && c.name == "header" && (v.Source != "header" || v.LUT) {
						t.Skip("no window in the header")
					}
					if why := theirs(im, p, c.name); why != "" {
						t.Skip(why)
					}
					var complaint bytes.Buffer
					cmd := exec.Command(tool, append(c.flags, "--write-raw-pnm", path)...)
					cmd.Stderr = &complaint
					picture, err := cmd.Output()
					if err != nil || len(picture) == 0 {
						t.Skipf("DCMTK does not read it: %s", complaint.Bytes())
					}
					compared.Add(1)
					if worst, many := difference(t, p, picture, 1); many > 0 {
						t.Errorf("%d samples differ, by up to %d (%s)", many, worst, p.Applied)
					}
				})
			}
		}
	})
	t.Log(compared.Load(), "pictures compared")
}

// TestColorIsDCMTKs holds palettes, RGB and YBR against dcmj2pnm: no sample may differ by more than
// 2. JPEG is left out where chroma is reduced: how it is filtered is the codecs' business.
func TestColorIsDCMTKs(t *testing.T) {
	tool := testkit.Tool(t, "dcmj2pnm")
	dir, files := testkit.Corpus(t, func(s testkit.Sample) bool {
		return s.Photometric != "" && !strings.HasPrefix(s.Photometric, "MONOCHROME") && s.Pixels != nil && !strings.HasPrefix(s.Path, "malformed/")
	})
	var compared atomic.Int32
	t.Run("files", func(t *testing.T) {
		for _, s := range files {
			t.Run(s.Path, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(dir, s.Path)
				im, f := openFrame(t, 1, path)
				if s.Pixels.Lossy && f.SamplesPerPixel == 3 {
					t.Skip("chroma")
				}
				p, err := new(render.Renderer).Render(im, 1, f, render.Options{NoICC: true})
				if err != nil {
					t.Fatal(err)
				}
				picture, err := exec.Command(tool, "--write-raw-pnm", path).Output()
				if err != nil || len(picture) == 0 {
					t.Skip("DCMTK does not read it")
				}
				compared.Add(1)
				if worst, many := difference(t, p, picture, 2); many > 0 {
					t.Errorf("%d samples differ, by up to %d (%s)", many, worst, p.Applied)
				}
			})
		}
	})
	t.Log(compared.Load(), "pictures compared")
}
