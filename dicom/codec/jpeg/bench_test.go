package jpeg_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// contents of the corpus: one frame of each, as often as the benchmark asks.
var contents = []struct{ name, path string }{
	{"CT8", "data/syntaxes/ct-all/jpeg-baseline.dcm"},
	{"XA8", "data/multiframe/xa-96-jpeg.dcm"},
	{"CR8", "data/syntaxes/colour/monochrome1-jpeg-cr.dcm"},
	{"US422", "data/multiframe/us-34-jpeg.dcm"},
	{"XC420", "data/syntaxes/colour/jpeg-icon-xc.dcm"},
	{"SC444", "data/syntaxes/colour/secondary-jpeg-ybr.dcm"},
	{"Tile420", "data/wsi/cmu1-perframe/level-0.dcm"},
	{"CT12", "data/syntaxes/ct-all/jpeg-extended12.dcm"},
	{"NM12", "data/syntaxes/wg04/nm1-jply.dcm"},
	{"XA12", "data/syntaxes/wg04/xa1-jply.dcm"},
	{"CT12progressive", "data/syntaxes/ct-all/jpeg-progressive12-retired.dcm"},
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range contents {
		b.Run(c.name, func(b *testing.B) {
			m := codectest.Open(b, testkit.Shared(b), c.path)
			src := m.Encoded(b, 1)
			f, err := jpeg.Extended().Decode(src, m.Description, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(f.Data)))
			b.ReportAllocs()
			for b.Loop() {
				if f, err = jpeg.Extended().Decode(src, m.Description, f.Data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, c := range contents[:len(contents)-1] {
		b.Run(c.name, func(b *testing.B) {
			m := codectest.Open(b, testkit.Shared(b), c.path)
			f, err := jpeg.Extended().Decode(m.Encoded(b, 1), m.Description, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(f.Data)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				if dst, err = jpeg.Extended().Encode(dst[:0], f, codec.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
