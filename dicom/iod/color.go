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
	x, y, z := 0.9642*labInverse(fy+A/500), labInverse(fy), 0.8249*labInverse(fy-B/200)
	// sRGB's primaries under D50, inverted.
	return RGB{
		gamma(3.1338561*x - 1.6168667*y - 0.4906146*z),
		gamma(-0.9787684*x + 1.9161415*y + 0.0334540*z),
		gamma(0.0719453*x - 0.2289914*y + 1.4052427*z),
	}
}

// labInverse is f⁻¹ of CIE 15: a cube above 6/29, a line below.
func labInverse(t float64) float64 {
	if t > 6.0/29 {
		return t * t * t
	}
	return 3 * 6 * 6 / (29.0 * 29) * (t - 4.0/29)
}

// gamma encodes a linear component in 8 bits.
func gamma(c float64) uint8 {
	if c <= 0.0031308 {
		c *= 12.92
	} else {
		c = 1.055*math.Pow(c, 1/2.4) - 0.055
	}
	return uint8(math.Round(255 * min(max(c, 0), 1)))
}
