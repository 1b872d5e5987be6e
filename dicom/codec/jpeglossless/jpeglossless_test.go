package jpeglossless_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
)

// shapes are what the encoders take: every depth, both signs, odd sizes, all photometric
// interpretations.
func shapes() (out []codec.Description) {
	for stored := 1; stored <= 16; stored++ {
		for signed := range 2 {
			if stored <= 8 {
				out = append(out, codectest.Grey(33, 17, stored, 8, signed))
			}
			out = append(out, codectest.Grey(17, 33, stored, 16, signed))
		}
	}
	for _, size := range [][2]int{{1, 1}, {1, 9}, {9, 1}, {7, 5}, {2, 2}, {300, 200}} {
		out = append(out, codectest.Grey(size[0], size[1], 12, 16, 0), codectest.Grey(size[0], size[1], 8, 8, 0),
			codectest.Color(size[0], size[1], 8, 8, "RGB"), codectest.Color(size[0], size[1], 16, 16, "RGB"))
	}
	for _, p := range []string{"YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "HSV"} {
		out = append(out, codectest.Color(33, 17, 8, 8, p))
	}
	palette, inverse, cmyk := codectest.Grey(33, 17, 8, 8, 0), codectest.Grey(33, 17, 10, 16, 0), codectest.Color(33, 17, 8, 8, "CMYK")
	palette.PhotometricInterpretation, inverse.PhotometricInterpretation, cmyk.SamplesPerPixel = "PALETTE COLOR", "MONOCHROME1", 4
	return append(out, palette, inverse, cmyk)
}

// refused are what no lossless JPEG holds.
func refused() []codec.Description {
	float := codectest.Grey(4, 4, 32, 32, 0)
	float.Float = true
	two := codectest.Grey(4, 4, 8, 8, 0)
	two.SamplesPerPixel = 2
	return []codec.Description{codectest.Grey(4, 4, 1, 1, 0), codectest.Grey(4, 4, 12, 12, 0), codectest.Grey(4, 4, 32, 32, 0),
		codectest.Grey(4, 4, 64, 64, 0), float, two}
}

func TestSV1(t *testing.T) {
	t.Parallel()
	codectest.Run(t, codectest.Suite{Codec: jpeglossless.SV1(), Files: 122, Shapes: shapes(), Refuse: refused()})
}

func TestProcess14(t *testing.T) {
	t.Parallel()
	codectest.Run(t, codectest.Suite{Codec: jpeglossless.Process14(), Files: 2, Shapes: shapes(), Refuse: refused()})
}
