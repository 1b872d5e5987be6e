package ycc_test

import (
	"math"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec/ycc"
)

// All colours: both ways are the formulas of ITU-T T.871 7, rounded once.
func TestAllColours(t *testing.T) {
	t.Parallel()
	far := func(got byte, exact float64) bool {
		return math.Abs(float64(got)-min(max(exact, 0), 255)) > 0.505 // constants have 16 bits
	}
	for r := 0; r < 256; r++ {
		for g := 0; g < 256; g += 3 {
			for b := 0; b < 256; b++ {
				fr, fg, fb := float64(r), float64(g), float64(b)
				y, cb, cr := ycc.FromRGB(byte(r), byte(g), byte(b))
				if far(y, 0.299*fr+0.587*fg+0.114*fb) || far(cb, 128-0.168735892*fr-0.331264108*fg+0.5*fb) || far(cr, 128+0.5*fr-0.418687589*fg-0.081312411*fb) {
					t.Fatalf("%d %d %d is %d %d %d", r, g, b, y, cb, cr)
				}
				p := []byte{byte(r), byte(g), byte(b)} // now taken for YCbCr
				ycc.ToRGB(p, p)
				if far(p[0], fr+1.402*(fb-128)) || far(p[2], fr+1.772*(fg-128)) || far(p[1], fr-0.344136286*(fg-128)-0.714136286*(fb-128)) {
					t.Fatalf("YCbCr %d %d %d is %v", r, g, b, p)
				}
			}
		}
	}
}

// What is no whole pixel stays as it is.
func TestToRGBLengths(t *testing.T) {
	dst := []byte{1, 1, 1, 1, 1}
	ycc.ToRGB(dst, []byte{50, 128, 128, 60, 128, 128})
	if string(dst) != string([]byte{50, 50, 50, 1, 1}) {
		t.Error(dst)
	}
	ycc.ToRGB(nil, nil)
}
