package jpeglossless_test

import (
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// contents are the corpus files that are measured, their first frames. bench/codec has such frames
// decoded by libjpeg-turbo and DCMTK too.
var contents = []struct{ name, path string }{
	{"CT", "syntaxes/ct-all/jpeg-lossless-sv1.dcm"},
	{"MR", "syntaxes/mr-all/jpeg-lossless-sv1-a.dcm"},
	{"MG", "modalities/mg-sv1.dcm"},
	{"US", "multiframe/us-2-sv1-rgb.dcm"},
	{"SC", "syntaxes/colour/secondary-sv1-rgb.dcm"},
	{"P14", "syntaxes/edge/p14-1024.dcm"},
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range contents {
		b.Run(c.name, func(b *testing.B) {
			m := codectest.Open(b, filepath.Join(testkit.Shared(b), "data", c.path))
			src := m.Encoded(b, 1)
			f, err := jpeglossless.SV1().Decode(src, m.Description, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(f.Data)))
			b.ReportAllocs()
			for b.Loop() {
				if f, err = jpeglossless.SV1().Decode(src, m.Description, f.Data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, e := range []codec.Encoder{jpeglossless.SV1(), jpeglossless.Process14()} {
		for _, c := range contents[:5] {
			b.Run(e.TransferSyntax().UID+"/"+c.name, func(b *testing.B) {
				m := codectest.Open(b, filepath.Join(testkit.Shared(b), "data", c.path))
				f, err := e.Decode(m.Encoded(b, 1), m.Description, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(f.Data)))
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					if out, err = e.Encode(out[:0], f, codec.Options{}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(f.Data))/float64(len(out)), "ratio")
			})
		}
	}
}
