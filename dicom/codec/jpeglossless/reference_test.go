package jpeglossless_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// variant is a codestream that our encoders do not write, and others do.
type variant struct {
	predictor, transform int
	precision            int     // 0: Bits Stored
	interval             int     // rows between restart markers
	scans                [][]int // components of each scan; nil: one scan of all
	rows                 int     // in the frame header, plus 1
	id                   byte    // of all components; 0: 1, 2, 3
	fill                 string  // between segments, and before restart markers
	tail                 string  // for EOI
}

// reference encodes a frame as Annex H says it, sample by sample.
func reference(f codec.Frame, v variant) []byte {
	n := f.SamplesPerPixel
	h := jpegstream.Frame{Process: jpegstream.SOF3, Precision: f.BitsStored, Rows: f.Rows, Columns: f.Columns, N: n}
	if v.precision > 0 {
		h.Precision = v.precision
	}
	if v.rows > 0 {
		h.Rows = v.rows - 1
	}
	for c := range n {
		h.Components[c] = jpegstream.Component{ID: byte(c + 1), H: 1, V: 1}
		if v.id > 0 {
			h.Components[c].ID = v.id
		}
	}
	if v.scans == nil {
		v.scans = [][]int{[]int{0, 1, 2, 3}[:n]}
	}
	out := append(jpegstream.AppendMarker(nil, jpegstream.SOI), v.fill...)
	out = append(jpegstream.AppendFrame(out, h), v.fill...)
	if v.interval > 0 {
		r := v.interval * f.Columns
		out = jpegstream.AppendSegment(out, jpegstream.DRI, byte(r>>8), byte(r))
	}
	for _, components := range v.scans {
		out = v.scan(out, f, h, components)
	}
	return append(out, v.tail...)
}

func (v variant) scan(out []byte, f codec.Frame, h jpegstream.Frame, components []int) []byte {
	var frequency [256]int
	type symbol struct {
		s     byte
		extra uint32
	}
	symbols := make([][]symbol, f.Rows)
	for y := range f.Rows {
		for x := range f.Columns {
			for _, c := range components {
				d := int16(at(f, x, y, c)>>v.transform - v.predict(f, h, x, y, c))
				s := byte(bits.Len16(uint16(max(d, -d))))
				if d == -32768 {
					s = 16
				}
				extra := uint32(uint16(d))
				if d < 0 {
					extra = uint32(uint16(d - 1))
				}
				symbols[y] = append(symbols[y], symbol{s, extra & (1<<(s&15) - 1)})
				frequency[s]++
			}
		}
	}
	spec := jpegstream.Optimal(&frequency)
	codes := spec.Codes()
	out = append(jpegstream.AppendHuffman(out, 0, 2, spec), v.fill...)
	s := jpegstream.Scan{N: len(components), Ss: v.predictor, Al: v.transform}
	for i, c := range components {
		s.Components[i] = jpegstream.ScanComponent{Index: c, Td: 2}
	}
	out = jpegstream.AppendScan(out, h, s)
	data := make([]byte, 8*f.Rows*f.Columns*len(components)+16)
	var w jpegstream.Writer
	for y, row := range symbols {
		if v.interval > 0 && y > 0 && y%v.interval == 0 {
			w = w.Flush(data)
			out = append(out, data[:w.Pos]...)
			out = jpegstream.AppendMarker(append(out, v.fill...), jpegstream.RST0+byte((y/v.interval-1)&7))
			w.Pos = 0
		}
		for _, s := range row {
			n := int(s.s & 15)
			w = w.Put(data, codes[s.s].Bits()<<n|s.extra, codes[s.s].Length()+n)
		}
	}
	w = w.Flush(data)
	return append(append(out, data[:w.Pos]...), v.fill...)
}

func at(f codec.Frame, x, y, c int) uint16 {
	i := ((y*f.Columns+x)*f.SamplesPerPixel + c) * f.Width()
	if f.Width() == 1 {
		return uint16(f.Data[i])
	}
	return binary.LittleEndian.Uint16(f.Data[i:])
}

