package render_test

import (
	"image"
	"image/color"
	"math"
	"strings"
	"testing"

	"golang.org/x/image/math/f64"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/pr"
	"github.com/aurelius-imaging/aurelius/dicom/iod/seg"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

var pixels = codectest.Grey(100, 100, 8, 8, 0)

// presented is what a state wants of instance 1.2, which it is for.
func presented(t testing.TB, s *pr.State) (*render.Presentation, []error) {
	t.Helper()
	s.References = []iod.Reference{{SOPInstanceUID: "1.2"}}
	p, left, err := render.PresentationOf(s, "1.2", 1, pixels, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, left
}

// drawn draws annotations on a black picture of 200 by 200 that shows 100 by 100 pixels.
func drawn(t testing.TB, annotations ...pr.Annotation) *image.RGBA {
	t.Helper()
	p, _ := presented(t, &pr.State{Annotations: annotations, Layers: []pr.Layer{{Name: "RED", Color: iod.RGB{255, 0, 0}, HasColor: true}}})
	m := image.NewRGBA(image.Rect(0, 0, 200, 200))
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
	for _, g := range p.Graphics {
		g.Draw(&render.Canvas{RGBA: m, Pixel: f64.Aff3{2, 0, 0, 0, 2, 0}, Area: m.Rect})
	}
	return m
}

func graphic(kind string, points ...pr.Point) pr.Graphic {
	return pr.Graphic{Type: kind, Units: pr.Pixel, Points: points, Style: pr.Style{Opacity: 1, FillOpacity: 1}}
}

// Every type goes through its points and no farther than they say.
func TestGraphics(t *testing.T) {
	t.Parallel()
	filled := graphic("POLYLINE", pr.Point{10, 10}, pr.Point{60, 10}, pr.Point{60, 60}, pr.Point{10, 60}, pr.Point{10, 10})
	filled.Filled = true
	half := filled
	half.Style.FillOpacity, half.Style.FillColor, half.Style.HasFillColor = 0.5, iod.RGB{0, 0, 255}, true
	display := graphic("POLYLINE", pr.Point{0.25, 0.5}, pr.Point{0.75, 0.5})
	display.Units = pr.Display
	dashed := graphic("POLYLINE", pr.Point{0, 50}, pr.Point{100, 50})
	dashed.Style.Dashed = true
	thick := graphic("POLYLINE", pr.Point{10, 50}, pr.Point{90, 50})
	thick.Style.Thickness = 9
	for _, c := range []struct {
		name    string
		graphic pr.Graphic
		on, off []image.Point // in the picture
		most    int           // pixels that are touched
	}{
		{"point", graphic("POINT", pr.Point{50, 50}), []image.Point{{100, 100}, {102, 100}}, []image.Point{{110, 100}, {103, 103}}, 40},
		{"polyline", graphic("POLYLINE", pr.Point{10, 10}, pr.Point{90, 10}, pr.Point{90, 90}), []image.Point{{20, 20}, {100, 20}, {180, 20}, {180, 100}, {180, 179}}, []image.Point{{100, 100}, {20, 100}}, 1000},
		{"circle", graphic("CIRCLE", pr.Point{50, 50}, pr.Point{50, 80}), []image.Point{{160, 100}, {40, 100}, {100, 160}, {100, 40}}, []image.Point{{100, 100}, {50, 50}}, 1300},
		{"ellipse", graphic("ELLIPSE", pr.Point{10, 50}, pr.Point{90, 50}, pr.Point{50, 40}, pr.Point{50, 60}), []image.Point{{20, 100}, {180, 100}, {100, 80}, {100, 120}}, []image.Point{{100, 100}, {100, 40}}, 1300},
		{"interpolated", graphic("INTERPOLATED", pr.Point{10, 50}, pr.Point{50, 20}, pr.Point{90, 50}), []image.Point{{20, 100}, {100, 40}, {180, 99}}, []image.Point{{100, 100}}, 900},
		{"filled", filled, []image.Point{{70, 70}, {25, 115}}, []image.Point{{130, 130}, {10, 10}}, 11000},
		{"display", display, []image.Point{{60, 100}, {140, 100}}, []image.Point{{40, 100}, {160, 100}}, 420},
		{"thick", thick, []image.Point{{100, 97}, {100, 103}}, []image.Point{{100, 92}, {100, 108}}, 2000},
		{"far away", graphic("POLYLINE", pr.Point{-1e9, 50}, pr.Point{1e9, 50}), []image.Point{{0, 100}, {199, 100}}, []image.Point{{100, 90}}, 700},
		{"outside", graphic("CIRCLE", pr.Point{1e9, 50}, pr.Point{1e9, 80}), nil, []image.Point{{100, 100}}, 0},
	} {
		m := drawn(t, pr.Annotation{Layer: "RED", Graphics: []pr.Graphic{c.graphic}})
		touched := 0
		for i := 0; i < len(m.Pix); i += 4 {
			if m.Pix[i] > 0 {
				touched++
			}
			if m.Pix[i+1] > 0 || m.Pix[i+2] > 0 || m.Pix[i+3] != 255 {
				t.Fatalf("%s: not red: %v", c.name, m.Pix[i:i+4])
			}
		}
		if touched > c.most || touched == 0 && c.most > 0 {
			t.Errorf("%s: %d pixels are touched, at most %d ought to be", c.name, touched, c.most)
		}
		for _, p := range c.on {
			if m.RGBAAt(p.X, p.Y).R < 64 {
				t.Errorf("%s: nothing at %v", c.name, p)
			}
		}
		for _, p := range c.off {
			if m.RGBAAt(p.X, p.Y).R > 0 {
				t.Errorf("%s: something at %v", c.name, p)
			}
		}
	}
	if c := drawn(t, pr.Annotation{Layer: "RED", Graphics: []pr.Graphic{half}}).RGBAAt(70, 70); c != (color.RGBA{0, 0, 127, 255}) {
		t.Errorf("half filled: %v", c)
	}
	gaps := 0
	for x, m := 1, drawn(t, pr.Annotation{Layer: "RED", Graphics: []pr.Graphic{dashed}}); x < 200; x++ {
		if m.RGBAAt(x, 100).R > 0 != (m.RGBAAt(x-1, 100).R > 0) {
			gaps++
		}
	}
	if gaps < 10 {
		t.Errorf("a dashed line with %d ends", gaps)
	}
}

// ink returns where a picture is bright.
func ink(m *image.RGBA) image.Rectangle {
	var r image.Rectangle
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			if m.RGBAAt(x, y).R > 100 {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return r
}

func TestTexts(t *testing.T) {
	t.Parallel()
	text := func(change func(*pr.Text)) image.Rectangle {
		x := pr.Text{Lines: []string{"Some text"}, BoxUnits: pr.Pixel, AnchorUnits: pr.Pixel, Style: pr.Style{Opacity: 1}}
		change(&x)
		return ink(drawn(t, pr.Annotation{Layer: "RED", Texts: []pr.Text{x}}))
	}
	box := func(justify string) func(*pr.Text) {
		return func(x *pr.Text) { x.Box, x.Justify = &[2]pr.Point{{10, 40}, {90, 60}}, justify }
	}
	left, center, right := text(box("LEFT")), text(box("CENTER")), text(box("RIGHT"))
	within := image.Rect(20, 80, 180, 120)
	if !left.In(within) || !right.In(within) || left.Min.X > 26 || right.Max.X < 174 || left.Min.X >= center.Min.X || center.Min.X >= right.Min.X || left.Empty() {
		t.Errorf("left %v, center %v, right %v", left, center, right)
	}
	// Corners the wrong way round are the same box.
	if swapped := text(func(x *pr.Text) { x.Box, x.Justify = &[2]pr.Point{{90, 60}, {10, 40}}, "LEFT" }); swapped != left {
		t.Errorf("swapped %v, want %v", swapped, left)
	}
	if small := text(func(x *pr.Text) { x.Box = &[2]pr.Point{{10, 40}, {20, 60}} }); small.Dx() >= left.Dx() {
		t.Errorf("%v in a small box", small)
	}
	if at := text(func(x *pr.Text) { x.Anchor = &pr.Point{50, 50} }); !at.In(image.Rect(100, 100, 200, 130)) || at.Empty() {
		t.Errorf("at an anchor %v", at)
	}
	line := text(func(x *pr.Text) { box("LEFT")(x); x.Anchor, x.AnchorVisible = &pr.Point{50, 95}, true })
	if line.Max.Y < 185 {
		t.Errorf("no line to the anchor: %v", line)
	}
	if none := text(func(x *pr.Text) { x.Anchor, x.AnchorUnits = &pr.Point{50, 50}, pr.Matrix }); !none.Empty() {
		t.Errorf("in the total pixel matrix: %v", none)
	}
	if far := text(func(x *pr.Text) { x.Anchor = &pr.Point{-1 << 31, 1 << 31} }); !far.Empty() {
		t.Errorf("far away: %v", far)
	}
}

// A million points cost what the picture can show of them, and the picture says if that is not
// all.
func TestHostileGraphics(t *testing.T) {
	t.Parallel()
	zigzag := graphic("POLYLINE")
	for i := range pr.MaxPoints {
		zigzag.Points = append(zigzag.Points, pr.Point{float64(i%2) * 1e9, float64(i%3) * 1e9})
	}
	filled := zigzag
	filled.Filled = true
	smooth := zigzag
	smooth.Type = "INTERPOLATED"
	long := pr.Text{Lines: []string{strings.Repeat("W", 1<<20)}, Anchor: &pr.Point{1, 1}, AnchorUnits: pr.Pixel}
	m := drawn(t, pr.Annotation{Layer: "RED", Graphics: []pr.Graphic{zigzag, filled, smooth}, Texts: []pr.Text{long}})
	if ink(m).Empty() {
		t.Error("nothing is drawn")
	}
	crowded := graphic("POLYLINE")
	for i := range pr.MaxPoints {
		crowded.Points = append(crowded.Points, pr.Point{float64(i%2) * 100, float64(i % 97)})
	}
	said := func(m *image.RGBA) bool { // in letters that are not as red as the layer
		for i := 1; i < len(m.Pix); i += 4 {
			if m.Pix[i] > 40 {
				return true
			}
		}
		return false
	}
	if few := crowded.Points[:1000]; said(drawn(t, pr.Annotation{Layer: "RED", Graphics: []pr.Graphic{graphic("POLYLINE", few...)}})) {
		t.Error("the picture says that something is missing, and nothing is")
	}
	if !said(drawn(t, pr.Annotation{Layer: "RED", Graphics: []pr.Graphic{crowded}})) {
		t.Error("the picture does not say that something is missing")
	}
	// A transformation that is none leaves the picture as it is, or not, but returns.
	p, _ := presented(t, &pr.State{Annotations: []pr.Annotation{{Graphics: []pr.Graphic{graphic("CIRCLE", pr.Point{1, 1}, pr.Point{2, 2}), filled}, Texts: []pr.Text{long}}}})
	p.Graphics[0].Draw(&render.Canvas{RGBA: m, Pixel: f64.Aff3{math.NaN(), math.Inf(1), 0, 0, math.NaN(), 0}, Area: m.Rect})
	p.Graphics[0].Draw(&render.Canvas{RGBA: image.NewRGBA(image.Rectangle{})})
}

func TestPresentationOf(t *testing.T) {
	t.Parallel()
	s := &pr.State{Rotation: 90, HorizontalFlip: true, Inverse: true, Label: "L",
		Areas:  []pr.Area{{TopLeft: [2]int{100, 1}, BottomRight: [2]int{51, 40}, Mode: "MAGNIFY", Magnification: 2, Spacing: [2]float64{2, 1}}},
		Layers: []pr.Layer{{Name: "GRAY", Gray: 0x8000, HasGray: true}}, Activated: map[uint16]string{0x6002: "GRAY"},
		Shutter: &pr.Shutter{Rectangle: &[4]int{11, 20, 31, 40}, Circle: &[3]int{15, 35, 5}, Polygon: [][2]int{{1, 1}, {9, 1}, {9, 9}}, Gray: 0xFFFF}}
	p, left := presented(t, s)
	if p.Rotation != 90 || !p.HorizontalFlip || !p.Inverse || p.Label != "L" || len(left) > 0 || p.Activated[0x6002] != (color.RGBA{128, 128, 128, 255}) {
		t.Errorf("%+v, %v", p, left)
	}
	if a := p.Area; a.Rect != image.Rect(50, 0, 100, 40) || a.Mode != render.Magnify || a.Magnification != 2 || a.PixelAspect != 2 {
		t.Errorf("area %+v", a)
	}
	if s := p.Shutter; *s.Rect != image.Rect(10, 30, 20, 40) || *s.Circle != (render.Circle{Center: image.Pt(14, 34), Radius: 5}) || s.Polygon[1] != image.Pt(8, 0) || s.Color.R != 255 {
		t.Errorf("shutter %+v", s)
	}
	if _, _, err := render.PresentationOf(s, "1.3", 1, pixels, nil); !errs.Is(err, errs.Mismatch) {
		t.Errorf("of another image: %v", err)
	}
	s.Kind = pr.Color
	if p, _ := presented(t, s); !p.Color || p.Inverse {
		t.Errorf("color %+v", p)
	}
	s.Subtracts = true
	s.Kind, s.Annotations = pr.Blending, []pr.Annotation{{Graphics: []pr.Graphic{{Type: "POINT", Units: pr.Matrix, Points: []pr.Point{{1, 1}}}}}}
	if _, left := presented(t, s); len(left) != 3 {
		t.Errorf("what cannot be done: %v", left)
	}
}

// The state's own overlays are shown in the colour of their layer, or are the shutter.
func TestStateOverlays(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{}
	d.SetUID(tag.SOPClassUID, uid.GrayscaleSoftcopyPresentationStateStorage)
	for _, group := range []uint16{0x6000, 0x6002} {
		number := func(element uint16, v ...int64) { d.SetInts(tag.New(group, element), v...) }
		number(0x0010, 2)
		number(0x0011, 4)
		number(0x0050, 3, 2) // row 3, column 2
		number(0x3000, 0x3C0F)
	}
	d.SetText(tag.New(0x6000, 0x1001), "SHOWN")
	d.SetText(tag.ShutterShape, "BITMAP")
	d.SetInts(tag.ShutterOverlayGroup, 0x6002)
	s, err := pr.Read(d)
	if err != nil {
		t.Fatal(err)
	}
	p, left := presented(t, s)
	if len(left) > 0 || len(p.Overlays) != 1 || p.Overlays[0].Group != 0x6000 || p.Overlays[0].X != 1 || p.Overlays[0].Y != 2 || len(p.Activated) != 0 {
		t.Fatalf("%+v %v", p.Overlays, left)
	}
	if b := p.Shutter.Bitmap; b == nil || b.Group != 0x6002 || string(b.Bits) != "\x01\x01\x01\x01\x00\x00\x00\x00" {
		t.Errorf("%+v", b)
	}
}

// Over a slice the masks are the frames themselves; label maps and bits agree on what is where.
func TestMasks(t *testing.T) {
	t.Parallel()
	o := open(t, "derived/head-ct/seg-2-segments.dcm")
	s, err := seg.Read(o.Header.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	ct := slice(t, s.Frames[0].Sources[0].SOPInstanceUID)
	src := seg.SourceOf(ct.Header.Dataset, 1)
	frame := func(n int) (codec.Frame, error) { return decode(o, n) }
	layers, err := render.LayersOf(s, src, nil, frame)
	if err != nil || len(layers) != 2 || layers[0].Name != "Bone" || layers[1].Name != "Soft tissue" {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	for i, over := range s.Over(src) {
		f, err := decode(o, over.Number)
		if err != nil {
			t.Fatal(err)
		}
		if string(f.Data) != string(layers[i].Mask) {
			t.Errorf("mask of frame %d differs", over.Number)
		}
	}
	if layers[0].Color == layers[1].Color {
		t.Error("segments of one colour")
	}
	bad := func(int) (codec.Frame, error) { return codec.Frame{Description: pixels}, nil }
	if _, err := render.LayersOf(s, src, nil, bad); !errs.Is(err, errs.Invalid) {
		t.Errorf("frames of another size: %v", err)
	}
	src.Rows, src.Columns = 1<<30, 1<<30
	if _, err := render.LayersOf(s, src, nil, frame); !errs.Is(err, errs.Exhausted) {
		t.Errorf("a source beyond all measure: %v", err)
	}
}

// A frame of half the resolution covers two by two pixels with each of its own; fractional ones
// keep their values; a label map's colours are its palette's.
func TestResampled(t *testing.T) {
	t.Parallel()
	plane := func(spacing, first float64) *iod.Plane {
		return &iod.Plane{Position: iod.Vector{first, first, 0}, Right: iod.Vector{1, 0, 0}, Down: iod.Vector{0, 1, 0}, DX: spacing, DY: spacing}
	}
	d := &dicom.Dataset{}
	d.SetText(tag.SegmentationType, "LABELMAP")
	d.SetInts(tag.Rows, 2)
	d.SetInts(tag.Columns, 2)
	one, two := &dicom.Dataset{}, &dicom.Dataset{}
	one.SetInts(tag.SegmentNumber, 1)
	two.SetInts(tag.SegmentNumber, 300)
	d.SetItems(tag.SegmentSequence, one, two)
	s, err := seg.Read(d)
	if err != nil {
		t.Fatal(err)
	}
	s.FrameOfReferenceUID, s.Frames[0].Plane = "1.9", plane(2, 0.5)
	src := seg.Source{SOPInstanceUID: "1.1", Frame: 1, Rows: 4, Columns: 4, FrameOfReferenceUID: "1.9", Plane: plane(1, 0)}
	wide := func(int) (codec.Frame, error) {
		return codec.Frame{Description: codectest.Grey(2, 2, 16, 16, 0), Data: []byte{1, 0, 0x2C, 1, 0, 0, 1, 0}}, nil
	}
	palette := &imaging.Palette{First: 0, Colors: [][3]uint8{{0, 0, 0}, {1, 2, 3}, {4, 5, 6}}}
	layers, err := render.LayersOf(s, src, palette, wide)
	if err != nil || len(layers) != 2 {
		t.Fatal(len(layers), err)
	}
	if got := string(layers[0].Mask); got != "\x01\x01\x00\x00\x01\x01\x00\x00\x00\x00\x01\x01\x00\x00\x01\x01" {
		t.Errorf("segment 1: %q", got)
	}
	if got := string(layers[1].Mask); got != "\x00\x00\x01\x01\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00" {
		t.Errorf("segment 300: %q", got)
	}
	if layers[0].Color != (color.RGBA{1, 2, 3, 255}) {
		t.Errorf("colour %v", layers[0].Color)
	}
	// The same plane with rows and columns exchanged.
	src.Plane.Right, src.Plane.Down = src.Plane.Down, src.Plane.Right
	layers, err = render.LayersOf(s, src, palette, wide)
	if err != nil || string(layers[1].Mask) != "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x01\x01\x00\x00" {
		t.Errorf("turned: %q, %v", layers[1].Mask, err)
	}
	src.Plane.Right, src.Plane.Down = src.Plane.Down, src.Plane.Right
	s.Type, s.MaxFractional, s.Frames[0].Segment = seg.Fractional, 200, 1
	layers, err = render.LayersOf(s, src, nil, func(int) (codec.Frame, error) {
		return codec.Frame{Description: codectest.Grey(2, 2, 8, 8, 0), Data: []byte{0, 50, 100, 200}}, nil
	})
	if err != nil || len(layers) != 1 || layers[0].Max != 200 || layers[0].Mask[2] != 50 || layers[0].Mask[15] != 200 {
		t.Errorf("%+v %v", layers, err)
	}
}

func BenchmarkLayersOf(b *testing.B) {
	o := open(b, "derived/head-ct/seg-2-segments.dcm")
	s, err := seg.Read(o.Header.Dataset)
	if err != nil {
		b.Fatal(err)
	}
	src := seg.Source{SOPInstanceUID: s.Frames[0].Sources[0].SOPInstanceUID, Frame: 1, Rows: 512, Columns: 512, Plane: s.Frames[0].Plane}
	frames := map[int]codec.Frame{}
	for i := range s.Frames {
		if frames[i+1], err = decode(o, i+1); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := render.LayersOf(s, src, nil, func(n int) (codec.Frame, error) { return frames[n], nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadSegmentation(b *testing.B) {
	o := open(b, "derived/seg/tumor-96.dcm")
	for b.Loop() {
		if _, err := seg.Read(o.Header.Dataset); err != nil {
			b.Fatal(err)
		}
	}
}
