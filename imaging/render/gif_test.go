package render_test

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// apart is the largest difference of two pictures.
func apart(t *testing.T, a, b image.Image) (worst int) {
	t.Helper()
	if a.Bounds().Size() != b.Bounds().Size() {
		t.Fatalf("%v and %v", a.Bounds(), b.Bounds())
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p, q := color.RGBAModel.Convert(a.At(x, y)).(color.RGBA), color.RGBAModel.Convert(b.At(x, y)).(color.RGBA)
			for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B)} {
				worst = max(worst, d, -d)
			}
		}
	}
	return worst
}

// TestWriters: what is written, other decoders read.
func TestWriters(t *testing.T) {
	for _, d := range []codec.Description{codectest.Grey(37, 53, 8, 8, 0), codectest.Color(37, 53, 8, 8, "RGB")} {
		f := codectest.Draw(d, "natural")
		m, _ := made(t, d, nil)
		p := rendered(t, m, f, render.Options{})
		var b bytes.Buffer
		if err := p.WritePNG(&b); err != nil {
			t.Fatal(err)
		}
		if got, err := png.Decode(&b); err != nil || apart(t, got, p.Image) > 0 {
			t.Errorf("PNG of %s: %v", d.PhotometricInterpretation, err)
		}
		b.Reset()
		if err := p.WriteGIF(&b); err != nil {
			t.Fatal(err)
		}
		limit := 0
		if d.SamplesPerPixel == 3 {
			limit = 64
		}
		if got, err := gif.Decode(&b); err != nil || apart(t, got, p.Image) > limit {
			t.Errorf("GIF of %s: %v", d.PhotometricInterpretation, err)
		}
		sizes := map[int]int{}
		for quality, limit := range map[int]int{100: 8, 0: 120, 1: 255} {
			b.Reset()
			if err := p.WriteJPEG(&b, quality); err != nil {
				t.Fatal(err)
			}
			sizes[quality] = b.Len()
			if got, err := jpeg.Decode(&b); err != nil || apart(t, got, p.Image) > limit {
				t.Errorf("JPEG of %s, quality %d: %v", d.PhotometricInterpretation, quality, err)
			}
		}
		if sizes[1] >= sizes[0] || sizes[0] >= sizes[100] {
			t.Errorf("quality does nothing: %v", sizes)
		}
		for _, quality := range []int{-1, 101} {
			if err := p.WriteJPEG(&b, quality); !errs.Is(err, errs.Invalid) {
				t.Errorf("quality %d: %v", quality, err)
			}
		}
	}
}

// cine is an image of frames that grow brighter.
func cine(t *testing.T, set func(*dicom.Dataset)) (*imaging.Image, func(int) (codec.Frame, error)) {
	t.Helper()
	d := codectest.Grey(8, 8, 16, 16, 0)
	ds := new(dicom.Dataset)
	d.Apply(ds)
	set(ds)
	m, err := imaging.Read(ds, tag.PixelData, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m, func(n int) (codec.Frame, error) {
		if n > 4 {
			return codec.Frame{}, errs.Errorf(errs.Invalid, "test", "damaged")
		}
		f, err := d.New(nil)
		for i := range 64 {
			f.Data[2*i] = byte(i) * byte(n)
		}
		return f, err
	}
}

func TestCine(t *testing.T) {
	m, frame := cine(t, func(ds *dicom.Dataset) { ds.SetFloats(tag.FrameTime, 33.3) })
	var b bytes.Buffer
	r := new(render.Renderer)
	if err := render.WriteAnimation(&b, r.Cine(m, []int{1, 2, 4}, frame, render.Options{})); err != nil {
		t.Fatal(err)
	}
	g, err := gif.DecodeAll(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Image) != 3 || g.LoopCount != 0 || g.Delay[0]+g.Delay[1]+g.Delay[2] != 10 {
		t.Errorf("%d frames, delays %v, loops %d", len(g.Image), g.Delay, g.LoopCount)
	}
	// One window for all: frame 1 spans 0 to 63, so that frame 2 is twice as bright.
	at := func(i int) uint8 { return color.GrayModel.Convert(g.Image[i].At(1, 2)).(color.Gray).Y }
	if a, b := int(at(0)), int(at(1)); b < 2*a-2 || b > 2*a+2 || a == 0 {
		t.Errorf("levels %d and %d", a, b)
	}
	if err := render.WriteAnimation(&b, r.Cine(m, []int{1, 5}, frame, render.Options{})); !errs.Is(err, errs.Invalid) {
		t.Errorf("a damaged frame: %v", err)
	}
	if err := render.WriteAnimation(&b, r.Cine(m, nil, frame, render.Options{})); !errs.Is(err, errs.Invalid) {
		t.Errorf("no frame: %v", err)
	}
}

// TestColorCine: colours of later frames find a place in the first one's palette.
func TestColorCine(t *testing.T) {
	var b bytes.Buffer
	err := render.WriteAnimation(&b, func(yield func(render.Shot, error) bool) {
		for _, content := range []string{"natural", "noise"} {
			f := codectest.Draw(codectest.Color(32, 32, 8, 8, "RGB"), content)
			m, _ := made(t, f.Description, nil)
			if !yield(render.Shot{Picture: rendered(t, m, f, render.Options{}), Milliseconds: 20}, nil) {
				return
			}
		}
		m, f := made(t, codectest.Grey(32, 32, 8, 8, 0), nil)
		yield(render.Shot{Picture: rendered(t, m, f, render.Options{}), Milliseconds: 20}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if g, err := gif.DecodeAll(&b); err != nil || len(g.Image) != 3 {
		t.Errorf("%v", err)
	}
}
