package jpegls_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// segment makes a marker segment.
func segment(marker byte, payload ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(2+len(payload))), payload...)
}

// frameHeader makes SOF55.
func frameHeader(precision byte, rows, columns, components int) []byte {
	p := binary.BigEndian.AppendUint16([]byte{precision}, uint16(rows))
	p = append(binary.BigEndian.AppendUint16(p, uint16(columns)), byte(components))
	for i := range components {
		p = append(p, byte(i+1), 0x11, 0)
	}
	return segment(0xF7, p...)
}

// bits returns the scan of a frame's codestream without its headers.
func bits(t testing.TB, f codec.Frame) []byte {
	t.Helper()
	b := lossless(t, f)
	at := bytes.Index(b, []byte{0xFF, 0xDA})
	at += 2 + int(binary.BigEndian.Uint16(b[at+2:]))
	return b[at : len(b)-2]
}

func lossless(t testing.TB, f codec.Frame) []byte {
	t.Helper()
	b, err := jpegls.Lossless().Encode(nil, f, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// insert puts segments behind the start of the image.
func insert(b []byte, segments ...[]byte) []byte {
	return slices.Concat(b[:2], slices.Concat(segments...), b[2:])
}

// replace is bytes.Replace of what must be there once.
func replace(t testing.TB, b, old, new []byte) []byte {
	t.Helper()
	if bytes.Count(b, old) != 1 {
		t.Fatalf("% x is %d times in the codestream", old, bytes.Count(b, old))
	}
	return bytes.Replace(b, old, new, 1)
}

// variant is a codestream of a kind that our encoder does not write.
type variant struct {
	name string
	codectest.Specimen
	want []byte // samples
	near int
}

func variants(t testing.TB) (out []variant) {
	t.Helper()
	add := func(name string, f codec.Frame, b []byte) {
		out = append(out, variant{name, codectest.Specimen{Description: f.Description, Encoded: b}, f.Data, 0})
	}
	rgb := codectest.Draw(codectest.Color(13, 17, 8, 8, "RGB"), "natural")
	rgb16 := codectest.Draw(codectest.Color(13, 17, 16, 16, "RGB"), "natural")
	grey := codectest.Draw(codectest.Grey(19, 23, 12, 16, 0), "natural")
	for name, f := range map[string]codec.Frame{"charls-none": rgb, "charls-line": rgb, "charls-line-near3": rgb, "charls-sample-16": rgb16, "dcmtk-thresholds": grey} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".jls"))
		if err != nil {
			t.Fatal(err)
		}
		add(name, f, b)
	}
	slices.SortFunc(out, func(a, b variant) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	out[1].near = 3

	add("restart markers", grey, restarted(t, grey, 5))
	add("restart markers in colour", rgb, restarted(t, rgb, 1))
	b := lossless(t, grey)
	sos, eoi := bytes.Index(b, []byte{0xFF, 0xDA}), len(b)-2
	add("SPIFF, JFIF, comment", grey, insert(b, segment(0xE8, []byte("SPIFF\x00and more than this")...), segment(0xE0, []byte("JFIF\x00")...), segment(0xFE, 'x')))
	add("fill bytes before a marker", grey, slices.Concat(b[:sos], []byte{0xFF, 0xFF}, b[sos:]))
	add("zeros behind the scan", grey, slices.Concat(b[:eoi], []byte{0, 0}, b[eoi:]))
	add("no end of image", grey, b[:eoi])
	add("FF behind the end", grey, append(bytes.Clone(b), 0xFF)) // wg04/ct1-jlsn.dcm
	add("another image behind", grey, append(bytes.Clone(b), b...))
	add("component 0", grey, replace(t, replace(t, b, []byte{1, 1, 0x11, 0}, []byte{1, 0, 0x11, 0}), []byte{1, 1, 0, 0, 0, 0}, []byte{1, 0, 0, 0, 0, 0}))
	add("interleave mode of one component", grey, replace(t, b, []byte{1, 1, 0, 0, 0, 0}, []byte{1, 1, 0, 0, 2, 0}))

	// MAXVAL below what the precision holds: 12 bits in a codestream said to have 16.
	wide := replace(t, b, frameHeader(12, 19, 23, 1), frameHeader(16, 19, 23, 1))
	add("MAXVAL of 12 bits in 16", grey, insert(wide, segment(0xF8, 1, 0x0F, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0)))

	for transform := range 3 {
		b := lossless(t, transformed(rgb, transform+1))
		add("HP's colour transform "+string(rune('1'+transform)), rgb, insert(b, segment(0xE8, append([]byte("mrfx"), byte(transform+1))...)))
	}
	return out
}

