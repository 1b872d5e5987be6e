package jpegls_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
)

func BenchmarkCodec(b *testing.B) {
	images := []string{"syntaxes/ct-all/jpegls-lossless.dcm", "syntaxes/mr-all/jpegls-a.dcm", "modalities/mg-sv1.dcm", "multiframe/us-2-sv1-rgb.dcm"}
	b.Run("lossless", func(b *testing.B) { codectest.Bench(b, jpegls.Lossless(), images...) })
	b.Run("near", func(b *testing.B) { codectest.Bench(b, jpegls.NearLossless(), images...) })
}
