package jpegls_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
)

// shapes are all depths, signs and colours that the syntaxes take, in sizes even, odd and narrow.
func shapes(lossy bool) (out []codec.Description) {
	out = append(out, codectest.Grey(300, 200, 12, 16, 0))
	for _, size := range [][2]int{{1, 1}, {1, 50}, {50, 1}, {7, 5}, {33, 17}} {
		out = append(out,
			codectest.Grey(size[0], size[1], 8, 8, 0),
			codectest.Grey(size[0], size[1], 16, 16, 1),
			codectest.Color(size[0], size[1], 8, 8, "RGB"))
	}
	for _, sign := range []int{0, 1} {
		for stored := 1; stored <= 16; stored++ {
			if lossy && stored < 3 {
				continue // an error of 2 is more than half of what there is
			}
			if stored <= 8 {
				out = append(out, codectest.Grey(33, 41, stored, 8, sign))
			}
			out = append(out, codectest.Grey(41, 33, stored, 16, sign))
		}
	}
	for _, stored := range []int{8, 10, 12, 16} {
		out = append(out, codectest.Color(61, 47, stored, 16, "RGB"))
	}
	inverse := codectest.Grey(64, 64, 10, 16, 0)
	inverse.PhotometricInterpretation = "MONOCHROME1"
	four := codectest.Color(31, 33, 8, 8, "CMYK")
	four.SamplesPerPixel = 4
	out = append(out, codectest.Color(120, 100, 8, 8, "YBR_FULL"), codectest.Color(7, 5, 8, 8, "YBR_FULL_422"), inverse, four)
	if !lossy {
		palette := codectest.Grey(64, 64, 8, 8, 0)
		palette.PhotometricInterpretation = "PALETTE COLOR"
		out = append(out, palette)
	}
	return out
}

// refused are frames that the syntaxes do not hold.
func refused() []codec.Description {
	two := codectest.Color(4, 4, 8, 8, "RGB")
	two.SamplesPerPixel = 2
	real := codectest.Grey(4, 4, 32, 32, 0)
	real.Float = true
	return []codec.Description{
		codectest.Grey(4, 4, 1, 1, 0), codectest.Grey(4, 4, 12, 12, 0), codectest.Grey(4, 4, 32, 32, 0), real, two,
		codectest.Color(4, 4, 8, 8, "YBR_RCT"), codectest.Color(4, 4, 8, 8, "MONOCHROME2"),
	}
}

func TestLossless(t *testing.T) {
	codectest.Run(t, codectest.Suite{Codec: jpegls.Lossless(), Files: 11, Shapes: shapes(false), Refuse: refused()})
}

func TestNearLossless(t *testing.T) {
	palette := codectest.Grey(4, 4, 8, 8, 0)
	palette.PhotometricInterpretation = "PALETTE COLOR"
	codectest.Run(t, codectest.Suite{
		Codec: jpegls.NearLossless(), Files: 4, Shapes: shapes(true), Refuse: append(refused(), palette, codectest.Grey(4, 4, 2, 8, 0)),
		Options: []codec.Options{{}, {Near: 1}, {Near: 3}},
		MaxError: func(o codec.Options) int {
			if o.Near == 0 {
				return 2
			}
			return o.Near
		},
	})
}
