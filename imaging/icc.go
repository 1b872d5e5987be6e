package imaging

import (
	"encoding/binary"
	"math"

	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Profile is an ICC input or display profile of RGB (ICC.1; PS3.3 C.11.15) made ready to convert
// to sRGB: of three curves and a matrix, or of a table. Immutable.
type Profile struct {
	name     string
	identity bool

	// Of a matrix: the linear value of each sample, and the matrix to linear sRGB.
	curves *[3][256]float32
	matrix [9]float32

	cube []uint8 // of a table: grid³ colours of sRGB, the first channel slowest
}

const grid = 33

// gammaTable encodes 4096 steps of a linear sample for sRGB (IEC 61966-2-1).
var gammaTable = func() (t [4096]uint8) {
	for i := range t {
		t[i] = iod.Gamma(float64(i) / 4095)
	}
	return t
}()

// maxProfile bounds a profile: those of scanners and printers have a few MB at most, and what is
// read of one takes several times its size.
const maxProfile = 8 << 20

// ReadProfile reads a profile; errs.Unsupported when it is none that can be applied here.
func ReadProfile(b []byte) (*Profile, error) {
	if len(b) > maxProfile {
		return nil, errs.Errorf(errs.Exhausted, "imaging.ReadProfile", "a profile of %d bytes is more than is read here", len(b))
	}
	r, err := readTags(b)
	if err != nil {
		return nil, err
	}
	p := &Profile{name: r.description()}
	switch {
	case r.pcs == "XYZ " && r.tags["rXYZ"] != nil:
		err = p.readMatrix(r)
	default:
		err = p.readTable(r)
	}
	if err != nil {
		return nil, err
	}
	p.identity = p.isIdentity()
	return p, nil
}

// Name returns the profile's description.
func (p *Profile) Name() string { return p.name }

// SRGB reports whether conversion would leave colours as they are.
func (p *Profile) SRGB() bool { return p.identity }

// Convert converts pixels of four bytes, the fourth being left alone, to sRGB.
func (p *Profile) Convert(pix []uint8) {
	var last [3]uint8
	var result [3]uint8
	have := false
	for ; len(pix) >= 4; pix = pix[4:] {
		in := [3]uint8(pix)
		if !have || in != last { // neighbours are often alike
			last, result, have = in, p.at(in), true
		}
		copy(pix, result[:])
	}
}

func (p *Profile) at(in [3]uint8) (out [3]uint8) {
	if p.curves != nil {
		r, g, b := p.curves[0][in[0]], p.curves[1][in[1]], p.curves[2][in[2]]
		for c := range out {
			v := p.matrix[3*c]*r + p.matrix[3*c+1]*g + p.matrix[3*c+2]*b
			out[c] = gammaTable[int(unit(float64(v))*4095+0.5)]
		}
		return out
	}
	// Trilinear, in 1/255 of a cell.
	var low, part [3]int
	for c, v := range in {
		n := int(v) * (grid - 1)
		low[c], part[c] = n/255, n%255
	}
	var sum [3]int
	for corner := range 8 {
		weight, at := 1, 0
		for c := range 3 {
			i, w := low[c], 255-part[c]
			if corner>>c&1 == 1 {
				i, w = min(i+1, grid-1), part[c]
			}
			weight *= w
			at = at*grid + i
		}
		for c := range sum {
			sum[c] += weight * int(p.cube[3*at+c])
		}
	}
	for c := range out {
		out[c] = uint8((sum[c] + 255*255*255/2) / (255 * 255 * 255))
	}
	return out
}

// isIdentity tries colours from all over: sRGB has many names and few values.
func (p *Profile) isIdentity() bool {
	for r := 0; r < 256; r += 17 {
		for g := 0; g < 256; g += 17 {
			for b := 0; b < 256; b += 17 {
				in := [3]uint8{uint8(r), uint8(g), uint8(b)}
				for c, v := range p.at(in) {
					if d := int(v) - int(in[c]); d < -3 || d > 3 {
						return false
					}
				}
			}
		}
	}
	return true
}

// readMatrix reads the three-component matrix model (ICC.1 F.3).
func (p *Profile) readMatrix(r *iccReader) error {
	var curves [3][256]float32
	var columns [3][3]float64
	for c, color := range [...]string{"r", "g", "b"} {
		xyz := r.tags[color+"XYZ"]
		if len(xyz) < 20 {
			return unsupported("it has no " + color + "XYZ")
		}
		for i := range 3 {
			columns[c][i] = fixed(xyz[8+4*i:])
		}
		trc, _, err := readCurve(r.tags[color+"TRC"])
		if err != nil {
			return err
		}
		for i := range 256 {
			curves[c][i] = float32(trc(float64(i) / 255))
		}
	}
	p.curves = &curves
	for i := range 3 {
		for c := range 3 {
			for k := range 3 {
				p.matrix[3*i+c] += float32(iod.LinearSRGB[3*i+k] * columns[c][k])
			}
		}
	}
	return nil
}

// readTable reads AToB0, perceptual, into a cube.
func (p *Profile) readTable(r *iccReader) error {
	eval, err := readAToB(r.tags["A2B0"])
	if err != nil {
		return err
	}
	legacy := string(r.tags["A2B0"][:4]) == "mft2"
	p.cube = make([]uint8, 0, grid*grid*grid*3)
	for i := range grid * grid * grid {
		pcs := eval([3]float64{float64(i/(grid*grid)) / (grid - 1), float64(i/grid%grid) / (grid - 1), float64(i%grid) / (grid - 1)})
		if r.pcs == "Lab " {
			if legacy { // 16 bits as in version 2: FF00 is 100 (ICC.1 6.3.4.2, note)
				for c := range pcs {
					pcs[c] *= 65535.0 / 65280
				}
			}
			bits := func(v float64) uint16 { return uint16(math.Round(65535 * unit(v))) }
			rgb := iod.CIELab(bits(pcs[0]), bits(pcs[1]), bits(pcs[2]))
			p.cube = append(p.cube, rgb[:]...)
			continue
		}
		for c := range pcs { // u1Fixed15: 1.0 is 8000
			pcs[c] *= 65535.0 / 32768
		}
		rgb := iod.XYZ(pcs)
		p.cube = append(p.cube, rgb[:]...)
	}
	return nil
}

func unsupported(why string) error {
	return errs.Errorf(errs.Unsupported, "imaging.Profile", "the ICC profile cannot be applied: %s", why)
}

// fixed reads an s15Fixed16.
func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

// unit returns v as far as it lies in 0 to 1; NaN, which hostile curves make, is 0.
func unit(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	return min(v, 1)
}