// restarted encodes a frame in intervals of some lines with restart markers between: each
// interval is coded as if it were a frame of its own.
func restarted(t testing.TB, f codec.Frame, lines int) []byte {
	t.Helper()
	b := lossless(t, f)
	head := b[:len(b)-2-len(bits(t, f))]
	out := insert(head, segment(0xDD, 0, 0, byte(lines)))
	stride := len(f.Data) / f.Rows
	for row := 0; row < f.Rows; row += lines {
		part := f
		part.Rows = min(lines, f.Rows-row)
		part.Data = f.Data[row*stride:][:part.Rows*stride]
		if row > 0 {
			out = append(out, 0xFF, 0xD0+byte((row/lines-1)%8))
		}
		out = append(out, bits(t, part)...)
	}
	return append(out, 0xFF, 0xD9)
}

// transformed is HP's colour transform forwards, after CharLS' description of it.
func transformed(f codec.Frame, transform int) codec.Frame {
	out := f
	out.Data = bytes.Clone(f.Data)
	for i := 0; i < len(f.Data); i += 3 {
		r, g, b := int(f.Data[i]), int(f.Data[i+1]), int(f.Data[i+2])
		var v1, v2, v3 int
		switch transform {
		case 1:
			v1, v2, v3 = r-g+128, g, b-g+128
		case 2:
			v1, v2, v3 = r-g+128, g, b-(r+g)/2+128
		case 3:
			v2, v3 = b-g+128, r-g+128
			v1 = g + (v2&255+v3&255)>>2 - 64
		}
		out.Data[i], out.Data[i+1], out.Data[i+2] = byte(v1), byte(v2), byte(v3)
	}
	return out
}

func TestVariants(t *testing.T) {
	t.Parallel()
	for _, v := range variants(t) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			f, err := jpegls.Lossless().Decode(v.Encoded, v.Description, bytes.Repeat([]byte{0xEE}, 8192))
			if err != nil {
				t.Fatal(err)
			}
			if f.Description != v.Description || len(f.Data) != len(v.want) {
				t.Fatalf("%d bytes of %+v", len(f.Data), f.Description)
			}
			for i := range f.Data {
				if d := int(f.Data[i]) - int(v.want[i]); d > v.near || d < -v.near {
					t.Fatalf("byte %d is %d, want %d", i, f.Data[i], v.want[i])
				}
			}
		})
	}
}

// TestReset: statistics that are halved as late as RESET can say (T.87 C.2.4.1.1) count further than
// 15 bits. A plane keeps to one context.
func TestReset(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("testdata", "charls-reset.jls"))
	if err != nil {
		t.Fatal(err)
	}
	d := codectest.Grey(200, 256, 16, 16, 0)
	f, err := jpegls.Lossless().Decode(b, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Rows * d.Columns {
		if v, want := binary.LittleEndian.Uint16(f.Data[2*i:]), 10*(i%d.Columns+i/d.Columns); int(v) != want {
			t.Fatalf("sample %d is %d, want %d", i, v, want)
		}
	}
}

