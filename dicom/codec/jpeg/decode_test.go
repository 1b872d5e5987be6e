package jpeg_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

const rows, columns = 27, 35

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".jpg"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t *testing.T, src []byte, d codec.Description) codec.Frame {
	t.Helper()
	f, err := jpeg.Baseline().Decode(src, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func wantSum(t *testing.T, f codec.Frame, want string) {
	t.Helper()
	sum := sha256.Sum256(f.Data)
	if hex.EncodeToString(sum[:]) != want {
		t.Error("other samples than libjpeg-turbo's")
	}
}

const (
	sum420  = "e05a669c4224fad89f8bc9cd3d365721d1a1cb5ef421502b14ee70bade87c9d5"
	sum422  = "96f5260ab5ff9db924b901f4ca245b111a85aa530dd11348e42d6dcd5fa17ffd"
	sum440  = "77f44e6c9c3f7075dcaf37f23e272ad315b5c1d36e830b1ca953fd6d21a66cc4"
	sumGrey = "726f9bd2fabaf97a3870849e67f2378ef1d168447289247b4c72b19c091442f1"
)

// Every layout has the samples of libjpeg-turbo.
func TestLayouts(t *testing.T) {
	ybr, deep := codectest.Color(rows, columns, 8, 8, "YBR_FULL_422"), codectest.Color(rows, columns, 12, 16, "YBR_FULL_422")
	for _, c := range []struct {
		name string
		d    codec.Description
		want string
	}{
		{"444", ybr, "ced999bb1db5478038b9848f96be18f5c0d19c9e7999e5568e9374cde0ada86d"},
		{"422", ybr, sum422},
		{"420", ybr, sum420},
		{"440", ybr, sum440},
		{"411", ybr, "761f4fd5ca7f7dc28906e80dd76f6b51408fb1a35c5d2f5e886dda7cbb186945"},
		{"410", ybr, "4307870c61b584f684102086c23b596384c01643f2fdc8b7a03312ef88b6e778"},
		{"311", ybr, "8a7d94ca2ef90e1ea1753db2d373d917816275432c35e4232027518735a4fb17"},
		{"luma-less", ybr, "2ec602d7efd70153cfeed6a1089df4213692eeebaf9f844641916d38f5a65b49"},
		{"scans", ybr, sum420},
		{"scans-pair", ybr, "a6c5c906ecb6a652c606b1ce1207717f105f7804c5c9a4af381ea02d8fa7daf9"},
		{"restart", ybr, sum420},
		{"restart-scans", ybr, sum422},
		{"progressive", ybr, sum420},
		{"progressive-restart", ybr, sum440},
		{"rgb", codectest.Color(rows, columns, 8, 8, "RGB"), "e043a87ed712cc0cdcebb48eab278cf628371cbc4955f93eb4d6f43acbd2d0c5"},
		{"grey", codectest.Grey(rows, columns, 8, 8, 0), sumGrey},
		{"grey-2x2", codectest.Grey(rows, columns, 8, 8, 0), sumGrey},
		{"quant16", ybr, "373344a430f7f9e81eb60458360242229a19a6a22a9bd8a6d3b41211cb2624c0"},
		{"optimised", ybr, sum420},
		{"c12-420", deep, "602edde7bf1b4ad9f4948b6f560dcfdcef1cb4d4a4f457aaa73ffd51013af2d2"},
		{"c12-440", deep, "a398c3feb6d4dd3b1ec73bdc497ad247f356b5bfeb43ba49c8991c731a4aa2ce"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := decode(t, fixture(t, c.name), c.d)
			if f.Description != c.d {
				t.Errorf("%+v", f.Description)
			}
			wantSum(t, f, c.want)
		})
	}
}

// segment returns where a marker segment begins and what comes after it.
func segment(t *testing.T, b []byte, marker byte) (at, end int) {
	t.Helper()
	for i := 2; i+4 <= len(b); {
		n := 2 + int(binary.BigEndian.Uint16(b[i+2:]))
		if b[i+1] == marker {
			return i, i + n
		}
		if b[i+1] == 0xDA {
			break
		}
		i += n
	}
	t.Fatalf("no segment %02X", marker)
	return 0, 0
}

// without takes every segment of a marker out.
func without(t *testing.T, b []byte, marker byte) []byte {
	t.Helper()
	for n := bytes.Count(b[:bytes.Index(b, []byte{0xFF, 0xDA})], []byte{0xFF, marker}); n > 0; n-- {
		at, end := segment(t, b, marker)
		b = append(bytes.Clone(b[:at]), b[end:]...)
	}
	return b
}

// What writers leave out, and put in between, changes no sample.
func TestLenient(t *testing.T) {
	ybr := codectest.Color(rows, columns, 8, 8, "YBR_FULL_422")
	b := fixture(t, "420")
	sos, data := segment(t, b, 0xDA)
	sof, _ := segment(t, b, 0xC0)
	for name, src := range map[string][]byte{
		"no DHT, as Motion JPEG":           without(t, b, 0xC4),
		"fill bytes before markers":        bytes.Join([][]byte{b[:sof], {0xFF, 0xFF, 0xFF}, b[sof:sos], {0xFF}, b[sos:]}, nil),
		"fill bytes before EOI":            append(append(bytes.Clone(b[:len(b)-2]), 0xFF, 0xFF), b[len(b)-2:]...),
		"no EOI":                           b[:len(b)-2],
		"padded":                           append(bytes.Clone(b), 0, 0, 0),
		"damage behind the last scan":      append(bytes.Clone(b[:len(b)-2]), 0xFF, 0xC4, 0xFF, 0xFF, 1),
		"no spectral selection":            bytes.Join([][]byte{b[:data-3], {0, 0, 0}, b[data:]}, nil),
		"comment and unknown APP":          bytes.Join([][]byte{b[:2], {0xFF, 0xFE, 0, 4, 'h', 'i', 0xFF, 0xE7, 0, 3, 1}, b[2:]}, nil),
		"Rows by DNL":                      bytes.Join([][]byte{b[:sof+5], {0, 0}, b[sof+7 : len(b)-2], {0xFF, 0xDC, 0, 4, 0, rows}, b[len(b)-2:]}, nil),
		"extended process by frame header": bytes.Join([][]byte{b[:sof], {0xFF, 0xC1}, b[sof+2:]}, nil),
	} {
		t.Run(name, func(t *testing.T) { wantSum(t, decode(t, src, ybr), sum420) })
	}
}

// Where JFIF, Adobe, component identifiers and the image's header disagree: markers count first,
// as with libjpeg and GDCM; the header where there are none, as with DCMTK.
func TestColourSpace(t *testing.T) {
	plain := without(t, fixture(t, "444"), 0xE0) // IDs 1, 2, 3, no JFIF
	adobe := func(b []byte, transform byte) []byte {
		return bytes.Join([][]byte{b[:2], {0xFF, 0xEE, 0, 14}, []byte("Adobe\x00\x64\x00\x00\x00\x00"), {transform}, b[2:]}, nil)
	}
	ids := func(b []byte, ids ...byte) []byte {
		b = bytes.Clone(b)
		sof, _ := segment(t, b, 0xC0)
		sos, _ := segment(t, b, 0xDA)
		for i, id := range ids {
			b[sof+10+3*i], b[sos+5+2*i] = id, id
		}
		return b
	}
	for _, c := range []struct {
		name         string
		src          []byte
		header, want string
	}{
		{"JFIF, header RGB", fixture(t, "444"), "RGB", "YBR_FULL_422"},
		{"JFIF, header YBR_FULL", fixture(t, "444"), "YBR_FULL", "YBR_FULL"},
		{"JFIF, header YBR_FULL_422", fixture(t, "444"), "YBR_FULL_422", "YBR_FULL_422"},
		{"JFIF over Adobe", adobe(fixture(t, "444"), 0), "RGB", "YBR_FULL_422"},
		{"Adobe RGB, header YBR", adobe(plain, 0), "YBR_FULL_422", "RGB"},
		{"Adobe YCbCr, header RGB", adobe(plain, 1), "RGB", "YBR_FULL_422"},
		{"IDs RGB, header YBR", ids(plain, 'R', 'G', 'B'), "YBR_FULL", "RGB"},
		{"IDs 1 2 3, header RGB", plain, "RGB", "YBR_FULL_422"},
		{"IDs 0 1 2, header RGB", ids(plain, 0, 1, 2), "RGB", "RGB"},
		{"IDs 0 1 2, header YBR", ids(plain, 0, 1, 2), "YBR_FULL", "YBR_FULL"},
		{"subsampled, header RGB", ids(without(t, fixture(t, "420"), 0xE0), 0, 1, 2), "RGB", "YBR_FULL_422"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := decode(t, c.src, codectest.Color(rows, columns, 8, 8, c.header))
			if f.PhotometricInterpretation != c.want {
				t.Errorf("%s, want %s", f.PhotometricInterpretation, c.want)
			}
		})
	}
	d := codectest.Grey(rows, columns, 8, 8, 0)
	d.PhotometricInterpretation = "PALETTE COLOR"
	if f := decode(t, fixture(t, "grey"), d); f.PhotometricInterpretation != "PALETTE COLOR" {
		t.Error(f.PhotometricInterpretation)
	}
}

