package jpeglossless_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
)

// contents are images of the corpus.
var contents = []string{
	"syntaxes/ct-all/jpeg-lossless-sv1.dcm", "syntaxes/mr-all/jpeg-lossless-sv1-a.dcm", "modalities/mg-sv1.dcm", "multiframe/us-2-sv1-rgb.dcm",
	"syntaxes/colour/secondary-sv1-rgb.dcm", "syntaxes/edge/p14-1024.dcm",
}

func BenchmarkCodec(b *testing.B) {
	b.Run("SV1", func(b *testing.B) { codectest.Bench(b, jpeglossless.SV1(), contents...) })
	b.Run("process 14", func(b *testing.B) { codectest.Bench(b, jpeglossless.Process14(), contents...) })
}
