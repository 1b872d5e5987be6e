package native_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/native"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

func shapes() (out []codec.Description) {
	for _, size := range [][2]int{{1, 1}, {1, 9}, {13, 1}, {7, 5}, {33, 17}} {
		out = append(out, codectest.Grey(size[0], size[1], 1, 1, 0))
		for _, allocated := range []int{4, 8, 10, 12, 16, 24, 32, 40, 64} {
			for signed := range 2 {
				out = append(out, codectest.Grey(size[0], size[1], allocated, allocated, signed))
			}
		}
		out = append(out, codectest.Grey(size[0], size[1], 11, 16, 1), codectest.Color(size[0], size[1], 1, 1, "RGB"),
			codectest.Color(size[0], size[1], 8, 8, "RGB"), codectest.Color(size[0], size[1], 12, 16, "YBR_FULL"))
	}
	float := codectest.Grey(31, 9, 32, 32, 0)
	float.Float = true
	return append(out, codectest.Grey(200, 300, 1, 1, 0), codectest.Color(200, 300, 8, 8, "RGB"), float)
}

// masked are images with other things above Bits Stored, which the manifest's samples have not.
func masked(s testkit.Sample) string {
	if strings.HasSuffix(s.Path, "edge/modality-lut-test.dcm") || strings.HasSuffix(s.Path, "edge/overlay-embedded.dcm") {
		return "its checksum is of masked samples"
	}
	return ""
}

func TestCodecs(t *testing.T) {
	t.Parallel()
	files := map[string]int{
		dicom.ImplicitVRLittleEndian.UID: 30, dicom.ExplicitVRLittleEndian.UID: 224, dicom.ExplicitVRBigEndian.UID: 5,
		dicom.DeflatedExplicitVRLittleEndian.UID: 2, dicom.EncapsulatedUncompressed.UID: 1,
	}
	for _, c := range native.Codecs() {
		t.Run(c.TransferSyntax().Name, func(t *testing.T) {
			s := codectest.Suite{Codec: c, Files: files[c.TransferSyntax().UID], Skip: masked}
			if c.TransferSyntax().UID == dicom.ExplicitVRLittleEndian.UID { // the code is the same for all
				s.Shapes = shapes()
				s.Refuse = []codec.Description{
					codectest.Color(4, 4, 8, 8, "YBR_PARTIAL_422"), codectest.Color(4, 4, 8, 8, "YBR_PARTIAL_420"),
					codectest.Color(4, 4, 8, 8, "YBR_RCT"), codectest.Color(4, 4, 8, 8, "YBR_ICT"), codectest.Color(4, 4, 8, 8, "XYB"),
				}
			}
			codectest.Run(t, s)
		})
	}
}

