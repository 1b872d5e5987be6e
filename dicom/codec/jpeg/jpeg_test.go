package jpeg_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
)

func TestBaseline(t *testing.T) {
	codectest.Run(t, codectest.Suite{Codec: jpeg.Baseline, Files: 25})
}

func TestExtended(t *testing.T) {
	codectest.Run(t, codectest.Suite{Codec: jpeg.Extended, Files: 5})
}

func TestRetired(t *testing.T) {
	for _, c := range []codec.Codec{jpeg.Spectral, jpeg.Progressive} {
		codectest.Run(t, codectest.Suite{Codec: c, Files: 1})
	}
}
