package jpegls_test

import (
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/all"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// each runs a benchmark on the first frames of corpus files. bench/codec has such frames decoded
// by CharLS and DCMTK too.
func each(b *testing.B, run func(b *testing.B, e codec.Encoder, f codec.Frame)) {
	for _, e := range []struct {
		name string
		codec.Encoder
	}{{"lossless", jpegls.Lossless()}, {"near", jpegls.NearLossless()}} {
		for _, c := range []struct{ name, path string }{
			{"CT", "syntaxes/ct-all/jpegls-lossless.dcm"},
			{"MR", "syntaxes/mr-all/jpegls-a.dcm"},
			{"MG", "modalities/mg-sv1.dcm"},
			{"US", "multiframe/us-2-sv1-rgb.dcm"},
		} {
			b.Run(e.name+"/"+c.name, func(b *testing.B) {
				m := codectest.Open(b, filepath.Join(testkit.Shared(b), "data", c.path))
				decoder, err := all.Codecs().Decoder(m.Header.TransferSyntax.UID)
				if err != nil {
					b.Fatal(err)
				}
				f, err := decoder.Decode(m.Encoded(b, 1), m.Description, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(f.Data)))
				b.ReportAllocs()
				run(b, e.Encoder, f)
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	each(b, func(b *testing.B, e codec.Encoder, f codec.Frame) {
		encoded, err := e.Encode(nil, f, codec.Options{})
		if err != nil {
			b.Fatal(err)
		}
		var out codec.Frame
		for b.Loop() {
			if out, err = e.Decode(encoded, f.Description, out.Data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	each(b, func(b *testing.B, e codec.Encoder, f codec.Frame) {
		var out []byte
		for b.Loop() {
			var err error
			if out, err = e.Encode(out[:0], f, codec.Options{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(f.Data))/float64(len(out)), "ratio")
	})
}
