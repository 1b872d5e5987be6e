package render_test

import (
	"encoding/binary"
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// made is an image of one frame with these samples; set changes its header.
func made(t testing.TB, d codec.Description, set func(*dicom.Dataset), samples ...int) (*imaging.Image, codec.Frame) {
	t.Helper()
	ds := new(dicom.Dataset)
	d.Apply(ds)
	if set != nil {
		set(ds)
	}
	pixelData := tag.PixelData
	if d.Float {
		pixelData = tag.FloatPixelData
	}
	m, err := imaging.Read(ds, pixelData, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range samples {
		switch f.Width() {
		case 1:
			f.Data[i] = byte(v)
		case 2:
			binary.LittleEndian.PutUint16(f.Data[2*i:], uint16(v))
		case 4:
			binary.LittleEndian.PutUint32(f.Data[4*i:], uint32(v))
		}
	}
	return m, f
}

func rendered(t testing.TB, m *imaging.Image, f codec.Frame, o render.Options) *render.Picture {
	t.Helper()
	p, err := new(render.Renderer).Render(m, 1, f, o)
	if err != nil {
		t.Fatal(err)
	}
	if p.Image.Bounds().Min != (image.Point{}) {
		t.Errorf("bounds %v", p.Image.Bounds())
	}
	return p
}

// levels are a grey picture's pixels.
func levels(t testing.TB, p *render.Picture) []uint8 {
	t.Helper()
	g, ok := p.Image.(*image.Gray)
	if !ok {
		t.Fatalf("a %T", p.Image)
	}
	return g.Pix
}

// shifted describes samples of which the lowest bits are no part.
func shifted(stored, high, signed int) codec.Description {
	d := codectest.Grey(1, 4, stored, 16, signed)
	d.HighBit = high
	return d
}

func TestSamples(t *testing.T) {
	whole := render.Options{Windowing: render.Whole}
	for _, c := range []struct {
		name    string
		d       codec.Description
		o       render.Options
		samples []int
		want    []uint8
	}{
		{"8 bits", codectest.Grey(1, 4, 8, 8, 0), whole, []int{0, 1, 128, 255}, []uint8{0, 1, 128, 255}},
		{"8 bits signed", codectest.Grey(1, 4, 8, 8, 1), whole, []int{-128, -1, 0, 127}, []uint8{0, 127, 128, 255}},
		{"1 bit", codectest.Grey(1, 4, 1, 1, 0), render.Options{}, []int{0, 1, 1, 0}, []uint8{0, 255, 255, 0}},
		{"16 bits signed", codectest.Grey(1, 4, 16, 16, 1), whole, []int{-32768, 0, 16384, 32767}, []uint8{0, 127, 191, 255}},
		{"rubbish above Bits Stored", codectest.Grey(1, 4, 12, 16, 0), whole, []int{0xF000, 0x1FFF, 0x0FFF, 0x8000}, []uint8{0, 255, 255, 0}},
		{"High Bit 15 of 12", shifted(12, 15, 0), whole, []int{0x0000, 0xFFF0, 0x000F, 0x800F}, []uint8{0, 255, 0, 127}},
		{"High Bit 15 of 12, signed", shifted(12, 15, 1), whole, []int{0x8000, 0xFFF0, 0x0000, 0x7FF0}, []uint8{0, 127, 127, 255}},
		{"32 bits", codectest.Grey(1, 4, 32, 32, 0), whole, []int{0, 1 << 31, 1 << 30, math.MaxUint32}, []uint8{0, 127, 63, 255}},
		{"32 bits by their values", codectest.Grey(1, 4, 32, 32, 1), render.Options{}, []int{-100, 100, 0, 50}, []uint8{0, 255, 127, 191}},
		{"all the same", codectest.Grey(1, 4, 16, 16, 0), render.Options{}, []int{7, 7, 7, 7}, []uint8{0, 0, 0, 0}},
	} {
		m, f := made(t, c.d, nil, c.samples...)
		if got := levels(t, rendered(t, m, f, c.o)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestFloats(t *testing.T) {
	d := codectest.Grey(1, 6, 32, 32, 0)
	d.Float = true
	var samples []int
	for _, v := range []float32{0, 0.5, 1, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		samples = append(samples, int(math.Float32bits(v)))
	}
	m, f := made(t, d, nil, samples...)
	if got := levels(t, rendered(t, m, f, render.Options{})); !slices.Equal(got, []uint8{0, 127, 255, 0, 255, 0}) {
		t.Errorf("%v", got)
	}
	f.Data = slices.Repeat(f.Data[12:16], 6) // NaN alone
	if got := levels(t, rendered(t, m, f, render.Options{})); !slices.Equal(got, make([]uint8, 6)) {
		t.Errorf("%v", got)
	}
}

// TestWindowFunctions: the examples and formulas of PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and .2.
func TestWindowFunctions(t *testing.T) {
	samples := []int{0, 1000, 2047, 2048, 3000, 4095}
	m, f := made(t, codectest.Grey(1, 6, 12, 16, 0), nil, samples...)
	for _, c := range []struct {
		w  imaging.Window
		at func(x float64) float64
	}{
		{imaging.Window{Center: 2048, Width: 4096}, func(x float64) float64 { return (x-2047.5)/4095 + 0.5 }},
		{imaging.Window{Center: 2048, Width: 1}, func(x float64) float64 { return max(0, x-2047) }},
		{imaging.Window{Center: 2048, Width: 4096, Function: imaging.LinearExact}, func(x float64) float64 { return (x-2048)/4096 + 0.5 }},
		{imaging.Window{Center: 1000, Width: 500, Function: imaging.Sigmoid}, func(x float64) float64 { return 1 / (1 + math.Exp(-4*(x-1000)/500)) }},
		{imaging.Window{Center: 1e20, Width: 1e-20, Function: imaging.LinearExact}, func(float64) float64 { return 0 }},
	} {
		p := rendered(t, m, f, render.Options{Window: &c.w})
		for i, got := range levels(t, p) {
			want := 255 * min(max(c.at(float64(samples[i])), 0), 1)
			if math.Abs(float64(got)-want) > 1 {
				t.Errorf("%+v: %d becomes %d, want %.1f", c.w, samples[i], got, want)
			}
		}
		if v := p.Applied.VOI; v.Source != "request" || v.Center != c.w.Center {
			t.Errorf("said: %+v", v)
		}
	}
	for _, w := range []imaging.Window{{}, {Width: -1}, {Width: 0.5}, {Width: math.NaN()}, {Center: math.Inf(1), Width: 5}, {Width: 5, Function: "CUBIC"}} {
		if _, err := new(render.Renderer).Render(m, 1, f, render.Options{Window: &w}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v", w, err)
		}
	}
}

func windows(ds *dicom.Dataset) {
	ds.SetElement(dicom.Element{Tag: tag.WindowCenter, VR: vr.DS, Value: []byte(`50.5\150.5`)})
	ds.SetElement(dicom.Element{Tag: tag.WindowWidth, VR: vr.DS, Value: []byte(`101\101`)})
	ds.SetText(tag.WindowCenterWidthExplanation, "SOFT", "Bone")
}

// TestWindowChoice: a request goes before the header, the header before the values; inversion comes
// last.
func TestWindowChoice(t *testing.T) {
	m, f := made(t, codectest.Grey(1, 4, 16, 16, 0), windows, 0, 100, 200, 300)
	for _, c := range []struct {
		o      render.Options
		want   []uint8
		source string
	}{
		{render.Options{}, []uint8{0, 255, 255, 255}, "header"},
		{render.Options{Invert: true}, []uint8{255, 0, 0, 0}, "header"},
		{render.Options{WindowName: "bone"}, []uint8{0, 0, 255, 255}, "request"},
		{render.Options{Windowing: render.MinMax}, []uint8{0, 85, 170, 255}, "request"},
		{render.Options{Window: &imaging.Window{Center: 250.5, Width: 101}, WindowName: "bone"}, []uint8{0, 0, 0, 255}, "request"},
	} {
		p := rendered(t, m, f, c.o)
		if got := levels(t, p); !slices.Equal(got, c.want) || p.Applied.VOI.Source != c.source {
			t.Errorf("%+v: %v, %s", c.o, got, p.Applied)
		}
	}
	if _, err := new(render.Renderer).Render(m, 1, f, render.Options{WindowName: "liver"}); !errs.Is(err, errs.NotFound) {
		t.Errorf("a window that is not there: %v", err)
	}
	if _, err := new(render.Renderer).Render(m, 2, f, render.Options{}); !errs.Is(err, errs.NotFound) {
		t.Errorf("a frame that is not there: %v", err)
	}
}

// TestAuto: padding counts for nothing, and outliers not for Percentile.
func TestAuto(t *testing.T) {
	samples := make([]int, 1000)
	for i := range samples {
		samples[i] = 1000 + i
	}
	samples[0], samples[1], samples[2] = 0, 3, 60000
	m, f := made(t, codectest.Grey(10, 100, 16, 16, 0), func(ds *dicom.Dataset) {
		ds.SetElement(dicom.Element{Tag: tag.PixelPaddingValue, VR: vr.US, Value: []byte{0, 0}})
		ds.SetElement(dicom.Element{Tag: tag.PixelPaddingRangeLimit, VR: vr.US, Value: []byte{5, 0}})
	}, samples...)
	if v := rendered(t, m, f, render.Options{}).Applied.VOI; v.Source != "auto" || v.Center != (1003+60000+1)/2.0 || v.Width != 60000-1003+1 {
		t.Errorf("min-max: %+v", v)
	}
	if v := rendered(t, m, f, render.Options{Windowing: render.Percentile}).Applied.VOI; v.Center < 1490 || v.Center > 1510 || v.Width < 980 || v.Width > 1000 {
		t.Errorf("percentile: %+v", v)
	}
	clear(f.Data) // nothing but padding
	rendered(t, m, f, render.Options{})
}

func TestInverse(t *testing.T) {
	mono1 := codectest.Grey(1, 2, 8, 8, 0)
	mono1.PhotometricInterpretation = "MONOCHROME1"
	for _, shape := range []string{"", "INVERSE", "IDENTITY"} { // PS3.3 C.11.6 has INVERSE only
		m, f := made(t, mono1, func(ds *dicom.Dataset) { ds.SetText(tag.PresentationLUTShape, shape) }, 0, 255)
		if got := levels(t, rendered(t, m, f, render.Options{})); !slices.Equal(got, []uint8{255, 0}) {
			t.Errorf("MONOCHROME1 %s: %v", shape, got)
		}
	}
}

func TestColors(t *testing.T) {
	for _, c := range []struct {
		photometric string
		bits        int
		in          []int
		want        color.RGBA
	}{
		{"RGB", 8, []int{10, 20, 30}, color.RGBA{10, 20, 30, 255}},
		{"RGB", 16, []int{0xFFFF, 0x8000, 0}, color.RGBA{255, 128, 0, 255}},
		{"YBR_RCT", 8, []int{10, 20, 30}, color.RGBA{10, 20, 30, 255}},
		{"YBR_FULL", 8, []int{76, 85, 255}, color.RGBA{254, 0, 0, 255}},
		{"YBR_FULL_422", 8, []int{150, 44, 21}, color.RGBA{0, 255, 1, 255}},
		{"YBR_PARTIAL_420", 8, []int{235, 128, 128}, color.RGBA{255, 255, 255, 255}},
		{"YBR_PARTIAL_422", 8, []int{16, 128, 128}, color.RGBA{0, 0, 0, 255}},
		{"YBR_PARTIAL_422", 8, []int{81, 90, 240}, color.RGBA{254, 0, 0, 255}}, // red of BT.601
	} {
		m, f := made(t, codectest.Color(1, 1, c.bits, c.bits, c.photometric), nil, c.in...)
		if got := rendered(t, m, f, render.Options{}).Image.At(0, 0); got != c.want {
			t.Errorf("%s %v: %v, want %v", c.photometric, c.in, got, c.want)
		}
	}
	for _, d := range []codec.Description{codectest.Color(1, 1, 8, 8, "HSV"), codectest.Color(1, 1, 32, 32, "RGB"), codectest.Color(1, 1, 8, 8, "XYB")} {
		m, f := made(t, d, nil)
		if _, err := new(render.Renderer).Render(m, 1, f, render.Options{}); !errs.Is(err, errs.Unsupported) {
			t.Errorf("%s of %d bits: %v", d.PhotometricInterpretation, d.BitsAllocated, err)
		}
	}
}

// TestViewport: PS3.18 8.3.5.1.3, and the shape of pixels.
func TestViewport(t *testing.T) {
	port := func(w, h int, region ...float64) *render.Viewport {
		v := &render.Viewport{Width: w, Height: h}
		if len(region) == 4 {
			v.Region = &render.Region{X: region[0], Y: region[1], Width: region[2], Height: region[3]}
		}
		return v
	}
	for _, c := range []struct {
		name string
		v    *render.Viewport
		size image.Point
		left uint8 // the upper left pixel: its column of 0 to 39 where nothing is scaled
	}{
		{"none", nil, image.Pt(40, 20), 0},
		{"smaller", port(20, 20), image.Pt(10, 20), 1}, // pixels are four times as high as wide: 1:2 in all
		{"larger", port(80, 80), image.Pt(40, 80), 0},
		{"region", port(10, 40, 5, 5, 10, 10), image.Pt(10, 40), 5},
		{"to the edge", port(10, 1000, 30, 0, 0, 0), image.Pt(10, 80), 30},
		{"flipped", port(10, 80, 0, 0, -10, 0), image.Pt(10, 80), 9},
		{"half outside", port(10, 1000, 35, 0, 10, 0), image.Pt(10, 160), 35},
		{"tiny", port(1, 1), image.Pt(1, 1), 19},
	} {
		d := codectest.Grey(20, 40, 8, 8, 0)
		samples := make([]int, 20*40)
		for i := range samples {
			samples[i] = i % 40
		}
		m, f := made(t, d, func(ds *dicom.Dataset) { ds.SetFloats(tag.PixelSpacing, 4, 1) }, samples...)
		p := rendered(t, m, f, render.Options{Viewport: c.v})
		if got := p.Image.Bounds().Size(); got != c.size {
			t.Errorf("%s: %v, want %v", c.name, got, c.size)
		}
		if got := levels(t, p)[0]; got > c.left+1 || got+1 < c.left {
			t.Errorf("%s: the left is %d, want %d", c.name, got, c.left)
		}
	}
	m, f := made(t, codectest.Grey(2, 2, 8, 8, 0), nil)
	for _, c := range []struct {
		v    *render.Viewport
		kind errs.Kind
	}{
		{port(0, 5), errs.Invalid}, {port(5, -1), errs.Invalid}, {port(5, 5, 9, 9, 1, 1), errs.Invalid}, {port(5, 5, math.NaN(), 0, 1, 1), errs.Invalid},
		{port(60000, 60000), errs.Exhausted}, {port(math.MaxInt, math.MaxInt), errs.Exhausted},
	} {
		if _, err := new(render.Renderer).Render(m, 1, f, render.Options{Viewport: c.v}); !errs.Is(err, c.kind) {
			t.Errorf("%+v: %v", c.v, err)
		}
	}
}

// TestReduce: every sample counts as much as every other.
func TestReduce(t *testing.T) {
	for _, c := range [][4]int{{64, 64, 16, 16}, {100, 70, 33, 20}, {7, 9, 3, 9}, {1000, 3, 1, 1}, {513, 511, 128, 127}, {64, 64, 32, 32}, {24, 10, 12, 5}, {26, 10, 13, 5}} {
		f := codectest.Draw(codectest.Grey(c[1], c[0], 8, 8, 0), "natural")
		m, _ := made(t, f.Description, nil)
		got := levels(t, rendered(t, m, f, render.Options{Viewport: &render.Viewport{Width: c[2], Height: c[3]}}))
		size := rendered(t, m, f, render.Options{Viewport: &render.Viewport{Width: c[2], Height: c[3]}}).Image.Bounds().Size()
		for y := range size.Y {
			for x := range size.X {
				if want := area(f, x, y, size); math.Abs(want-float64(got[y*size.X+x])) > 2.5 {
					t.Fatalf("%v: pixel %d,%d is %d, want %.2f", c, x, y, got[y*size.X+x], want)
				}
			}
		}
	}
}

// area is the mean of the source under a pixel.
func area(f codec.Frame, x, y int, size image.Point) (sum float64) {
	sx, sy := float64(f.Columns)/float64(size.X), float64(f.Rows)/float64(size.Y)
	for r := int(float64(y) * sy); r < f.Rows && float64(r) < float64(y+1)*sy; r++ {
		wy := min(float64(r+1), float64(y+1)*sy) - max(float64(r), float64(y)*sy)
		for c := int(float64(x) * sx); c < f.Columns && float64(c) < float64(x+1)*sx; c++ {
			wx := min(float64(c+1), float64(x+1)*sx) - max(float64(c), float64(x)*sx)
			sum += wx * wy * float64(f.Data[r*f.Columns+c])
		}
	}
	return sum / sx / sy
}

func TestLayers(t *testing.T) {
	m, f := made(t, codectest.Grey(2, 2, 8, 8, 0), nil, 100, 100, 100, 100)
	red := color.RGBA{255, 0, 0, 255}
	p := rendered(t, m, f, render.Options{Layers: []render.Layer{
		{Name: "LIVER", Rows: 2, Columns: 2, Mask: []byte{0, 1, 2, 100}, Max: 2, Color: red, Opacity: 0.5},
		{Name: "TUMOR", Rows: 1, Columns: 1, Mask: []byte{0}, Color: red, Opacity: 1},
	}})
	for at, want := range map[image.Point]color.RGBA{{0, 0}: {100, 100, 100, 255}, {1, 0}: {139, 75, 75, 255}, {0, 1}: {178, 50, 50, 255}, {1, 1}: {178, 50, 50, 255}} {
		if got := p.Image.At(at.X, at.Y); got != want {
			t.Errorf("%v: %v, want %v", at, got, want)
		}
	}
	if !slices.Equal(p.Applied.Layers, []string{"LIVER", "TUMOR"}) {
		t.Errorf("%s", p.Applied)
	}
	for _, l := range []render.Layer{{Rows: 2, Columns: 2, Mask: []byte{1}}, {}, {Rows: math.MaxInt, Columns: 2, Mask: []byte{1, 1, 1, 1}}} {
		if _, err := new(render.Renderer).Render(m, 1, f, render.Options{Layers: []render.Layer{l}}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	rendered(t, m, f, render.Options{Layers: []render.Layer{{Rows: 1, Columns: 1, Mask: []byte{1}, Opacity: math.NaN()}}})
}

// TestAnnotation: letters appear where they are asked for, and the answer says so.
func TestAnnotation(t *testing.T) {
	m, f := made(t, codectest.Grey(200, 200, 8, 8, 0), func(ds *dicom.Dataset) {
		ds.SetText(tag.PatientName, "DOE^JOHN")
		ds.SetText(tag.SeriesDescription, "AXIAL")
	})
	count := func(o render.Annotation) (top, bottom int) {
		for i, v := range levels(t, rendered(t, m, f, render.Options{Annotation: o})) {
			if v > 128 && i < 200*100 {
				top++
			} else if v > 128 {
				bottom++
			}
		}
		return top, bottom
	}
	for _, a := range []render.Annotation{{}, {Patient: true}, {Technique: true}, {Patient: true, Technique: true}} {
		if top, bottom := count(a); top > 0 != a.Patient || bottom > 0 != a.Technique {
			t.Errorf("%+v: %d and %d pixels are written on", a, top, bottom)
		}
	}
	if s := rendered(t, m, f, render.Options{Annotation: render.Annotation{Patient: true}}).Applied.String(); !strings.Contains(s, "annotated patient") || strings.Contains(s, "DOE") {
		t.Error(s)
	}
}
