package deflate_test

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"io"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/deflate"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

func shapes() []codec.Description {
	return []codec.Description{
		codectest.Grey(256, 256, 1, 1, 0), codectest.Grey(1, 1, 1, 1, 0), codectest.Grey(7, 5, 12, 12, 1), codectest.Grey(33, 17, 12, 16, 1),
		codectest.Grey(5, 5, 8, 8, 0), codectest.Grey(9, 9, 32, 32, 0), codectest.Color(33, 17, 8, 8, "RGB"), codectest.Color(4, 4, 16, 16, "YBR_FULL"),
	}
}

func TestCodec(t *testing.T) {
	t.Parallel()
	float := codectest.Grey(4, 4, 32, 32, 0)
	float.Float = true
	codectest.Run(t, codectest.Suite{Codec: deflate.Codec{}, Files: 1, Shapes: shapes(),
		Refuse: []codec.Description{float, codectest.Color(4, 4, 8, 8, "YBR_RCT")}})
}

// plain makes a deflated frame by the standard library, wrapped the same as zlib's users do.
func plain(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := flate.NewWriter(&out, 6)
	return finish(t, &out, z, err, b)
}

func wrapped(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := zlib.NewWriterLevel(&out, level)
	return finish(t, &out, z, err, b)
}

func finish(t testing.TB, out *bytes.Buffer, z io.WriteCloser, err error, b []byte) []byte {
	t.Helper()
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDecode(t *testing.T) {
	t.Parallel()
	grey := codectest.Grey(8, 8, 8, 8, 0)
	samples := codectest.Draw(grey, "noise").Data
	planar := codectest.Color(1, 2, 8, 8, "RGB")
	planar.PlanarConfiguration = 1
	// A stored block whose length makes its first bytes zlib's: of 0x9c, that is 0x78 0x9c.
	stored := append([]byte{0x78, 0x9c, 0x00, 0x63, 0xff}, make([]byte, 0x9c)...)
	stored = append(stored, 0x03, 0x00)
	for name, c := range map[string]struct {
		d    codec.Description
		src  []byte
		want []byte
		kind errs.Kind // where want is nil
	}{
		"plain":                          {grey, plain(t, samples), samples, 0},
		"in zlib's wrapping":             {grey, wrapped(t, samples, 6), samples, 0},
		"in zlib's wrapping, stored":     {grey, wrapped(t, samples, 0), samples, 0},
		"looks wrapped and is not":       {codectest.Grey(12, 13, 8, 8, 0), stored, make([]byte, 0x9c), 0},
		"more than the frame":            {grey, plain(t, append(bytes.Clone(samples), 1, 2, 3)), samples, 0},
		"planes":                         {planar, plain(t, []byte("rRgGbB")), []byte("rgbRGB"), 0},
		"4:2:2":                          {codectest.Color(1, 4, 8, 8, "YBR_FULL_422"), plain(t, []byte("YyBRWwbr")), []byte("YBRyBRWbrwbr"), 0},
		"less than the frame":            {grey, plain(t, samples[:63]), nil, errs.Invalid},
		"cut":                            {grey, plain(t, samples)[:40], nil, errs.Invalid},
		"cut where 4:2:2 would be whole": {codectest.Color(8, 8, 8, 8, "YBR_FULL_422"), plain(t, codectest.Draw(codectest.Color(8, 8, 8, 8, "RGB"), "noise").Data)[:180], nil, errs.Invalid},
		"nothing":                        {grey, nil, nil, errs.Invalid},
		"not deflated":                   {grey, bytes.Repeat([]byte{0xff}, 64), nil, errs.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := deflate.Codec{}.Decode(c.src, c.d, nil)
			if c.want == nil {
				if !errs.Is(err, c.kind) {
					t.Fatalf("%v, want %v", err, c.kind)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(f.Data, c.want) {
				t.Errorf("samples % x, want % x", f.Data, c.want)
			}
		})
	}
}

// TestEncodeIsDeflate has the standard library inflate what is written: a native frame, packed.
func TestEncodeIsDeflate(t *testing.T) {
	t.Parallel()
	f := codectest.Draw(codectest.Grey(1, 10, 1, 1, 0), "flat")
	copy(f.Data, []byte{1, 0, 1, 0, 0, 0, 0, 1, 0, 1})
	b, err := deflate.Codec{}.Encode(nil, f, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
	if want := []byte{0b1000_0101, 0b10}; err != nil || !bytes.Equal(got, want) {
		t.Errorf("% x, %v; want % x", got, err, want)
	}
}

func FuzzDecode(f *testing.F) {
	codectest.Fuzz(f, deflate.Codec{},
		codectest.Specimen{Description: codectest.Grey(8, 8, 8, 8, 0), Encoded: plain(f, make([]byte, 64))},
		codectest.Specimen{Description: codectest.Grey(3, 3, 1, 1, 0), Encoded: wrapped(f, []byte{1, 1}, 6)},
		codectest.Specimen{Description: codectest.Color(2, 2, 8, 8, "YBR_FULL_422"), Encoded: plain(f, []byte("yybryybr"))})
}

func BenchmarkCodec(b *testing.B) {
	codectest.Bench(b, deflate.Codec{}, "syntaxes/ct-all/deflated.dcm")
}