// TestDecode has a frame of each form written out by hand.
func TestDecode(t *testing.T) {
	t.Parallel()
	planar := func(d codec.Description) codec.Description { d.PlanarConfiguration = 1; return d }
	for name, c := range map[string]struct {
		d         codec.Description
		src, want []byte
		is        string // Photometric Interpretation of the samples
	}{
		"bits, the first the lowest": {codectest.Grey(1, 10, 1, 1, 0), []byte{0b1000_0101, 0b10}, []byte{1, 0, 1, 0, 0, 0, 0, 1, 0, 1}, ""},
		"12 bits":                    {codectest.Grey(1, 3, 12, 12, 0), []byte{0x23, 0x61, 0x45, 0x89, 0x07}, []byte{0x23, 0x01, 0x56, 0x04, 0x89, 0x07}, ""},
		"12 bits, signed":            {codectest.Grey(1, 3, 12, 12, 1), []byte{0xff, 0x0f, 0x80, 0xfe, 0x0f}, []byte{0xff, 0xff, 0x00, 0xf8, 0xfe, 0xff}, ""},
		"4 bits":                     {codectest.Grey(1, 3, 4, 4, 0), []byte{0x21, 0x03}, []byte{1, 2, 3}, ""},
		"24 bits, signed":            {codectest.Grey(1, 1, 24, 24, 1), []byte{0xfe, 0xff, 0xff}, []byte{0xfe, 0xff, 0xff, 0xff}, ""},
		"planes of 8 bits":           {planar(codectest.Color(1, 2, 8, 8, "RGB")), []byte("rRgGbB"), []byte("rgbRGB"), "RGB"},
		"planes of 16 bits":          {planar(codectest.Color(1, 2, 16, 16, "RGB")), []byte("r-R-g-G-b-B-"), []byte("r-g-b-R-G-B-"), "RGB"},
		"planes of one bit":          {planar(codectest.Color(1, 3, 1, 1, "RGB")), []byte{0b0_100_110, 0}, []byte{0, 0, 0, 1, 0, 0, 1, 1, 0}, "RGB"},
		"one plane":                  {planar(codectest.Grey(1, 2, 8, 8, 0)), []byte("ab"), []byte("ab"), ""},
		"4:2:2":                      {codectest.Color(1, 4, 8, 8, "YBR_FULL_422"), []byte("YyBRWwbr"), []byte("YBRyBRWbrwbr"), "YBR_FULL"},
		"4:2:2 of 16 bits":           {codectest.Color(2, 1, 16, 16, "YBR_PARTIAL_422"), []byte("Y-y-B-R-"), []byte("Y-B-R-y-B-R-"), "YBR_PARTIAL_422"},
		"4:2:2 by name only":         {codectest.Color(1, 2, 8, 8, "YBR_FULL_422"), []byte("YBRybr"), []byte("YBRybr"), "YBR_FULL"},
		"4:2:0 by name only":         {codectest.Color(1, 2, 8, 8, "YBR_PARTIAL_420"), []byte("YBRybr"), []byte("YBRybr"), "YBR_PARTIAL_420"},
		"more than the frame":        {codectest.Grey(1, 2, 8, 8, 0), []byte("abc"), []byte("ab"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dirty := bytes.Repeat([]byte{0xee}, 64)
			f, err := native.Codecs()[0].Decode(c.src, c.d, dirty)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(f.Data, c.want) {
				t.Errorf("samples % x, want % x", f.Data, c.want)
			}
			if c.is != "" && f.PhotometricInterpretation != c.is {
				t.Errorf("samples are said to be %s, want %s", f.PhotometricInterpretation, c.is)
			}
			if f.PlanarConfiguration != 0 {
				t.Error("samples are said to be by plane")
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d    codec.Description
		size int
		kind errs.Kind
	}{
		"a byte short":               {codectest.Grey(7, 5, 12, 16, 0), 69, errs.Invalid},
		"a bit short":                {codectest.Grey(3, 3, 1, 1, 0), 1, errs.Invalid},
		"4:2:2, short":               {codectest.Color(2, 2, 8, 8, "YBR_FULL_422"), 7, errs.Invalid},
		"4:2:2 of an odd number":     {codectest.Color(3, 3, 8, 8, "YBR_FULL_422"), 18, errs.Invalid},
		"4:2:2 name of grey samples": {codectest.Grey(2, 2, 8, 8, 0), 3, errs.Invalid},
		"4:2:0":                      {codectest.Color(2, 2, 8, 8, "YBR_PARTIAL_420"), 6, errs.Unsupported},
		"4:2:0, short":               {codectest.Color(2, 2, 8, 8, "YBR_PARTIAL_420"), 5, errs.Invalid},
		"no rows":                    {codectest.Grey(0, 5, 12, 16, 0), 69, errs.Invalid},
		"too large":                  {codectest.Grey(65535, 65535, 16, 16, 0), 69, errs.Exhausted},
	} {
		if _, err := native.Codecs()[0].Decode(make([]byte, c.size), c.d, nil); !errs.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
}

// TestEncodeKeeps422Expanded: what a header says of expanded samples has them all.
func TestEncodeKeeps422Expanded(t *testing.T) {
	t.Parallel()
	c := native.Codecs()[1].(codec.Encoder)
	f := codectest.Draw(codectest.Color(3, 4, 8, 8, "YBR_FULL_422"), "noise")
	d, err := c.Describe(f.Description, codec.Options{})
	if err != nil || d.PhotometricInterpretation != "YBR_FULL" {
		t.Fatal(d, err)
	}
	b, err := c.Encode(nil, f, codec.Options{})
	if err != nil || !bytes.Equal(b, f.Data) {
		t.Errorf("% x, %v; want % x", b, err, f.Data)
	}
	f.Data = f.Data[1:]
	if _, err := c.Encode(nil, f, codec.Options{}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a frame without its last byte: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	grey := codectest.Grey(3, 5, 12, 12, 1)
	planar := codectest.Color(2, 2, 8, 8, "RGB")
	planar.PlanarConfiguration = 1
	codectest.Fuzz(f, native.Codecs()[0],
		codectest.Specimen{Description: grey, Encoded: make([]byte, 23)},
		codectest.Specimen{Description: planar, Encoded: []byte("rrrrggggbbbb")},
		codectest.Specimen{Description: codectest.Color(2, 2, 8, 8, "YBR_FULL_422"), Encoded: []byte("yybryybr")},
		codectest.Specimen{Description: codectest.Grey(3, 3, 1, 1, 0), Encoded: []byte{1, 2}})
}

func BenchmarkDecode(b *testing.B) {
	planar := codectest.Color(480, 640, 8, 8, "RGB")
	planar.PlanarConfiguration = 1
	for name, d := range map[string]codec.Description{
		"CT": codectest.Grey(512, 512, 12, 16, 0), "planar": planar, "packed 12": codectest.Grey(512, 512, 12, 12, 0),
		"bits": codectest.Grey(512, 512, 1, 1, 0), "422": codectest.Color(480, 640, 8, 8, "YBR_FULL_422"),
	} {
		b.Run(name, func(b *testing.B) {
			n := native.EncodedSize(d)
			if name == "422" {
				n = n / 3 * 2
			}
			src := make([]byte, n)
			c := native.Codecs()[0]
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				f, err := c.Decode(src, d, buf)
				if err != nil {
					b.Fatal(err)
				}
				buf = f.Data
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, d := range map[string]codec.Description{
		"CT": codectest.Grey(512, 512, 12, 16, 0), "packed 12": codectest.Grey(512, 512, 12, 12, 0), "bits": codectest.Grey(512, 512, 1, 1, 0),
	} {
		b.Run(name, func(b *testing.B) {
			f := codectest.Draw(d, "natural")
			c := native.Codecs()[0].(codec.Encoder)
			var dst []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(f.Data)))
			for b.Loop() {
				var err error
				if dst, err = c.Encode(dst[:0], f, codec.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
