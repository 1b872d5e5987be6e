package jpegls_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
)

func TestLossless(t *testing.T) {
	codectest.Run(t, codectest.Suite{Codec: jpegls.Lossless(), Files: 11})
}

func TestNearLossless(t *testing.T) {
	codectest.Run(t, codectest.Suite{Codec: jpegls.NearLossless(), Files: 4})
}
