package imaging_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// header is that of a grey image of 16 bits.
func header() *dicom.Dataset {
	ds := new(dicom.Dataset)
	codectest.Grey(4, 4, 16, 16, 0).Apply(ds)
	return ds
}

func read(t *testing.T, ds *dicom.Dataset, frames int) *imaging.Image {
	t.Helper()
	m, err := imaging.Read(ds, tag.PixelData, frames, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func frame(t *testing.T, ds *dicom.Dataset) *imaging.Frame {
	t.Helper()
	f, err := read(t, ds, 1).Frame(1)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// words sets an element as bytes in little endian.
func words(ds *dicom.Dataset, t tag.Tag, r vr.VR, values ...int) {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	ds.SetElement(dicom.Element{Tag: t, VR: r, Value: b})
}

func lut(descriptor [3]int, data ...int) *dicom.Dataset {
	item := new(dicom.Dataset)
	words(item, tag.LUTDescriptor, vr.US, descriptor[:]...)
	words(item, tag.LUTData, vr.OW, data...)
	return item
}

func TestModality(t *testing.T) {
	for _, c := range []struct {
		name             string
		slope, intercept string
		at               float64 // of 10
	}{
		{"none", "", "", 10}, {"usual", "2", "-1024", -1004}, {"slope 0", "0", "5", 15}, {"beyond measure", "1e300", "1", 11},
		{"negative", "-1", "0", -10}, {"no number", "abc", "3", 13},
	} {
		ds := header()
		if c.slope != "" {
			ds.SetElement(dicom.Element{Tag: tag.RescaleSlope, VR: vr.DS, Value: []byte(c.slope)})
			ds.SetElement(dicom.Element{Tag: tag.RescaleIntercept, VR: vr.DS, Value: []byte(c.intercept)})
		}
		f := frame(t, ds)
		if got := f.Modality.At(10); got != c.at {
			t.Errorf("%s: 10 becomes %g, want %g", c.name, got, c.at)
		}
	}
}

func TestModalityLUT(t *testing.T) {
	ds := header()
	ds.SetItems(tag.ModalityLUTSequence, lut([3]int{4, 100, 12}, 7, 50, 60, 4000))
	m := frame(t, ds).Modality
	for in, want := range map[float64]float64{-5: 7, 100: 7, 101: 50, 102: 60, 103: 4000, 60000: 4000, math.NaN(): 7} {
		if got := m.At(in); got != want {
			t.Errorf("%g becomes %g, want %g", in, got, want)
		}
	}
	// A first value below zero, where pixels are signed and the VR does not say so.
	ds.SetInts(tag.PixelRepresentation, 1)
	ds.SetItems(tag.ModalityLUTSequence, lut([3]int{3, 0x10000 - 2, 16}, 1, 2, 3))
	if m = frame(t, ds).Modality; m.At(-2) != 1 || m.At(-1) != 2 || m.At(9) != 3 {
		t.Errorf("%+v", m.LUT)
	}
	// Entries of 8 bits without a word each.
	item := lut([3]int{4, 0, 8})
	item.SetElement(dicom.Element{Tag: tag.LUTData, VR: vr.OW, Value: []byte{9, 8, 7, 6}})
	ds.SetItems(tag.ModalityLUTSequence, item)
	if m = frame(t, ds).Modality; !slices.Equal(m.LUT.Data, []uint16{9, 8, 7, 6}) {
		t.Errorf("%+v", m.LUT)
	}
	// Fewer entries than the descriptor says: what is there.
	ds.SetItems(tag.ModalityLUTSequence, lut([3]int{0, 0, 16}, 5, 6))
	if m = frame(t, ds).Modality; m.At(70000) != 6 {
		t.Errorf("%+v", m.LUT)
	}
	ds.SetItems(tag.ModalityLUTSequence, new(dicom.Dataset)) // a form that nobody filled in
	if m = frame(t, ds).Modality; !m.Identity() {
		t.Errorf("%+v", m)
	}
	ds.SetItems(tag.ModalityLUTSequence, lut([3]int{4, 0, 16}))
	if _, err := read(t, ds, 1).Frame(1); !errs.Is(err, errs.Invalid) {
		t.Errorf("a LUT without entries: %v", err)
	}
}

func TestWindows(t *testing.T) {
	ds := header()
	set := func(c, w, explanation, function string) []imaging.Window {
		ds.SetElement(dicom.Element{Tag: tag.WindowCenter, VR: vr.DS, Value: []byte(c)})
		ds.SetElement(dicom.Element{Tag: tag.WindowWidth, VR: vr.DS, Value: []byte(w)})
		ds.SetText(tag.WindowCenterWidthExplanation, explanation)
		ds.SetText(tag.VOILUTFunction, function)
		return frame(t, ds).VOI.Windows
	}
	if got, want := set(`40\300`, `400\2000`, "SOFT", ""), (imaging.Window{Center: 40, Width: 400, Function: imaging.Linear, Explanation: "SOFT"}); len(got) != 2 || got[0] != want || got[1].Width != 2000 {
		t.Errorf("%+v", got)
	}
	for _, width := range []string{"0", "-1", "NaN", "Inf", "", "1e300"} {
		if got := set("40", width, "", "SIGMOID"); len(got) != 0 {
			t.Errorf("width %q makes the window %+v", width, got)
		}
	}
	if got := set("0.5", "0.25", "", "LINEAR"); len(got) != 1 || got[0].Function != imaging.LinearExact {
		t.Errorf("a width below 1: %+v", got)
	}
	if got := set(`1\2\3`, "10", "", "sigmoid "); len(got) != 1 || got[0].Function != imaging.Sigmoid {
		t.Errorf("fewer widths than centers: %+v", got)
	}
}

// TestFunctionalGroups: a frame's own groups count before the shared ones, those before the top.
func TestFunctionalGroups(t *testing.T) {
	ds := header()
	ds.SetFloats(tag.RescaleSlope, 9)
	ds.SetFloats(tag.PixelSpacing, 1, 1)
	transformation := func(slope float64) *dicom.Dataset {
		item, group := new(dicom.Dataset), new(dicom.Dataset)
		item.SetFloats(tag.RescaleSlope, slope)
		item.SetFloats(tag.RescaleIntercept, 0)
		group.SetItems(tag.PixelValueTransformationSequence, item)
		return group
	}
	shared, voi, measures := transformation(2), new(dicom.Dataset), new(dicom.Dataset)
	voi.SetFloats(tag.WindowCenter, 5)
	voi.SetFloats(tag.WindowWidth, 6)
	measures.SetFloats(tag.PixelSpacing, 2, 1)
	shared.SetItems(tag.FrameVOILUTSequence, voi)
	shared.SetItems(tag.PixelMeasuresSequence, measures)
	ds.SetItems(tag.SharedFunctionalGroupsSequence, shared)
	ds.SetItems(tag.PerFrameFunctionalGroupsSequence, new(dicom.Dataset), transformation(3))
	m := read(t, ds, 2)
	for n, slope := range map[int]float64{1: 2, 2: 3} {
		f, err := m.Frame(n)
		if err != nil {
			t.Fatal(err)
		}
		if f.Modality.Slope != slope || len(f.VOI.Windows) != 1 || f.VOI.Windows[0].Width != 6 || f.PixelAspect != 2 {
			t.Errorf("frame %d: %+v", n, f)
		}
	}
	for _, n := range []int{0, 3, -1} {
		if _, err := m.Frame(n); !errs.Is(err, errs.NotFound) {
			t.Errorf("frame %d: %v", n, err)
		}
	}
}

func TestPadding(t *testing.T) {
	ds := header()
	ds.SetInts(tag.PixelRepresentation, 1)
	words(ds, tag.PixelPaddingValue, vr.US, 0x10000-2000) // US, although the pixels are signed
	words(ds, tag.PixelPaddingRangeLimit, vr.SS, 0x10000-2010)
	if got := read(t, ds, 1).Padding; got == nil || *got != (imaging.Range{Low: -2010, High: -2000}) {
		t.Errorf("%v", got)
	}
}

func palette(bits int) *dicom.Dataset {
	ds := header()
	ds.SetText(tag.PhotometricInterpretation, "PALETTE COLOR")
	for _, t := range []tag.Tag{tag.RedPaletteColorLookupTableDescriptor, tag.GreenPaletteColorLookupTableDescriptor, tag.BluePaletteColorLookupTableDescriptor} {
		words(ds, t, vr.US, 4, 10, bits)
	}
	return ds
}

func TestPalette(t *testing.T) {
	ds := palette(16)
	for i, d := range []tag.Tag{tag.RedPaletteColorLookupTableData, tag.GreenPaletteColorLookupTableData, tag.BluePaletteColorLookupTableData} {
		words(ds, d, vr.OW, 0x100*i, 0x1100, 0x2200, 0xFFFF)
	}
	p := read(t, ds, 1).Palette
	for index, want := range map[int][3]uint8{-3: {0, 1, 2}, 10: {0, 1, 2}, 11: {17, 17, 17}, 13: {255, 255, 255}, 99: {255, 255, 255}} {
		if got := p.At(index); got != want {
			t.Errorf("index %d is %v, want %v", index, got, want)
		}
	}
	words(ds, tag.BluePaletteColorLookupTableDescriptor, vr.US, 5, 10, 16)
	if _, err := imaging.Read(ds, tag.PixelData, 1, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("palettes of two lengths: %v", err)
	}
	ds.Delete(tag.RedPaletteColorLookupTableDescriptor)
	if _, err := imaging.Read(ds, tag.PixelData, 1, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("no palette: %v", err)
	}
}

func TestSegmentedPalette(t *testing.T) {
	segmented := []tag.Tag{tag.SegmentedRedPaletteColorLookupTableData, tag.SegmentedGreenPaletteColorLookupTableData, tag.SegmentedBluePaletteColorLookupTableData}
	for _, c := range []struct {
		name string
		data []int
		want []uint8 // red; nil: refused
	}{
		{"discrete", []int{0, 4, 0, 0x1000, 0x2000, 0xFF00}, []uint8{0, 16, 32, 255}},
		{"line", []int{0, 1, 0x100, 1, 3, 0x3100}, []uint8{1, 17, 33, 49}},
		{"again", []int{0, 2, 0x1000, 0x2000, 2, 1, 0, 0}, []uint8{16, 32, 16, 32}},
		{"too many", []int{0, 6, 0, 0x100, 0x200, 0x300, 0x400, 0x500}, []uint8{0, 1, 2, 3}},
		{"too few", []int{0, 2, 0x100, 0x200}, []uint8{1, 2, 2, 2}},
		{"cut", []int{0, 4, 0}, nil},
		{"line first", []int{1, 3, 0x100}, nil},
		{"round in circles", []int{0, 1, 0x100, 2, 1, 6, 0}, nil},
		{"beyond", []int{0, 1, 0x100, 2, 1, 0xFFFE, 0xFFFF}, nil},
		{"empty", []int{0, 0, 0, 0, 0, 0}, nil},
		{"unknown", []int{9, 1, 0}, nil},
		{"nothing", nil, nil},
	} {
		ds := palette(16)
		for _, s := range segmented {
			words(ds, s, vr.OW, c.data...)
		}
		m, err := imaging.Read(ds, tag.PixelData, 1, nil)
		if c.want == nil {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, want := range c.want {
			if got := m.Palette.Colors[i][0]; got != want {
				t.Errorf("%s: entry %d is %d, want %d", c.name, i, got, want)
			}
		}
	}
}

func TestOverlays(t *testing.T) {
	ds := header()
	words(ds, tag.New(0x6000, 0x0010), vr.US, 2)
	words(ds, tag.New(0x6000, 0x0011), vr.US, 5)
	words(ds, tag.New(0x6000, 0x0050), vr.SS, 0, 3) // row\column from 1: above the image
	ds.SetElement(dicom.Element{Tag: tag.New(0x6000, 0x0015), VR: vr.IS, Value: []byte("2 ")})
	ds.SetElement(dicom.Element{Tag: tag.New(0x6000, 0x0040), VR: vr.CS, Value: []byte("R ")})
	ds.SetElement(dicom.Element{Tag: tag.New(0x6000, 0x3000), VR: vr.OW, Value: []byte{0b00000011, 0b00001110, 0xFF}})
	words(ds, tag.New(0x6002, 0x0010), vr.US, 4)
	words(ds, tag.New(0x6002, 0x0011), vr.US, 4)
	words(ds, tag.New(0x6002, 0x0102), vr.US, 15)
	ds.SetInts(tag.BitsStored, 12)
	ds.SetInts(tag.HighBit, 11)
	m := read(t, ds, 3)
	f := codectest.Draw(m.Description, "flat")
	binary.LittleEndian.PutUint16(f.Data[2*6:], 0x8000)
	for n, want := range map[int][]byte{1: {1, 1, 0, 0, 0, 0, 0, 0, 0, 1}, 2: {1, 1, 0, 0, 0, 0, 1, 1, 1, 1}, 3: nil} {
		got, left := m.Overlays(n, &f)
		if len(left) > 0 {
			t.Errorf("frame %d: %v", n, left)
		}
		if want != nil {
			if o := got[0]; o.X != 2 || o.Y != -1 || !o.ROI || !bytes.Equal(o.Bits, want) {
				t.Errorf("frame %d: %+v", n, o)
			}
			got = got[1:]
		}
		if len(got) != 1 || got[0].Group != 0x6002 || got[0].Bits[6] != 1 || bytes.Count(got[0].Bits, []byte{1}) != 1 {
			t.Errorf("frame %d, embedded: %+v", n, got)
		}
	}
	// Short, huge, inside of the sample, of another size: left out and said.
	words(ds, tag.New(0x6000, 0x0010), vr.US, 200)
	words(ds, tag.New(0x6002, 0x0102), vr.US, 11)
	words(ds, tag.New(0x6004, 0x0010), vr.US, 65535)
	words(ds, tag.New(0x6004, 0x0011), vr.US, 65535)
	ds.SetElement(dicom.Element{Tag: tag.New(0x6004, 0x3000), VR: vr.OW, Value: []byte{1, 2}})
	if got, left := m.Overlays(1, &f); len(got) != 0 || len(left) != 3 {
		t.Errorf("%+v, %v", got, left)
	}
}

func TestFrameTimes(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   func(*dicom.Dataset)
		named bool
		want  []float64
	}{
		{"none", func(*dicom.Dataset) {}, false, []float64{100, 100, 100}},
		{"time", func(d *dicom.Dataset) { d.SetFloats(tag.FrameTime, 40) }, true, []float64{40, 40, 40}},
		{"vector", func(d *dicom.Dataset) { d.SetFloats(tag.FrameTimeVector, 0, 20, 30) }, true, []float64{20, 30, 30}},
		{"rate", func(d *dicom.Dataset) { d.SetInts(tag.RecommendedDisplayFrameRate, 25); d.SetInts(tag.CineRate, 1) }, true, []float64{40, 40, 40}},
		{"nonsense", func(d *dicom.Dataset) { d.SetFloats(tag.FrameTime, -4); d.SetInts(tag.CineRate, 0) }, false, []float64{100, 100, 100}},
	} {
		ds := header()
		c.set(ds)
		if got, named := read(t, ds, 3).FrameTimes(); named != c.named || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v %v, want %v", c.name, got, named, c.want)
		}
	}
}

// TestBulk: what the header left in its object is fetched, and a failure to is said.
func TestBulk(t *testing.T) {
	ds := palette(16)
	for _, d := range []tag.Tag{tag.RedPaletteColorLookupTableData, tag.GreenPaletteColorLookupTableData, tag.BluePaletteColorLookupTableData} {
		ds.SetElement(dicom.Element{Tag: d, VR: vr.OW, Bulk: &dicom.Bulk{Offset: int64(d.Element()), Length: 8}})
	}
	m, err := imaging.Read(ds, tag.PixelData, 1, func(e *dicom.Element) ([]byte, error) {
		return []byte{0, byte(e.Bulk.Offset), 0, 1, 0, 2, 0, 3}, nil
	})
	if err != nil || m.Palette.At(10) != [3]uint8{1, 2, 3} {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := imaging.Read(ds, tag.PixelData, 1, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("nothing to fetch from: %v", err)
	}
	ds.Get(tag.RedPaletteColorLookupTableData).Bulk.Length = 1 << 40
	if _, err := imaging.Read(ds, tag.PixelData, 1, nil); !errs.Is(err, errs.Exhausted) {
		t.Errorf("a palette of a terabyte: %v", err)
	}
}

func TestStored(t *testing.T) {
	for _, c := range []struct {
		d    codec.Description
		want imaging.Range
	}{
		{codectest.Grey(1, 1, 12, 16, 0), imaging.Range{Low: 0, High: 4095}},
		{codectest.Grey(1, 1, 12, 16, 1), imaging.Range{Low: -2048, High: 2047}},
		{codectest.Grey(1, 1, 1, 1, 0), imaging.Range{Low: 0, High: 1}},
		{codectest.Grey(1, 1, 32, 32, 1), imaging.Range{Low: math.MinInt32, High: math.MaxInt32}},
	} {
		if got := imaging.StoredRange(c.d); got != c.want {
			t.Errorf("%+v: %+v", c.d, got)
		}
	}
}