// predict is T.81 H.1.2.1 and Table H.1.
func (v variant) predict(f codec.Frame, h jpegstream.Frame, x, y, c int) uint16 {
	sample := func(x, y int) int { return int(at(f, x, y, c) >> v.transform) }
	first := y == 0 || v.interval > 0 && y%v.interval == 0
	switch {
	case first && x == 0:
		return 1 << (h.Precision - v.transform - 1)
	case first:
		return uint16(sample(x-1, y))
	case x == 0:
		return uint16(sample(x, y-1))
	}
	a, b, corner := sample(x-1, y), sample(x, y-1), sample(x-1, y-1)
	return uint16([]int{0, a, b, corner, a + b - corner, a + (b-corner)>>1, b + (a-corner)>>1, (a + b) >> 1}[v.predictor])
}

// variants are what the standard allows beyond what the encoders here write, with the frame that
// each has to give.
func variants() map[string]struct {
	codec.Frame
	variant
} {
	out := map[string]struct {
		codec.Frame
		variant
	}{}
	add := func(name string, d codec.Description, content string, v variant) {
		if v.tail == "" {
			v.tail = "\xFF\xD9"
		}
		out[name+" "+content] = struct {
			codec.Frame
			variant
		}{codectest.Draw(d, content), v}
	}
	grey8, grey16, rgb := codectest.Grey(19, 13, 8, 8, 0), codectest.Grey(19, 13, 16, 16, 0), codectest.Color(19, 13, 8, 8, "RGB")
	for p := 1; p <= 7; p++ {
		for _, content := range []string{"natural", "noise", "extremes"} {
			add(fmt.Sprint("grey8 predictor ", p), grey8, content, variant{predictor: p})
			add(fmt.Sprint("grey16 predictor ", p), grey16, content, variant{predictor: p})
			add(fmt.Sprint("grey16 restart predictor ", p), grey16, content, variant{predictor: p, interval: 1})
			add(fmt.Sprint("rgb predictor ", p), rgb, content, variant{predictor: p})
			add(fmt.Sprint("rgb restart predictor ", p), rgb, content, variant{predictor: p, interval: 2})
			add(fmt.Sprint("rgb by scan predictor ", p), rgb, content, variant{predictor: p, interval: 4, scans: [][]int{{0}, {1}, {2}}})
		}
		add(fmt.Sprint("transform ", p), grey16, "noise", variant{predictor: p, transform: p})
		add(fmt.Sprint("rgb transform ", p), rgb, "noise", variant{predictor: p, transform: p, interval: 3})
	}
	for stored := 2; stored <= 16; stored++ {
		allocated := 8 * ((stored + 7) / 8)
		add(fmt.Sprint("precision ", stored), codectest.Grey(19, 13, stored, allocated, 0), "extremes", variant{predictor: 1})
		add(fmt.Sprint("transform to the last bit of ", stored), codectest.Grey(19, 13, stored, allocated, 0), "noise", variant{predictor: 4, transform: stored - 1})
	}
	add("rgb16", codectest.Color(19, 13, 16, 16, "RGB"), "noise", variant{predictor: 1})
	add("one and two components", rgb, "noise", variant{predictor: 6, scans: [][]int{{1}, {0, 2}}})
	add("two and one component", rgb, "noise", variant{predictor: 1, scans: [][]int{{0, 1}, {2}}})
	add("fill bytes", grey16, "noise", variant{predictor: 1, interval: 2, fill: "\xFF\xFF"})
	add("RST7 and on", grey8, "noise", variant{predictor: 2, interval: 1})
	return out
}

