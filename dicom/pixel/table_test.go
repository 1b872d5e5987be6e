package pixel_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/pixel"
)

// TestRoundTrip makes headers of any shape and holds Index, and Parse of Append, against a plain
// list of the frames.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i := image{transferSyntax: dicom.JPEG2000, encapsulated: true}
		count := rapid.IntRange(1, 300).Draw(t, "frames")
		most := rapid.SampledFrom([]int{1, 2, 5}).Draw(t, "fragments per frame")
		gaps := rapid.Bool().Draw(t, "empty fragments")
		var want []frame
		at := int64(base)
		for range count {
			i.basicOffsets = append(i.basicOffsets, uint32(at-base))
			i.extendedOffsets = append(i.extendedOffsets, uint64(at-base))
			var f frame
			for n := range rapid.IntRange(1, most).Draw(t, "fragments") {
				if n > 0 && gaps && rapid.Bool().Draw(t, "empty") {
					i.fragments = append(i.fragments, dicom.Fragment{Offset: at + 8})
					at += 8
				}
				length := rapid.Int64Range(1, 1<<20).Draw(t, "length")
				i.fragments = append(i.fragments, dicom.Fragment{Offset: at + 8, Length: length, Start: n == 0})
				f.Spans = append(f.Spans, pixel.Span{Offset: at + 8, Length: length})
				at += 8 + length
			}
			want = append(want, f)
		}
		switch rapid.IntRange(0, 2).Draw(t, "what tells") {
		case 0:
			i.basicOffsets, i.extendedOffsets = nil, nil
		case 1:
			i.basicOffsets = nil
		case 2:
			i.extendedOffsets = nil
		}
		i.frames = fmt.Sprint(count)
		x, err := pixel.Index(i.header())
		if err != nil {
			t.Fatal(err)
		}
		b := x.Append([]byte("before"))
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Fatal("Append did not append")
		}
		b = b[len("before"):]
		parsed, err := pixel.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if again := parsed.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("parsed and appended again: %x, was %x", again, b)
		}
		for n := 1; n <= count; n++ {
			for name, x := range map[string]*pixel.FrameIndex{"indexed": x, "parsed": parsed} {
				spans, bit, err := x.Frame(n)
				if err != nil || bit != 0 || !reflect.DeepEqual(spans, want[n-1].Spans) {
					t.Fatalf("%s: frame %d is %v (%v), want %v", name, n, spans, err, want[n-1].Spans)
				}
			}
		}
		if parsed.Frames() != count || x.Frames() != count {
			t.Errorf("%d and %d frames, want %d", x.Frames(), parsed.Frames(), count)
		}
	})
}

func TestNativeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i := image{transferSyntax: dicom.ExplicitVRLittleEndian, length: 1 << 40}
		i.rows, i.columns = rapid.Int64Range(1, 99).Draw(t, "rows"), rapid.Int64Range(1, 99).Draw(t, "columns")
		i.samples = rapid.Int64Range(1, 4).Draw(t, "samples")
		i.bits = rapid.SampledFrom([]int64{1, 8, 12, 16, 32, 64}).Draw(t, "bits")
		count := rapid.Int64Range(1, 999).Draw(t, "frames")
		i.frames = fmt.Sprint(count)
		x, err := pixel.Index(i.header())
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := pixel.Parse(x.Append(nil))
		if err != nil || !reflect.DeepEqual(parsed, x) {
			t.Fatalf("%v, %v; want %v", parsed, err, x)
		}
		size := i.rows * i.columns * i.samples * i.bits
		n := rapid.Int64Range(1, count).Draw(t, "n")
		spans, bit, err := parsed.Frame(int(n))
		if err != nil || len(spans) != 1 {
			t.Fatal(spans, err)
		}
		if at := (spans[0].Offset-base)*8 + int64(bit); at != (n-1)*size {
			t.Errorf("frame %d begins at bit %d, want %d", n, at, (n-1)*size)
		}
		if end := (spans[0].Offset + spans[0].Length - base) * 8; end < n*size || end-n*size > 7 {
			t.Errorf("frame %d ends at bit %d, want %d", n, end, n*size)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	x, err := pixel.Index(jpeg("3", 10, 20, 30).header())
	if err != nil {
		t.Fatal(err)
	}
	good := x.Append(nil)
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"unknown form":       {7, 1, 1, 1},
		"native, cut":        {1, 5},
		"native, no bits":    {1, 5, 0, 1},
		"native, more":       {1, 5, 8, 1, 1},
		"native, overflow":   append(binary.AppendUvarint(binary.AppendUvarint([]byte{1}, 1<<62), 1<<62), 2),
		"table, cut":         good[:3],
		"table, more frames": append(binary.AppendUvarint([]byte{2, 0}, 1<<40), 1, 2, 3),
		"table, no frames":   {2, 0, 0, 1},
	} {
		if x, err := pixel.Parse(b); err == nil {
			t.Errorf("%s: parsed as %v", name, x)
		}
	}
}

