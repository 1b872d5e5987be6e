package rle_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/rle"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

func shapes() (out []codec.Description) {
	for _, size := range [][2]int{{1, 1}, {1, 129}, {130, 1}, {7, 5}, {33, 17}, {3, 2047}, {2, 1024}, {200, 300}} {
		for stored := 8; stored <= 16; stored += 4 {
			out = append(out, codectest.Grey(size[0], size[1], stored, (stored+7)/8*8, stored/4%2))
		}
		out = append(out, codectest.Grey(size[0], size[1], 32, 32, 0), codectest.Grey(size[0], size[1], 64, 64, 1),
			codectest.Color(size[0], size[1], 8, 8, "RGB"), codectest.Color(size[0], size[1], 16, 16, "YBR_FULL"))
	}
	palette := codectest.Grey(50, 70, 8, 8, 0)
	palette.PhotometricInterpretation = "PALETTE COLOR"
	return append(out, palette, codectest.Color(40, 40, 32, 32, "RGB"))
}

func TestCodec(t *testing.T) {
	t.Parallel()
	float, five := codectest.Grey(4, 4, 32, 32, 0), codectest.Grey(4, 4, 32, 32, 0)
	float.Float = true
	five.SamplesPerPixel = 4
	codectest.Run(t, codectest.Suite{Codec: rle.Codec{}, Files: 16, Shapes: shapes(), Refuse: []codec.Description{
		codectest.Grey(4, 4, 1, 1, 0), codectest.Grey(4, 4, 12, 12, 0), codectest.Color(4, 4, 64, 64, "RGB"), float, five,
		codectest.Color(4, 4, 8, 8, "YBR_RCT"), codectest.Color(4, 4, 8, 8, "YBR_PARTIAL_422"),
	}})
}

// frame makes a frame of segments with offsets; nil: the right ones.
func frame(offsets []uint32, segments ...[]byte) []byte {
	b := make([]byte, 64)
	binary.LittleEndian.PutUint32(b, uint32(len(segments)))
	for i, s := range segments {
		at := uint32(len(b))
		if offsets != nil {
			at = offsets[i]
		}
		binary.LittleEndian.PutUint32(b[4+4*i:], at)
		b = append(b, s...)
	}
	return b
}

// TestDecode has what writers do, by hand.
func TestDecode(t *testing.T) {
	t.Parallel()
	grey8, grey16, rgb := codectest.Grey(2, 4, 8, 8, 0), codectest.Grey(2, 2, 16, 16, 0), codectest.Color(1, 2, 8, 8, "RGB")
	planar, named := rgb, rgb
	planar.PlanarConfiguration, named.PhotometricInterpretation = 1, "YBR_FULL_422"
	high, low := []byte{0xfd, 1}, []byte{3, 'a', 'b', 'c', 'd', 0}
	want16 := []byte("a\x01b\x01c\x01d\x01")
	r, g, b := []byte{1, 'r', 'R', 0}, []byte{1, 'g', 'G', 0}, []byte{1, 'b', 'B', 0}
	for name, c := range map[string]struct {
		d    codec.Description
		src  []byte
		want []byte // nil: errs.Invalid
	}{
		"a literal and a run":                 {grey8, frame(nil, []byte{2, 'a', 'b', 'c', 0xfc, 'd'}), []byte("abcddddd")},
		"-128 stands for nothing":             {grey8, frame(nil, []byte{0x80, 2, 'a', 'b', 'c', 0x80, 0xfc, 'd'}), []byte("abcddddd")},
		"the last run is too long":            {grey8, frame(nil, []byte{2, 'a', 'b', 'c', 0x81, 'd'}), []byte("abcddddd")},
		"the last literal is too long":        {grey8, frame(nil, []byte{9, '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'}), []byte("01234567")},
		"garbage behind":                      {grey8, frame(nil, []byte{0xf9, 'x', 1, 2, 3}), []byte("xxxxxxxx")},
		"high bytes first":                    {grey16, frame(nil, high, low), want16},
		"offsets are not there":               {grey16, frame([]uint32{0, 0}, high, low), want16},
		"offsets point behind the end":        {grey16, frame([]uint32{64, 9999}, high, low), want16},
		"offsets descend":                     {grey16, frame([]uint32{66, 64}, high, low), want16},
		"offsets count from the first":        {grey16, frame([]uint32{0, 2}, high, low), want16},
		"the second offset is a byte too low": {grey16, frame([]uint32{64, 65}, high, low), want16},
		"colour by segments":                  {rgb, frame(nil, r, g, b), []byte("rgbRGB")},
		"Planar Configuration says nothing":   {planar, frame(nil, r, g, b), []byte("rgbRGB")},
		"nor does a name":                     {named, frame(nil, r, g, b), []byte("rgbRGB")},
		"the last pixels lack":                {grey8, frame(nil, []byte{4, 'a', 'b', 'c', 'd', 'e', 0}), []byte("abcde\x00\x00\x00")},
		"a run without its byte":              {grey8, frame(nil, []byte{4, 'a', 'b', 'c', 'd', 'e', 0xfe}), []byte("abcde\x00\x00\x00")},
		"a row lacks":                         {grey8, frame(nil, []byte{3, 'a', 'b', 'c', 'd'}), nil},
		"the high bytes lack":                 {grey16, frame(nil, []byte{0xfe, 1}, low), nil},
		"a segment too few":                   {grey16, frame(nil, high), nil},
		"a segment too many":                  {grey8, frame(nil, high, low), nil},
		"no header":                           {grey8, frame(nil, high)[:63], nil},
		"no segments":                         {grey8, make([]byte, 64), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := rle.Codec{}.Decode(c.src, c.d, bytes.Repeat([]byte{0xee}, 64))
			if c.want == nil {
				if !errs.Is(err, errs.Invalid) {
					t.Fatalf("%v, % x; want an error of kind invalid", err, f.Data)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(f.Data, c.want) {
				t.Errorf("samples %q, want %q", f.Data, c.want)
			}
			if f.PlanarConfiguration != 0 || f.PhotometricInterpretation == "YBR_FULL_422" {
				t.Errorf("samples are said to be %+v", f.Description)
			}
		})
	}
}

// TestRowsStandAlone: no run crosses the end of a row (PS3.5 G.3.1), segments are even, and the
// offsets are theirs.
func TestRowsStandAlone(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"flat", "noise", "natural"} {
		d := codectest.Color(11, 131, 8, 8, "RGB")
		b, err := rle.Codec{}.Encode(nil, codectest.Draw(d, content), codec.Options{})
		if err != nil {
			t.Fatal(err)
		}
		at := 64
		for s := range 3 {
			if got := int(binary.LittleEndian.Uint32(b[4+4*s:])); got != at || got%2 != 0 {
				t.Fatalf("%s: segment %d is said to begin at %d, is at %d", content, s, got, at)
			}
			for row := range d.Rows {
				for left := d.Columns; left != 0; {
					if left < 0 {
						t.Fatalf("%s: segment %d: a run crosses the end of row %d", content, s, row)
					}
					if c := int(b[at]); c < 128 {
						at, left = at+c+2, left-c-1
					} else {
						at, left = at+2, left-257+c
					}
				}
			}
			at += at % 2
		}
		if at != len(b) {
			t.Errorf("%s: %d bytes behind the last segment", content, len(b)-at)
		}
		if most := 64 + 3*11*(131+2); len(b) > most+3 {
			t.Errorf("%s: %d bytes, more than %d", content, len(b), most)
		}
	}
}

