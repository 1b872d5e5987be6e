package render_test

import (
	"image"
	"image/color"
	"math"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// TestPresentationPipeline: the state's transformations take the image's place (PS3.4 N.2).
func TestPresentationPipeline(t *testing.T) {
	m, f := made(t, codectest.Grey(1, 4, 8, 16, 0), windows, 0, 100, 200, 255)
	lut := func(v ...uint16) imaging.LUT { return imaging.LUT{Bits: 8, Data: v} }
	reversed := lut(255, 0)
	for _, c := range []struct {
		name string
		p    render.Presentation
		want []uint8
	}{
		{"nothing: identities", render.Presentation{}, []uint8{0, 100, 200, 255}},
		{"color: the image's own", render.Presentation{Color: true}, []uint8{0, 255, 255, 255}},
		{"window", render.Presentation{VOI: &imaging.VOI{Windows: []imaging.Window{{Center: 100, Width: 1}}}}, []uint8{0, 255, 255, 255}},
		{"LUT before window", render.Presentation{VOI: &imaging.VOI{Windows: []imaging.Window{{Center: 100, Width: 1}}, LUTs: []imaging.LUT{lut(9, 8)}}}, []uint8{9, 8, 8, 8}},
		{"modality", render.Presentation{Modality: &imaging.Modality{Slope: -1, Intercept: 255}, VOI: &imaging.VOI{Windows: []imaging.Window{{Center: 128, Width: 256}}}}, []uint8{255, 155, 55, 0}},
		{"inverse", render.Presentation{Inverse: true}, []uint8{255, 155, 55, 0}},
		{"presentation LUT", render.Presentation{PresentationLUT: &reversed, VOI: &imaging.VOI{Windows: []imaging.Window{{Center: 100, Width: 1}}}}, []uint8{255, 0, 0, 0}},
	} {
		p := rendered(t, m, f, render.Options{Presentation: &c.p})
		if got := levels(t, p); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v (%s)", c.name, got, c.want, p.Applied)
		}
	}
	p := rendered(t, m, f, render.Options{Presentation: &render.Presentation{Palette: &imaging.Palette{Colors: [][3]uint8{{1, 2, 3}, {4, 5, 6}}}}})
	if got := p.Image.At(3, 0); got != (color.RGBA{4, 5, 6, 255}) {
		t.Errorf("pseudo-color: %v", got)
	}
	// PS3.4 N.2: a greyscale state does not touch what a supplemental palette colours.
	m.Palette = &imaging.Palette{First: 200, Colors: [][3]uint8{{7, 8, 9}}}
	p = rendered(t, m, f, render.Options{Presentation: &render.Presentation{Inverse: true}})
	if grey, colored := p.Image.At(1, 0), p.Image.At(2, 0); grey != (color.RGBA{155, 155, 155, 255}) || colored != (color.RGBA{7, 8, 9, 255}) {
		t.Errorf("supplemental palette: %v, %v", grey, colored)
	}
	for _, bad := range []render.Presentation{
		{Modality: &imaging.Modality{Slope: math.NaN()}}, {PresentationLUT: &imaging.LUT{Bits: 8}}, {VOI: &imaging.VOI{LUTs: []imaging.LUT{{}}}},
		{Shutter: &render.Shutter{Bitmap: &imaging.Overlay{Rows: 3, Columns: 3}}}, {Rotation: 45},
	} {
		if _, err := new(render.Renderer).Render(m, 1, f, render.Options{Presentation: &bad}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// spot marks where a stored pixel's middle comes to lie.
type spot struct {
	x, y float64
	at   *image.Point
	area *image.Rectangle
}

func (s spot) Draw(c *render.Canvas) {
	*s.at = image.Pt(int(math.Floor(c.Pixel[0]*s.x+c.Pixel[1]*s.y+c.Pixel[2])), int(math.Floor(c.Pixel[3]*s.x+c.Pixel[4]*s.y+c.Pixel[5])))
	*s.area = c.Area
}

// TestPlacement turns, flips, cuts and enlarges a picture with one white pixel, and asks the
// Canvas where it is.
func TestPlacement(t *testing.T) {
	f := codectest.Draw(codectest.Grey(6, 10, 8, 8, 0), "flat")
	clear(f.Data)
	f.Data[2*10+7] = 255
	m, _ := made(t, f.Description, nil)
	for _, rotation := range []int{0, 90, 180, 270, -90, 720} {
		for _, flip := range []bool{false, true} {
			for _, area := range []*render.Area{
				nil, {Rect: image.Rect(5, 1, 9, 4)}, {Rect: image.Rect(-3, -2, 12, 8)},
				{Rect: image.Rect(5, 1, 9, 4), Mode: render.Magnify, Magnification: 3}, {Rect: image.Rect(9, 4, 5, 1), PixelAspect: 2, Mode: render.Magnify, Magnification: 2},
			} {
				var at image.Point
				var drawn image.Rectangle
				p := rendered(t, m, f, render.Options{Presentation: &render.Presentation{Rotation: rotation, HorizontalFlip: flip, Area: area, Graphics: []render.Graphic{spot{7.5, 2.5, &at, &drawn}}}})
				if r, _, _, _ := p.Image.At(at.X, at.Y).RGBA(); r < 0xA000 {
					t.Errorf("rotation %d, flip %v, area %+v: %v is %x", rotation, flip, area, at, r)
				}
				if drawn != p.Image.Bounds() {
					t.Errorf("area %v of %v", drawn, p.Image.Bounds())
				}
			}
		}
	}
	// Clockwise, then flipped (PS3.3 C.10.6).
	size := rendered(t, m, f, render.Options{Presentation: &render.Presentation{Rotation: 90}}).Image.Bounds().Size()
	if size != image.Pt(6, 10) {
		t.Errorf("turned by a quarter it has %v", size)
	}
	turned := levels(t, rendered(t, m, f, render.Options{Presentation: &render.Presentation{Rotation: 90}}))
	if turned[7*6+3] != 255 {
		t.Error("not clockwise")
	}
	flipped := levels(t, rendered(t, m, f, render.Options{Presentation: &render.Presentation{Rotation: 90, HorizontalFlip: true}}))
	if flipped[7*6+2] != 255 {
		t.Error("not flipped behind the rotation")
	}
	if _, err := new(render.Renderer).Render(m, 1, f, render.Options{Presentation: &render.Presentation{Area: &render.Area{Rect: image.Rect(50, 50, 60, 60)}}}); !errs.Is(err, errs.Invalid) {
		t.Errorf("an area beside the image: %v", err)
	}
	if _, err := new(render.Renderer).Render(m, 1, f, render.Options{Presentation: &render.Presentation{Area: &render.Area{Rect: f4, Mode: render.Magnify, Magnification: 1e9}}}); !errs.Is(err, errs.Exhausted) {
		t.Errorf("magnified without end: %v", err)
	}
}

var f4 = image.Rect(0, 0, 4, 4)

// TestPresentationOverlays: the image's overlays are seen where the state turns them on, in its
// colour; its own always; a region of interest as its edge.
func TestPresentationOverlays(t *testing.T) {
	m, f := made(t, codectest.Grey(3, 3, 8, 8, 0), overlay(0x6000, 3, 3, "G", 0b000000001, 0))
	green := color.RGBA{0, 255, 0, 255}
	own := render.Overlay{Overlay: imaging.Overlay{Group: 0x6002, Rows: 3, Columns: 3, ROI: true, Bits: slices.Repeat([]byte{1}, 9)}, Color: green}
	at := func(o render.Options, x, y int) color.Color {
		return color.RGBAModel.Convert(rendered(t, m, f, o).Image.At(x, y))
	}
	white, black := color.RGBA{255, 255, 255, 255}, color.RGBA{0, 0, 0, 255}
	for _, c := range []struct {
		name           string
		o              render.Options
		corner, middle color.Color
	}{
		{"image", render.Options{}, white, black},
		{"image, not wanted", render.Options{NoOverlays: true}, black, black},
		{"not activated", render.Options{Presentation: &render.Presentation{}}, black, black},
		{"activated", render.Options{Presentation: &render.Presentation{Activated: map[uint16]color.RGBA{0x6000: green}}}, green, black},
		{"own", render.Options{Presentation: &render.Presentation{Overlays: []render.Overlay{own}}}, green, black},
	} {
		if got := at(c.o, 0, 0); got != c.corner {
			t.Errorf("%s: corner %v", c.name, got)
		}
		if got := at(c.o, 1, 1); got != c.middle {
			t.Errorf("%s: middle %v", c.name, got)
		}
	}
	var none codec.Frame
	if _, err := new(render.Renderer).Render(m, 1, none, render.Options{}); !errs.Is(err, errs.Invalid) {
		t.Errorf("no frame: %v", err)
	}
}

func TestShutter(t *testing.T) {
	m, f := made(t, codectest.Grey(9, 9, 8, 8, 0), nil, slices.Repeat([]int{200}, 81)...)
	rect := image.Rect(1, 1, 8, 8)
	p := rendered(t, m, f, render.Options{Presentation: &render.Presentation{
		Shutter: &render.Shutter{Rect: &rect, Circle: &render.Circle{Center: image.Pt(4, 4), Radius: 3}, Color: color.RGBA{7, 7, 7, 255}},
		Area:    &render.Area{Rect: image.Rect(1, 0, 9, 9)},
	}})
	g := levels(t, p)
	for at, want := range map[image.Point]uint8{{3, 4}: 200, {0, 4}: 200, {6, 4}: 200, {7, 4}: 7, {1, 1}: 7, {3, 0}: 7, {3, 1}: 200} {
		if got := g[at.Y*8+at.X]; got != want {
			t.Errorf("%v: %d, want %d", at, got, want)
		}
	}
	if !p.Applied.Shutter || p.Applied.Region == nil {
		t.Error(p.Applied)
	}
}