// TestHundredThousandFrames holds a large slide's table to its size and to lookups in place.
func TestHundredThousandFrames(t *testing.T) {
	b := slide(t)
	if len(b) > 100_000*3 {
		t.Errorf("table has %d bytes for 100000 frames", len(b))
	}
	x, err := pixel.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 64, 65, 50_000, 100_000} {
		spans, _, err := x.Frame(n)
		if err != nil || len(spans) != 1 || spans[0] != slideFrame(n) {
			t.Errorf("frame %d: %v (%v), want %v", n, spans, err, slideFrame(n))
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = pixel.Parse(b) }); n > 2 {
		t.Errorf("Parse allocates %v times", n)
	}
}

// slideFrame says where frame n of slide lies; lengths repeat after 7000 frames.
func slideFrame(n int) pixel.Span {
	length := func(n int) int64 { return 4000 + int64(n%7000) }
	at := int64(base)
	for k := 1; k < n; k++ {
		at += 8 + length(k)
	}
	return pixel.Span{Offset: at + 8, Length: length(n)}
}

func slide(t testing.TB) []byte {
	t.Helper()
	i := jpeg("100000")
	at := int64(base)
	for n := range int64(100_000) {
		length := 4000 + (n+1)%7000
		i.fragments = append(i.fragments, dicom.Fragment{Offset: at + 8, Length: length, Start: true})
		at += 8 + length
	}
	x, err := pixel.Index(i.header())
	if err != nil {
		t.Fatal(err)
	}
	return x.Append(nil)
}

func BenchmarkParseAndFrame(b *testing.B) {
	table := slide(b)
	for n := 0; b.Loop(); n++ {
		x, err := pixel.Parse(table)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := x.Frame(n%100_000 + 1); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzFrameIndexParse: any bytes are refused or are a table whose every answer lies in an
// object, and which is written again as it was read.
func FuzzFrameIndexParse(f *testing.F) {
	for _, i := range []image{
		jpeg("1", 10, 20), jpeg("2", 10, 20), jpeg("2", -10, 20, -30), jpeg("2", 0, 10, 0, 20),
		{rows: 2, columns: 3, samples: 1, bits: 1, frames: "5", length: 12, transferSyntax: dicom.ExplicitVRLittleEndian},
	} {
		x, err := pixel.Index(i.header())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(x.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := pixel.Parse(b)
		if err != nil {
			return
		}
		again, err := pixel.Parse(x.Append(nil))
		if err != nil || again.Frames() != x.Frames() {
			t.Fatalf("written and parsed: %v", err)
		}
		for _, n := range []int{1, 2, 63, 64, 65, 66, 128, 129, x.Frames() - 1, x.Frames()} {
			spans, bit, err := x.Frame(n)
			if err != nil {
				continue
			}
			if len(spans) == 0 || bit < 0 || bit > 7 {
				t.Fatalf("frame %d: %v %d", n, spans, bit)
			}
			for _, s := range spans {
				if s.Offset < 0 || s.Length < 0 || s.Offset+s.Length < s.Offset {
					t.Fatalf("frame %d: %v", n, spans)
				}
			}
		}
	})
}