// The codestream's precision against Bits Allocated and Bits Stored: DCMTK takes the codestream's.
func TestBits(t *testing.T) {
	eight := decode(t, fixture(t, "grey"), codectest.Grey(rows, columns, 8, 8, 0))
	f := decode(t, fixture(t, "grey"), codectest.Grey(rows, columns, 12, 16, 0))
	if want := codectest.Grey(rows, columns, 8, 16, 0); f.Description != want {
		t.Errorf("8 bits in 16: %+v", f.Description)
	}
	for i, v := range eight.Data {
		if got := binary.LittleEndian.Uint16(f.Data[2*i:]); got != uint16(v) {
			t.Fatalf("sample %d is %d, want %d", i, got, v)
		}
	}
	f = decode(t, fixture(t, "c12-420"), codectest.Color(rows, columns, 8, 8, "YBR_FULL_422"))
	if want := codectest.Color(rows, columns, 12, 16, "YBR_FULL_422"); f.Description != want {
		t.Errorf("12 bits in 8: %+v", f.Description)
	}
	d := codectest.Color(rows, columns, 10, 16, "YBR_FULL_422")
	if f = decode(t, fixture(t, "c12-420"), d); f.Description != d {
		t.Errorf("10 bits stored of 12: %+v", f.Description)
	}
}

