package pixel_test

import (
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/pixel"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// image is a header's part that says how large a native frame is.
type image struct {
	frames                         string // Number of Frames; "" is absent
	rows, columns, samples, bits   int64
	photometric                    string
	pixelTag                       tag.Tag
	length                         int64
	transferSyntax                 dicom.TransferSyntax
	encapsulated                   bool
	basicOffsets                   []uint32
	extendedOffsets, extendedSizes []uint64
	fragments                      []dicom.Fragment
}

const base = 1000 // where pixel data lies in the objects of these tests

func (i image) header() *dicom.Header {
	d := &dicom.Dataset{}
	if i.frames != "" {
		d.SetText(tag.NumberOfFrames, i.frames)
	}
	for t, v := range map[tag.Tag]int64{tag.Rows: i.rows, tag.Columns: i.columns, tag.SamplesPerPixel: i.samples, tag.BitsAllocated: i.bits} {
		if v != 0 {
			d.SetInts(t, v)
		}
	}
	if i.photometric != "" {
		d.SetText(tag.PhotometricInterpretation, i.photometric)
	}
	p := &dicom.PixelData{Tag: tag.PixelData, Offset: base, FirstItem: base, Length: i.length,
		Encapsulated: i.encapsulated, Fragments: i.fragments}
	if i.pixelTag != 0 {
		p.Tag = i.pixelTag
	}
	for _, o := range i.basicOffsets {
		p.BasicOffsets = binary.LittleEndian.AppendUint32(p.BasicOffsets, o)
	}
	for _, o := range i.extendedOffsets {
		p.ExtOffsets = binary.LittleEndian.AppendUint64(p.ExtOffsets, o)
	}
	for _, o := range i.extendedSizes {
		p.ExtLengths = binary.LittleEndian.AppendUint64(p.ExtLengths, o)
	}
	return &dicom.Header{Dataset: d, Pixel: p, TransferSyntax: i.transferSyntax}
}

// items lays fragments of the lengths behind each other; negative ones begin a codestream.
func items(lengths ...int64) []dicom.Fragment {
	var out []dicom.Fragment
	at := int64(base)
	for _, n := range lengths {
		start := n < 0
		n = max(n, -n)
		out = append(out, dicom.Fragment{Offset: at + 8, Length: n, Start: start})
		at += 8 + n
	}
	return out
}

func jpeg(frames string, fragments ...int64) image {
	return image{frames: frames, transferSyntax: dicom.JPEGBaseline, encapsulated: true, fragments: items(fragments...)}
}

type frame struct {
	Spans []pixel.Span
	Bit   int
}

func one(offset, length int64) frame { return frame{Spans: []pixel.Span{{offset, length}}} }

func frames(t *testing.T, x *pixel.FrameIndex) []frame {
	t.Helper()
	var out []frame
	for n := 1; n <= x.Frames(); n++ {
		spans, bit, err := x.Frame(n)
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		out = append(out, frame{spans, bit})
	}
	return out
}

func TestNative(t *testing.T) {
	t.Parallel()
	le := dicom.ExplicitVRLittleEndian
	for _, c := range []struct {
		name  string
		image image
		want  []frame
	}{
		{"one frame, no Number of Frames", image{rows: 2, columns: 3, samples: 1, bits: 16, length: 12},
			[]frame{one(base, 12)}},
		{"empty padding behind", image{frames: "2", rows: 3, columns: 3, samples: 1, bits: 8, length: 1000},
			[]frame{one(base, 9), one(base+9, 9)}},
		{"spaces in Number of Frames", image{frames: " 3 ", rows: 1, columns: 2, samples: 3, bits: 8, length: 18},
			[]frame{one(base, 6), one(base+6, 6), one(base+12, 6)}},
		{"bits that share bytes", image{frames: "3", rows: 1, columns: 5, samples: 1, bits: 1, length: 2},
			[]frame{one(base, 1), {[]pixel.Span{{base, 2}}, 5}, {[]pixel.Span{{base + 1, 1}}, 2}}},
		{"12 bits packed", image{frames: "2", rows: 1, columns: 3, samples: 1, bits: 12, length: 10},
			[]frame{one(base, 5), {[]pixel.Span{{base + 4, 5}}, 4}}},
		{"no Samples per Pixel", image{rows: 2, columns: 2, bits: 16, photometric: "MONOCHROME2", length: 8}, []frame{one(base, 8)}},
		{"subsampled chroma", image{frames: "2", rows: 2, columns: 4, samples: 3, bits: 8, photometric: "YBR_FULL_422", length: 32},
			[]frame{one(base, 16), one(base+16, 16)}},
		{"partial range", image{rows: 2, columns: 4, samples: 3, bits: 8, photometric: "YBR_PARTIAL_422", length: 16},
			[]frame{one(base, 16)}},
		{"says subsampled and is not", image{frames: "2", rows: 2, columns: 4, samples: 3, bits: 8, photometric: "YBR_FULL_422", length: 48},
			[]frame{one(base, 24), one(base+24, 24)}},
		{"quarter chroma", image{rows: 2, columns: 4, samples: 3, bits: 8, photometric: "YBR_PARTIAL_420", length: 12},
			[]frame{one(base, 12)}},
		{"float", image{rows: 2, columns: 2, samples: 1, pixelTag: tag.FloatPixelData, length: 16},
			[]frame{one(base, 16)}},
		{"double float", image{rows: 2, columns: 2, samples: 1, bits: 32, pixelTag: tag.DoubleFloatPixelData, length: 32},
			[]frame{one(base, 32)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.image.transferSyntax = le
			x, err := pixel.Index(c.image.header())
			if err != nil {
				t.Fatal(err)
			}
			if got := frames(t, x); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			for _, n := range []int{-1, 0, x.Frames() + 1} {
				if _, _, err := x.Frame(n); !errs.Is(err, errs.NotFound) {
					t.Errorf("frame %d: %v, want not found", n, err)
				}
			}
		})
	}
}

func TestFragments(t *testing.T) {
	t.Parallel()
	two := []frame{one(1008, 10), one(1026, 20)}
	split := []frame{{Spans: []pixel.Span{{1008, 10}, {1026, 20}}}, one(1054, 30)}
	with := func(i image, change func(*image)) image { change(&i); return i }
	for _, c := range []struct {
		name  string
		image image
		want  []frame
	}{
		{"one fragment each", jpeg("2", 10, 20), two},
		{"one frame in all fragments", jpeg("", 10, 20), []frame{{Spans: []pixel.Span{{1008, 10}, {1026, 20}}}}},
		{"Basic Offset Table", with(jpeg("2", 10, 20, 30), func(i *image) { i.basicOffsets = []uint32{0, 46} }), split},
		{"Extended Offset Table", with(jpeg("2", 10, 20, 30), func(i *image) { i.extendedOffsets = []uint64{0, 46} }), split},
		{"both disagree", with(jpeg("2", 10, 20, 30), func(i *image) {
			i.basicOffsets, i.extendedOffsets = []uint32{0, 18}, []uint64{0, 46}
		}), split},
		{"Extended Offset Table is wrong, Basic is right", with(jpeg("2", 10, 20, 30), func(i *image) {
			i.basicOffsets, i.extendedOffsets = []uint32{0, 46}, []uint64{0, 45}
		}), split},
		{"extended lengths without the pad", with(jpeg("2", 10, 20), func(i *image) {
			i.extendedOffsets, i.extendedSizes = []uint64{0, 18}, []uint64{9, 20}
		}), []frame{one(1008, 9), one(1026, 20)}},
		{"extended lengths that lie", with(jpeg("2", 10, 20), func(i *image) {
			i.extendedOffsets, i.extendedSizes = []uint64{0, 18}, []uint64{4, 1 << 40}
		}), two},
		{"codestreams tell", jpeg("2", -10, 20, -30), split},
		{"codestreams tell, table is wrong", with(jpeg("2", -10, 20, -30), func(i *image) { i.basicOffsets = []uint32{0, 7} }), split},
		{"codestreams tell, table is short", with(jpeg("2", -10, 20, -30), func(i *image) { i.basicOffsets = []uint32{0} }), split},
		{"table is wrong, fragments are frames", with(jpeg("2", 10, 20), func(i *image) { i.basicOffsets = []uint32{18, 0} }), two},
		{"table of another file, one frame", with(jpeg("1", 10), func(i *image) { i.basicOffsets = []uint32{0, 18, 99} }), []frame{one(1008, 10)}},
		{"empty fragments do not count", jpeg("2", 0, 10, 0, 20, 0), []frame{one(1016, 10), one(1042, 20)}},
		{"table that points at an empty fragment", with(jpeg("2", 10, 0, 20, 30), func(i *image) { i.basicOffsets = []uint32{0, 18} }),
			[]frame{one(1008, 10), {Spans: []pixel.Span{{1034, 20}, {1062, 30}}}}},
		{"RLE", with(jpeg("2", 10, 20), func(i *image) { i.transferSyntax = dicom.RLELossless }), two},
		{"uncompressed in fragments, odd frames", image{frames: "2", rows: 3, columns: 3, samples: 1, bits: 8, encapsulated: true,
			transferSyntax: dicom.EncapsulatedUncompressed, fragments: items(10, 10)}, []frame{one(1008, 9), one(1026, 9)}},
		{"video is one frame", with(jpeg("96", 10, 20, 30), func(i *image) {
			i.transferSyntax, _ = dicom.LookupTransferSyntax("1.2.840.10008.1.2.4.102.1")
		}), []frame{{Spans: []pixel.Span{{1008, 10}, {1026, 20}, {1054, 30}}}}},
		{"syntax of tomorrow", with(jpeg("2", 10, 20), func(i *image) {
			i.transferSyntax, _ = dicom.LookupTransferSyntax("1.2.840.10008.1.2.99")
		}), two},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x, err := pixel.Index(c.image.header())
			if err != nil {
				t.Fatal(err)
			}
			if got := frames(t, x); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	gray := image{rows: 4, columns: 4, samples: 1, bits: 8, length: 16, transferSyntax: dicom.ExplicitVRLittleEndian}
	with := func(i image, change func(*image)) image { change(&i); return i }
	for name, i := range map[string]image{
		"too short":                   with(gray, func(i *image) { i.length = 15 }),
		"no pixel data to speak of":   with(gray, func(i *image) { i.length = 0 }),
		"negative frames":             with(gray, func(i *image) { i.frames = "-1" }),
		"no frames":                   with(gray, func(i *image) { i.frames = "0" }),
		"a billion frames":            with(gray, func(i *image) { i.frames = "1000000000" }),
		"more frames than a number":   with(gray, func(i *image) { i.frames = "999999999999" }),
		"frames in words":             with(gray, func(i *image) { i.frames = "many" }),
		"no rows":                     with(gray, func(i *image) { i.rows = 0 }),
		"no bits":                     with(gray, func(i *image) { i.bits = 0 }),
		"absurd bits":                 with(gray, func(i *image) { i.bits = 65535 }),
		"no samples":                  with(gray, func(i *image) { i.samples, i.photometric = 0, "RGB" }),
		"eight gigabytes":             with(gray, func(i *image) { i.rows, i.columns = 65535, 65535 }),
		"product over 64 bits":        with(gray, func(i *image) { i.rows, i.columns, i.samples, i.bits, i.frames = 65535, 65535, 65535, 64, "2147483647" }),
		"fragments in native":         with(gray, func(i *image) { i.encapsulated, i.fragments = true, items(10) }),
		"native in JPEG":              with(gray, func(i *image) { i.transferSyntax = dicom.JPEGBaseline }),
		"no fragments":                jpeg("1"),
		"only empty fragments":        jpeg("1", 0, 0),
		"fewer fragments than frames": jpeg("3", 10, 20),
		"a billion frames in JPEG":    jpeg("1000000000", 10, 20),
		"nothing tells them apart":    jpeg("2", 10, 20, 30),
		"too many codestreams":        jpeg("2", -10, -20, -30),
		"too few codestreams":         jpeg("3", -10, -20, 30, 40),
		"first is no codestream":      jpeg("2", 10, -20, -30),
		"table descends":              with(jpeg("2", 10, 20, 30), func(i *image) { i.basicOffsets = []uint32{46, 0} }),
		"table repeats":               with(jpeg("2", 10, 20, 30), func(i *image) { i.basicOffsets = []uint32{0, 0} }),
		"table begins late":           with(jpeg("2", 10, 20, 30), func(i *image) { i.basicOffsets = []uint32{18, 46} }),
		"table ends in nothing":       with(jpeg("2", 10, 20, 30, 0), func(i *image) { i.basicOffsets = []uint32{0, 84} }),
		"table passes the end":        with(jpeg("2", 10, 20, 30), func(i *image) { i.basicOffsets = []uint32{0, 4000} }),
		"extended table is huge":      with(jpeg("2", 10, 20, 30), func(i *image) { i.extendedOffsets = []uint64{0, 1 << 63} }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if x, err := pixel.Index(i.header()); !errs.Is(err, errs.Invalid) || x != nil {
				t.Errorf("got %v, %v; want an error of kind invalid", x, err)
			}
		})
	}
}

func TestNoPixelData(t *testing.T) {
	t.Parallel()
	if x, err := pixel.Index(&dicom.Header{Dataset: &dicom.Dataset{}}); x != nil || err != nil {
		t.Errorf("got %v, %v", x, err)
	}
}

// TestAbsurdCountsAllocateNothing is frames-1e9 of the corpus: the count alone costs no memory.
func TestAbsurdCountsAllocateNothing(t *testing.T) {
	h := jpeg("1000000000", 10, 20).header()
	if n := testing.AllocsPerRun(10, func() { _, _ = pixel.Index(h) }); n > 20 {
		t.Errorf("%v allocations", n)
	}
}
