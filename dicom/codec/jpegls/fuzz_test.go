package jpegls_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
)

func FuzzDecode(f *testing.F) {
	var seeds []codectest.Specimen
	for _, s := range []struct {
		codec codec.Encoder
		codec.Description
	}{
		{jpegls.Lossless(), codectest.Grey(9, 31, 8, 8, 0)},
		{jpegls.Lossless(), codectest.Grey(17, 9, 12, 16, 0)},
		{jpegls.NearLossless(), codectest.Grey(9, 17, 16, 16, 1)},
		{jpegls.Lossless(), codectest.Color(7, 11, 8, 8, "RGB")},
		{jpegls.NearLossless(), codectest.Color(11, 7, 8, 8, "YBR_FULL")},
	} {
		for _, content := range []string{"natural", "flat"} {
			b, err := s.codec.Encode(nil, codectest.Draw(s.Description, content), codec.Options{})
			if err != nil {
				f.Fatal(err)
			}
			seeds = append(seeds, codectest.Specimen{Description: s.Description, Encoded: b})
		}
	}
	for _, v := range variants(f) {
		seeds = append(seeds, v.Specimen)
	}
	codectest.Fuzz(f, jpegls.Lossless(), seeds...)
}