// A lossless codestream under a DCT syntax.
func TestLossless(t *testing.T) {
	f := codectest.Draw(codectest.Grey(rows, columns, 12, 16, 0), "natural")
	src, err := jpeglossless.Process14().Encode(nil, f, codec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(t, src, f.Description); !bytes.Equal(got.Data, f.Data) {
		t.Error("other samples")
	}
}

// A tile at a slide's edge may be cut off; all else keeps to the header.
func TestSize(t *testing.T) {
	src := fixture(t, "420")
	whole := decode(t, src, codectest.Color(rows, columns, 8, 8, "YBR_FULL_422"))
	f, err := jpeg.Baseline().Decode(src, codectest.Color(40, 50, 8, 8, "YBR_FULL_422"), bytes.Repeat([]byte{9}, 40*50*3))
	if err != nil {
		t.Fatal(err)
	}
	for y := range 40 {
		line := f.Data[150*y : 150*y+150]
		if y < rows && !bytes.Equal(line[:3*columns], whole.Data[3*columns*y:3*columns*(y+1)]) {
			t.Fatalf("row %d differs", y)
		}
		rest := line
		if y < rows {
			rest = line[3*columns:]
		}
		if !bytes.Equal(rest, make([]byte, len(rest))) {
			t.Fatalf("row %d is not zero behind the tile", y)
		}
	}
	for _, d := range []codec.Description{
		codectest.Color(rows-1, columns, 8, 8, "YBR_FULL_422"), codectest.Color(rows, columns-1, 8, 8, "YBR_FULL_422"),
		codectest.Color(3000, 3000, 8, 8, "YBR_FULL_422"), // no tile is so large
		codectest.Grey(rows, columns, 8, 8, 0), codectest.Color(rows, columns, 32, 32, "RGB"),
	} {
		if _, err := jpeg.Baseline().Decode(src, d, nil); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v, want invalid", d, err)
		}
	}
}

// Slides' edge tiles that were cut off by their writers; one slide calls YCbCr RGB.
func TestCroppedTiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path       string
		last, w, h int // of the frames, and what it has
	}{{"malformed/real/wsi-cropped-edge-tiles.dcm", 12, 120, 60}, {"wsi/sample-3175.dcm", 140, 55, 121}} {
		m := codectest.Open(t, testkit.Shared(t), "data", c.path)
		var buf []byte
		for n := 1; n <= m.Index.Frames(); n++ {
			f, err := jpeg.Baseline().Decode(m.Encoded(t, n), m.Description, buf)
			if err != nil {
				t.Fatalf("%s frame %d: %v", c.path, n, err)
			}
			if buf = f.Data; f.PhotometricInterpretation != "YBR_FULL_422" || f.Rows != 240 || f.Columns != 240 {
				t.Errorf("%s frame %d: %+v", c.path, n, f.Description)
			}
			if n != c.last {
				continue
			}
			for i := 0; i < len(f.Data); i += 3 {
				x, y := i/3%240, i/720
				if inside, zero := x < c.w && y < c.h, f.Data[i]|f.Data[i+1]|f.Data[i+2] == 0; inside == zero {
					t.Fatalf("%s: pixel %d, %d is %v", c.path, x, y, f.Data[i:i+3])
				}
			}
		}
	}
}