// TestConflicts: header and codestream differ.
func TestConflicts(t *testing.T) {
	t.Parallel()
	grey8 := codectest.Draw(codectest.Grey(9, 11, 8, 8, 0), "natural")
	grey12 := codectest.Draw(codectest.Grey(9, 11, 12, 16, 0), "natural")
	negative := codectest.Draw(codectest.Grey(9, 11, 12, 16, 1), "natural")
	rgb := codectest.Draw(codectest.Color(9, 11, 8, 8, "RGB"), "natural")
	cropped := codectest.Grey(10, 20, 8, 8, 0)
	upper := make([]byte, 10*20)
	for row := range 9 {
		copy(upper[row*20:], grey8.Data[row*11:][:11])
	}
	wider := make([]byte, 2*len(grey8.Data))
	for i, v := range grey8.Data {
		wider[2*i] = v
	}
	for name, c := range map[string]struct {
		f    codec.Frame       // encoded
		d    codec.Description // the header
		want codec.Description
		data []byte
	}{
		// GDCM decodes what the codestream has; DCMTK refuses these images.
		"colour under a grey header":    {rgb, grey8.Description, rgb.Description, rgb.Data},
		"grey under a colour header":    {grey8, rgb.Description, grey8.Description, grey8.Data},
		"12 bits where 8 are allocated": {grey12, grey8.Description, codectest.Grey(9, 11, 12, 16, 0), grey12.Data},
		"8 bits where 16 are allocated": {grey8, codectest.Grey(9, 11, 8, 16, 0), codectest.Grey(9, 11, 8, 16, 0), wider},
		"a tile cropped at an edge":     {grey8, cropped, cropped, upper},
		// Both keep the header's Bits Stored: DCMTK writes the codestream with 16.
		"16 bits of 12, for their sign": {negative, negative.Description, negative.Description, negative.Data},
		"12 bits where 16 are stored":   {grey12, codectest.Grey(9, 11, 16, 16, 0), codectest.Grey(9, 11, 16, 16, 0), grey12.Data},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := jpegls.Lossless().Decode(lossless(t, c.f), c.d, nil)
			if err != nil {
				t.Fatal(err)
			}
			if f.Description != c.want {
				t.Errorf("described as %+v, want %+v", f.Description, c.want)
			}
			if !bytes.Equal(f.Data, c.data) {
				t.Error("other samples")
			}
		})
	}
}

