package codectest

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
)

// contents are what frames show: each stresses another part of a codec.
var contents = []struct {
	name string
	at   func(r *rand.Rand, x, y, c, max int) int // sample value, 0 to max
}{
	{"flat", func(_ *rand.Rand, _, _, c, max int) int { return max / (c + 2) }},
	{"noise", func(r *rand.Rand, _, _, _, max int) int { return r.IntN(max + 1) }},
	{"extremes", func(r *rand.Rand, _, _, _, max int) int { return r.IntN(2) * max }},
	{"natural", natural},
}

// natural is smooth with edges and a little noise, as images are.
func natural(r *rand.Rand, x, y, c, max int) int {
	v := 0.5 + 0.3*math.Sin(float64(x+7*c)/9) + 0.2*math.Cos(float64(y)/13)
	if (x/24+y/40)%3 == 0 {
		v *= 0.4
	}
	n := int(v*float64(max)*0.8) + r.IntN(max/64+1)
	return min(n, max)
}

// Grey, Color return descriptions of common shapes.
func Grey(rows, columns, stored, allocated, signed int) codec.Description {
	return codec.Description{Rows: rows, Columns: columns, SamplesPerPixel: 1, BitsAllocated: allocated, BitsStored: stored,
		HighBit: stored - 1, PixelRepresentation: signed, PhotometricInterpretation: "MONOCHROME2"}
}

// Color returns the description of an image of three samples per pixel.
func Color(rows, columns, stored, allocated int, photometric string) codec.Description {
	d := Grey(rows, columns, stored, allocated, 0)
	d.SamplesPerPixel, d.PhotometricInterpretation = 3, photometric
	return d
}

// Draw makes a frame: content is flat, noise, extremes or natural. The same arguments give the
// same frame.
func Draw(d codec.Description, content string) codec.Frame {
	f, err := d.New(nil)
	if err != nil {
		panic(err)
	}
	r := rand.New(rand.NewPCG(uint64(d.Rows), uint64(d.Columns)))
	for _, c := range contents {
		if c.name != content {
			continue
		}
		i, width := 0, d.Width()
		limit := math.MaxInt32
		if d.BitsStored < 31 {
			limit = 1<<d.BitsStored - 1
		}
		for y := range d.Rows {
			for x := range d.Columns {
				for s := range d.SamplesPerPixel {
					v := c.at(r, x, y, s, limit)
					if d.PixelRepresentation == 1 {
						v -= limit/2 + 1
					}
					switch width {
					case 1:
						f.Data[i] = byte(v)
					case 2:
						binary.LittleEndian.PutUint16(f.Data[i:], uint16(v))
					case 4:
						binary.LittleEndian.PutUint32(f.Data[i:], uint32(v))
					default:
						binary.LittleEndian.PutUint64(f.Data[i:], uint64(v))
					}
					i += width
				}
			}
		}
	}
	return f
}
