package jpeg_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
)

// sizes of frames: blocks and MCU that are cut at every edge, and none.
var sizes = [][2]int{{1, 1}, {1, 40}, {40, 1}, {7, 5}, {16, 16}, {33, 17}, {200, 300}}

func shapes(of ...func(rows, columns int) codec.Description) (out []codec.Description) {
	for _, s := range sizes {
		for _, d := range of {
			out = append(out, d(s[0], s[1]))
		}
	}
	return out
}

func grey(stored, allocated, signed int) func(rows, columns int) codec.Description {
	return func(rows, columns int) codec.Description {
		return codectest.Grey(rows, columns, stored, allocated, signed)
	}
}

func color(photometric string) func(rows, columns int) codec.Description {
	return func(rows, columns int) codec.Description {
		return codectest.Color(rows, columns, 8, 8, photometric)
	}
}

// notEncoded by any of the codecs.
func notEncoded() []codec.Description {
	palette := codectest.Grey(16, 16, 8, 8, 0)
	palette.PhotometricInterpretation = "PALETTE COLOR"
	shifted := codectest.Grey(16, 16, 8, 16, 0)
	shifted.HighBit = 15
	return []codec.Description{palette, shifted, codectest.Grey(16, 16, 8, 8, 1), codectest.Grey(16, 16, 12, 16, 1),
		codectest.Grey(16, 16, 13, 16, 0), codectest.Grey(16, 16, 16, 16, 0), codectest.Grey(16, 16, 32, 32, 0), codectest.Color(16, 16, 12, 16, "RGB"),
		codectest.Color(16, 16, 8, 8, "YBR_PARTIAL_420"), codectest.Color(16, 16, 8, 8, "HSV")}
}

// At quality 100 every step is 1: what is left is the rounding of 64 coefficients. At 90 it is 3
// to 24.
func maxError(o codec.Options) int {
	if o.Quality == 100 {
		return 3
	}
	return 50
}

var options = []codec.Options{{}, {Quality: 100}}

func TestBaseline(t *testing.T) {
	codectest.Run(t, codectest.Suite{Codec: jpeg.Baseline(), Files: 25, Options: options, MaxError: maxError,
		Shapes: shapes(grey(8, 8, 0), color("YBR_FULL")),
		Refuse: append(notEncoded(), codectest.Grey(16, 16, 12, 16, 0))})
}

func TestExtended(t *testing.T) {
	codectest.Run(t, codectest.Suite{Codec: jpeg.Extended(), Files: 5, Options: options, MaxError: maxError,
		Shapes: shapes(grey(9, 16, 0), grey(12, 16, 0), grey(8, 8, 0), color("YBR_FULL")), Refuse: notEncoded()})
}

func TestRetired(t *testing.T) {
	for _, c := range []codec.Codec{jpeg.Spectral(), jpeg.Progressive()} {
		t.Run(c.TransferSyntax().UID, func(t *testing.T) { codectest.Run(t, codectest.Suite{Codec: c, Files: 1}) })
	}
}