// TestVariants decodes what the standard allows and the encoders here do not write.
func TestVariants(t *testing.T) {
	t.Parallel()
	all := variants()
	rgb, grey := codectest.Draw(codectest.Color(19, 13, 8, 8, "RGB"), "noise"), codectest.Draw(codectest.Grey(19, 13, 12, 16, 0), "noise")
	for name, v := range map[string]struct {
		codec.Frame
		variant
	}{
		// Readers of libjpeg's kind refuse these, or DCMTK does.
		"components in another order": {rgb, variant{predictor: 5, scans: [][]int{{2, 0, 1}}}},
		"one ID for all":              {rgb, variant{predictor: 1, id: 7}},
		"rows in DNL":                 {grey, variant{predictor: 7, rows: 1, tail: "\xFF\xDC\x00\x04\x00\x13\xFF\xD9"}},
		"no EOI":                      {grey, variant{predictor: 1, tail: "\x00"}},
		"bytes behind EOI":            {grey, variant{predictor: 1, tail: "\xFF\xD9 and more \xFF\xC3"}},
		"bytes between segments":      {rgb, variant{predictor: 1, fill: "left over", scans: [][]int{{0}, {1}, {2}}}},
	} {
		all[name] = v
	}
	for name, v := range all {
		got, err := jpeglossless.Process14().Decode(reference(v.Frame, v.variant), v.Description, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(got.Data, transformed(v.Frame, v.variant)) {
			t.Errorf("%s: other samples", name)
		}
		if got.Description != v.Description {
			t.Errorf("%s: %+v", name, got.Description)
		}
	}
}

// transformed returns the samples as the point transform leaves them.
func transformed(f codec.Frame, v variant) []byte {
	out := bytes.Clone(f.Data)
	for i := range out {
		if shift := v.transform; f.Width() == 1 {
			out[i] = out[i] >> shift << shift
		} else if i%2 == 0 {
			binary.LittleEndian.PutUint16(out[i:], binary.LittleEndian.Uint16(out[i:])>>shift<<shift)
		}
	}
	return out
}

// TestConflicts: what counts where header and codestream differ.
func TestConflicts(t *testing.T) {
	t.Parallel()
	frame12 := codectest.Draw(codectest.Grey(9, 7, 12, 16, 0), "noise")
	encoded12 := reference(frame12, variant{predictor: 1})
	change := func(d codec.Description, how func(*codec.Description)) codec.Description {
		how(&d)
		return d
	}
	t.Run("bits stored above the precision", func(t *testing.T) { // DCMTK djcodecd.cc, GDCM Bitmap::TryJPEGCodec
		d := change(frame12.Description, func(d *codec.Description) { d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 15, 1 })
		got, err := jpeglossless.SV1().Decode(encoded12, d, nil)
		if err != nil || got.BitsStored != 12 || got.HighBit != 11 || got.PixelRepresentation != 1 || !bytes.Equal(got.Data, frame12.Data) {
			t.Errorf("%+v, %v", got.Description, err)
		}
	})
	t.Run("bits stored below the precision", func(t *testing.T) { // the header's count, in both
		signed := codectest.Draw(codectest.Grey(9, 7, 12, 16, 1), "noise")
		got, err := jpeglossless.SV1().Decode(reference(signed, variant{predictor: 1, precision: 16}), signed.Description, nil)
		if err != nil || got.Description != signed.Description || !bytes.Equal(got.Data, signed.Data) {
			t.Errorf("%+v, %v", got.Description, err)
		}
	})
	t.Run("8 bits allocated for 12", func(t *testing.T) { // DCMTK allocates 16; 8 of them would show other samples
		d := change(frame12.Description, func(d *codec.Description) { d.BitsAllocated, d.BitsStored, d.HighBit = 8, 8, 7 })
		got, err := jpeglossless.SV1().Decode(encoded12, d, nil)
		if err != nil || got.Description != frame12.Description || !bytes.Equal(got.Data, frame12.Data) {
			t.Errorf("%+v, %v", got.Description, err)
		}
	})
	t.Run("16 bits allocated for 8", func(t *testing.T) { // the header's: the samples fit
		f := codectest.Draw(codectest.Grey(9, 7, 8, 16, 0), "noise")
		got, err := jpeglossless.SV1().Decode(reference(f, variant{predictor: 1}), f.Description, nil)
		if err != nil || got.Description != f.Description || !bytes.Equal(got.Data, f.Data) {
			t.Errorf("%+v, %v", got.Description, err)
		}
	})
	t.Run("JFIF says YCbCr", func(t *testing.T) { // both leave lossless colours alone
		for photometric, want := range map[string]string{"RGB": "RGB", "YBR_FULL": "YBR_FULL", "YBR_FULL_422": "YBR_FULL"} {
			f := codectest.Draw(codectest.Color(9, 7, 8, 8, photometric), "noise")
			jfif := jpegstream.AppendSegment(nil, jpegstream.APP0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")...)
			src := reference(f, variant{predictor: 1})
			got, err := jpeglossless.SV1().Decode(append(append(bytes.Clone(src[:2]), jfif...), src[2:]...), f.Description, nil)
			if err != nil || got.PhotometricInterpretation != want || !bytes.Equal(got.Data, f.Data) {
				t.Errorf("%s: %+v, %v", photometric, got.Description, err)
			}
		}
	})
	t.Run("smaller codestream", func(t *testing.T) {
		for _, v := range []variant{{predictor: 1}, {predictor: 7, scans: [][]int{{1}, {0, 2}}}} {
			f := codectest.Draw(codectest.Color(9, 7, 8, 8, "RGB"), "noise")
			got, err := jpeglossless.SV1().Decode(reference(f, v), codectest.Color(11, 8, 8, 8, "RGB"), bytes.Repeat([]byte{0xAA}, 11*8*3))
			if err != nil || got.Rows != 11 || got.Columns != 8 {
				t.Fatal(got.Description, err)
			}
			for i, b := range got.Data {
				var want byte
				if y, x := i/24, i%24; y < 9 && x < 21 {
					want = f.Data[y*21+x]
				}
				if b != want {
					t.Fatalf("byte %d is %d, want %d", i, b, want)
				}
			}
		}
	})
	for name, d := range map[string]codec.Description{
		"fewer rows":         change(frame12.Description, func(d *codec.Description) { d.Rows = 8 }),
		"fewer columns":      change(frame12.Description, func(d *codec.Description) { d.Columns = 6 }),
		"three samples":      change(frame12.Description, func(d *codec.Description) { d.SamplesPerPixel = 3 }),
		"32 bits":            change(frame12.Description, func(d *codec.Description) { d.BitsAllocated = 32 }),
		"a frame far larger": change(frame12.Description, func(d *codec.Description) { d.Rows, d.Columns = 5000, 5000 }),
	} {
		if got, err := jpeglossless.SV1().Decode(encoded12, d, nil); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %+v, %v", name, got.Description, err)
		}
	}
}

// TestDamaged: what is no lossless codestream is said to be none.
func TestDamaged(t *testing.T) {
	t.Parallel()
	f := codectest.Draw(codectest.Color(9, 7, 8, 8, "RGB"), "noise")
	good := reference(f, variant{predictor: 1, interval: 2, tail: "\xFF\xD9"})
	edit := func(old, new string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("%q is not there", old)
		}
		return bytes.Replace(good, []byte(old), []byte(new), 1)
	}
	sos := "\xFF\xDA\x00\x0C\x03\x01\x20\x02\x20\x03\x20"
	for name, src := range map[string][]byte{
		"empty":                   nil,
		"cut off":                 good[:len(good)-20],
		"no scan":                 good[:30],
		"predictor 0":             edit(sos+"\x01", sos+"\x00"),
		"predictor 8":             edit(sos+"\x01", sos+"\x08"),
		"point transform 8":       edit(sos+"\x01\x00\x00", sos+"\x01\x00\x08"),
		"table 1, which is none":  edit("\x01\x20\x02\x20", "\x01\x10\x02\x20"),
		"interval of half a row":  edit("\xFF\xDD\x00\x04\x00\x0E", "\xFF\xDD\x00\x04\x00\x0A"),
		"no RST1":                 edit("\xFF\xD1", "\xFF\xD3"),
		"no restart":              edit("\xFF\xD0", "\x00\x00"),
		"component twice":         reference(f, variant{predictor: 1, scans: [][]int{{0}, {1}, {0}}}),
		"component missing":       reference(f, variant{predictor: 1, scans: [][]int{{0}, {1}}, tail: "\xFF\xD9"}),
		"restart that is not due": edit("\xFF\xDD\x00\x04\x00\x0E", "\xFF\xDD\x00\x04\x00\x15"),
	} {
		if _, err := jpeglossless.Process14().Decode(src, f.Description, nil); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	for name, src := range map[string][]byte{
		"baseline":   edit("\xFF\xC3", "\xFF\xC0"),
		"subsampled": edit("\x02\x11", "\x02\x22"),
		"all 2x2":    edit("\x01\x11\x00\x02\x11\x00\x03\x11", "\x01\x22\x00\x02\x22\x00\x03\x22"),
	} {
		if _, err := jpeglossless.Process14().Decode(src, f.Description, nil); !errs.Is(err, errs.Unsupported) {
			t.Errorf("%s: %v, want unsupported", name, err)
		}
	}
}