// TestRefusals names what is damaged and what is not offered.
func TestRefusals(t *testing.T) {
	t.Parallel()
	f := codectest.Draw(codectest.Grey(19, 23, 12, 16, 0), "natural")
	rgb := codectest.Draw(codectest.Color(19, 23, 8, 8, "RGB"), "natural")
	b, colour := lossless(t, f), lossless(t, rgb)
	sof, sos := frameHeader(12, 19, 23, 1), []byte{1, 1, 0, 0, 0, 0}
	restart := restarted(t, f, 5)
	scan := bytes.Index(b, []byte{0xFF, 0xDA})
	for name, c := range map[string]struct {
		b    []byte
		d    codec.Description
		kind errs.Kind
	}{
		"nothing":                       {nil, f.Description, errs.Invalid},
		"no scan":                       {b[:scan], f.Description, errs.Invalid},
		"half a scan":                   {b[:len(b)/2], f.Description, errs.Invalid},
		"a scan first":                  {slices.Concat(b[:2], b[scan:]), f.Description, errs.Invalid},
		"two frame headers":             {insert(b, sof), f.Description, errs.Invalid},
		"a segment without end":         {insert(b, []byte{0xFF, 0xE0, 0xFF, 0xFF}), f.Description, errs.Invalid},
		"larger than the header":        {b, codectest.Grey(18, 23, 12, 16, 0), errs.Invalid},
		"17 bits":                       {replace(t, b, sof, frameHeader(17, 19, 23, 1)), f.Description, errs.Invalid},
		"a component that is none":      {replace(t, b, sos, []byte{1, 2, 0, 0, 0, 0}), f.Description, errs.Invalid},
		"interleave mode 3":             {replace(t, b, sos, []byte{1, 1, 0, 0, 3, 0}), f.Description, errs.Invalid},
		"colour not interleaved":        {replace(t, colour, []byte{3, 0, 0, 2, 0}, []byte{3, 0, 0, 0, 0}), rgb.Description, errs.Invalid},
		"a restart marker lacks":        {replace(t, restart, []byte{0xFF, 0xD1}, []byte{0xFF, 0xD3}), f.Description, errs.Invalid},
		"thresholds fall":               {insert(b, segment(0xF8, 1, 0x0F, 0xFF, 0, 9, 0, 8, 0, 7, 0, 64)), f.Description, errs.Invalid},
		"MAXVAL above the precision":    {insert(b, segment(0xF8, 1, 0x1F, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0)), f.Description, errs.Invalid},
		"a mapping table":               {insert(b, segment(0xF8, 2, 1, 1, 0)), f.Description, errs.Unsupported},
		"a mapping table elsewhere":     {replace(t, b, sos, []byte{1, 1, 1, 0, 0, 0}), f.Description, errs.Unsupported},
		"an extension":                  {insert(b, segment(0xF8, 5, 0)), f.Description, errs.Unsupported},
		"point transform":               {replace(t, b, sos, []byte{1, 1, 0, 0, 0, 1}), f.Description, errs.Unsupported},
		"lines counted behind the scan": {replace(t, b, sof, frameHeader(12, 0, 23, 1)), f.Description, errs.Unsupported},
		"subsampled":                    {replace(t, b, []byte{1, 1, 0x11, 0}, []byte{1, 1, 0x21, 0}), f.Description, errs.Unsupported},
		"JPEG":                          {replace(t, b, []byte{0xFF, 0xF7}, []byte{0xFF, 0xC3}), f.Description, errs.Unsupported},
		"a colour transform of grey":    {insert(b, segment(0xE8, []byte("mrfx\x01")...)), f.Description, errs.Unsupported},
		"an unknown colour transform":   {insert(colour, segment(0xE8, []byte("mrfx\x04")...)), rgb.Description, errs.Unsupported},
		"32 bits allocated":             {b, codectest.Grey(19, 23, 32, 32, 0), errs.Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := jpegls.NearLossless().Decode(c.b, c.d, nil); !errs.Is(err, c.kind) {
				t.Errorf("%v, want an error of kind %v", err, c.kind)
			}
		})
	}
}

// TestNearKeepsRange: an error must not carry a sample over the end of its range.
func TestNearKeepsRange(t *testing.T) {
	t.Parallel()
	for _, stored := range []int{8, 12, 16} {
		d := codectest.Grey(40, 40, stored, 16, 1)
		f := codectest.Draw(d, "natural")
		lowest := -1 << (stored - 1)
		for _, c := range []struct {
			padding int
			exact   bool
		}{{lowest, true}, {lowest + 5, false}, {-1 - lowest, true}, {0, false}} {
			for i := range 300 { // background
				binary.LittleEndian.PutUint16(f.Data[2*i:], uint16(c.padding))
			}
			for i := 300; i < 1600; i++ { // natural has extremes of its own
				v := int(int16(binary.LittleEndian.Uint16(f.Data[2*i:])))
				binary.LittleEndian.PutUint16(f.Data[2*i:], uint16(min(max(v, lowest+9), -lowest-9)))
			}
			b, err := jpegls.NearLossless().Encode(nil, f, codec.Options{Near: 4})
			if err != nil {
				t.Fatal(err)
			}
			got, err := jpegls.NearLossless().Decode(b, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			if exact := bytes.Equal(got.Data, f.Data); exact != c.exact {
				t.Errorf("%d bits, padded with %d: coded without error: %v, want %v", stored, c.padding, exact, c.exact)
			}
		}
	}
}
