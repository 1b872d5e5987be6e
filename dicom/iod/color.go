package iod

import (
	"math"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// RGB is a colour in sRGB (IEC 61966-2-1).
type RGB [3]uint8

// ReadCIELab reads an attribute that holds a colour as CIELab values and returns it in sRGB; false
// when it is not there.
func ReadCIELab(d *dicom.Dataset, t tag.Tag) (RGB, bool) {
	v := d.Ints(t)
	if len(v) != 3 {
		return RGB{}, false
	}
	return CIELab(uint16(v[0]), uint16(v[1]), uint16(v[2])), true
}

// CIELab converts PCS values to sRGB. They are encoded as in an ICC profile of version 2 with
// all 16 bits used (PS3.3 C.10.7.1.1): L* 0 to 100, a* and b* -128 to 127 over 0 to 65535. The
// PCS is seen under D50, sRGB under D65: Bradford adaptation lies between. Colours beyond sRGB
// are clipped.
func CIELab(l, a, b uint16) RGB {
	L := float64(l) * 100 / 65535
	A := float64(a)*255/65535 - 128
	B := float64(b)*255/65535 - 128
	fy := (L + 16) / 116
	// The PCS illuminant of ICC.1, which D50 is.
	return XYZ([3]float64{0.9642 * labInverse(fy+A/500), labInverse(fy), 0.8249 * labInverse(fy-B/200)})
}

// LinearSRGB takes XYZ under D50 to linear sRGB: sRGB's primaries, adapted after Bradford,
// inverted. By rows.
var LinearSRGB = [9]float64{
	3.1338561, -1.6168667, -0.4906146,
	-0.9787684, 1.9161415, 0.0334540,
	0.0719453, -0.2289914, 1.4052427,
}

// XYZ converts a colour under D50 to sRGB.
func XYZ(xyz [3]float64) (c RGB) {
	m := LinearSRGB
	for i := range c {
		c[i] = Gamma(m[3*i]*xyz[0] + m[3*i+1]*xyz[1] + m[3*i+2]*xyz[2])
	}
	return c
}

// labInverse is f⁻¹ of CIE 15: a cube above 6/29, a line below.
func labInverse(t float64) float64 {
	if t > 6.0/29 {
		return t * t * t
	}
	return 3 * 6 * 6 / (29.0 * 29) * (t - 4.0/29)
}

// Gamma encodes a linear component of sRGB in 8 bits; NaN is 0.
func Gamma(c float64) uint8 {
	switch {
	case !(c > 0):
		return 0
	case c <= 0.0031308:
		c *= 12.92
	default:
		c = 1.055*math.Pow(c, 1/2.4) - 0.055
	}
	return uint8(math.Round(255 * min(c, 1)))
}