func TestRefuse(t *testing.T) {
	ybr := codectest.Color(rows, columns, 8, 8, "YBR_FULL_422")
	b := fixture(t, "420")
	sof, _ := segment(t, b, 0xC0)
	sos, data := segment(t, b, 0xDA)
	with := func(at int, v ...byte) []byte {
		c := bytes.Clone(b)
		copy(c[at:], v)
		return c
	}
	dht, dhtEnd := segment(t, b, 0xC4)
	for _, c := range []struct {
		name string
		src  []byte
		want errs.Kind
	}{
		{"arithmetic coding", fixture(t, "arithmetic"), errs.Unsupported},
		{"hierarchical lossless", with(sof+1, 0xC7), errs.Unsupported},
		{"differential sequential", with(sof+1, 0xC5), errs.Unsupported},
		{"progressive arithmetic", with(sof+1, 0xCA), errs.Unsupported},
		{"hierarchical", bytes.Join([][]byte{b[:sof], {0xFF, 0xDE}, b[sof+2 : sof+19], b[sof:]}, nil), errs.Unsupported},
		{"sampling factors that do not divide", with(sof+11, 0x32, 0, 2, 0x21), errs.Unsupported},
		{"16 bits", with(sof+4, 16), errs.Invalid},
		{"no quantisation table", without(t, b, 0xDB), errs.Invalid},
		{"a table that is not there", with(sof+12, 3), errs.Invalid},
		{"a component without a scan", bytes.Join([][]byte{b[:sos], {0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0}, b[data:]}, nil), errs.Invalid},
		{"half the data", b[:(data+len(b))/2], errs.Invalid},
		{"half the data and EOI", append(bytes.Clone(b[:(data+len(b))/2]), 0xFF, 0xD9), errs.Invalid},
		{"nothing", nil, errs.Invalid},
		{"no scan", append(bytes.Clone(b[:sos]), 0xFF, 0xD9), errs.Invalid},
		{"DHT longer than it is", with(dht+2, 0xFF, 0xFF), errs.Invalid},
		{"too many codes", bytes.Join([][]byte{b[:dht+5], bytes.Repeat([]byte{1}, 16), b[dht+21 : dhtEnd], b[dhtEnd:]}, nil), errs.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := jpeg.Baseline().Decode(c.src, ybr, nil); !errs.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	restart := fixture(t, "restart")
	at := bytes.Index(restart, []byte{0xFF, 0xD1})
	restart[at+1] = 0xD5
	if _, err := jpeg.Baseline().Decode(restart, ybr, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("a restart marker out of turn: %v", err)
	}
	scans := fixture(t, "scans")
	sos, _ = segment(t, scans, 0xDA)
	second := sos + 2 + bytes.Index(scans[sos+2:], []byte{0xFF, 0xDA})
	twice := bytes.Join([][]byte{scans[:second], scans[sos:second], scans[second:]}, nil)
	if _, err := jpeg.Baseline().Decode(twice, ybr, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("a component twice: %v", err)
	}
	huge := fixture(t, "progressive")
	sof, _ = segment(t, huge, 0xC2)
	binary.BigEndian.PutUint16(huge[sof+5:], 32000)
	binary.BigEndian.PutUint16(huge[sof+7:], 11000)
	if _, err := jpeg.Baseline().Decode(append(huge, make([]byte, 1<<20)...), codectest.Color(32000, 11000, 8, 8, "RGB"), nil); !errs.Is(err, errs.Exhausted) {
		t.Errorf("progressive and huge: %v", err)
	}
	// A scan of a progressive image costs ten bytes and may pass over every block.
	p := fixture(t, "progressive")
	at = bytes.LastIndex(p, []byte{0xFF, 0xDA})
	bomb := append(bytes.Clone(p[:len(p)-2]), bytes.Repeat(p[at:len(p)-2], 300)...)
	if _, err := jpeg.Baseline().Decode(bomb, ybr, nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("300 scans: %v", err)
	}
}