// TestDCMTKReads has DCMTK read what is written here.
func TestDCMTKReads(t *testing.T) {
	t.Parallel()
	tool := testkit.Tool(t, "dcmdrle")
	dir := t.TempDir()
	for i, d := range shapes() {
		content := [...]string{"natural", "noise"}[i%2] // a process each: every shape once
		t.Run(fmt.Sprint(i, content), func(t *testing.T) {
			f := codectest.Draw(d, content)
			encoded, err := rle.Codec{}.Encode(nil, f, codec.Options{})
			if err != nil {
				t.Fatal(err)
			}
			in, out := filepath.Join(dir, fmt.Sprint(i, content)), filepath.Join(dir, fmt.Sprint(i, content, "-native"))
			codectest.Write(t, in, dicom.RLELossless, d, encoded)
			if msg, err := exec.Command(tool, "+ti", in, out).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, msg)
			}
			m := codectest.Open(t, out)
			if got := m.Encoded(t, 1); !bytes.Equal(got, f.Data) {
				t.Errorf("%d bytes, not those of the frame (%d)", len(got), len(f.Data))
			}
		})
	}
}

// TestEncodedRoom: frames that become small take no more memory than they need, as caches count
// their bytes; a buffer that was given is used.
func TestEncodedRoom(t *testing.T) {
	t.Parallel()
	f, err := codectest.Grey(512, 512, 16, 16, 0).New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := rle.Codec{}.Encode(nil, f, codec.Options{})
	if err != nil || cap(b) > 2*len(b) {
		t.Errorf("%d bytes in %d, %v", len(b), cap(b), err)
	}
	buf := make([]byte, 0, 1<<20)
	if b, err = (rle.Codec{}).Encode(buf, f, codec.Options{}); err != nil || cap(b) != cap(buf) {
		t.Errorf("%d bytes in %d, %v", len(b), cap(b), err)
	}
}

func FuzzDecode(f *testing.F) {
	codectest.Fuzz(f, rle.Codec{},
		codectest.Specimen{Description: codectest.Grey(2, 4, 8, 8, 0), Encoded: frame(nil, []byte{2, 'a', 'b', 'c', 0xfc, 'd'})},
		codectest.Specimen{Description: codectest.Grey(2, 2, 16, 16, 0), Encoded: frame([]uint32{66, 64}, []byte{0xfd, 1}, []byte{3, 'a', 'b', 'c', 'd', 0})},
		codectest.Specimen{Description: codectest.Color(1, 2, 8, 8, "RGB"), Encoded: frame(nil, []byte{1, 'r', 'R', 0}, []byte{1, 'g', 'G', 0}, []byte{1, 'b', 'B', 0})},
		codectest.Specimen{Description: codectest.Grey(50, 100, 8, 8, 0), Encoded: frame(nil, bytes.Repeat([]byte{0x81, 7}, 40))})
}

func BenchmarkCodec(b *testing.B) {
	codectest.Bench(b, rle.Codec{}, "syntaxes/ct-all/rle.dcm", "syntaxes/mr-all/rle.dcm", "syntaxes/wg04/us1-rle.dcm", "syntaxes/colour/palette-rle.dcm")
}
