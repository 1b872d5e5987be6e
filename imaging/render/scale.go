package render

import (
	"encoding/binary"
	"image"
)

// scale resizes a picture of n bytes a pixel, rows without gaps. What becomes smaller is averaged
// over the area of each new pixel: every sample counts, none twice. What becomes larger is
// interpolated. x/image/draw has neither for image.Gray, and its CatmullRom takes ten times as
// long and more (BenchmarkScale).
func scale(dst []uint8, to image.Point, src []uint8, from image.Point, n int) {
	least := image.Pt(min(to.X, from.X), min(to.Y, from.Y))
	if least == to {
		reduce(dst, to, src, from, n)
		return
	}
	if least != from {
		reduced := make([]uint8, least.X*least.Y*n)
		reduce(reduced, least, src, from, n)
		src = reduced
	}
	enlarge(dst, to, src, least, n)
}

// share is the part of a source row or column that goes into a new one: weights over 256 parts.
type share struct {
	first   int
	weights []uint16
}

// shares divides from rows or columns among to, exactly: rounding errors are passed on, so that
// the weights of each sum up to 256.
func shares(from, to int) []share {
	out := make([]share, to)
	for i := range out {
		// New pixel i covers [i*from, (i+1)*from) in units of 1/to of a source pixel.
		low, high := i*from, (i+1)*from
		first, last := low/to, (high-1)/to
		weights := make([]uint16, last-first+1)
		given, covered := 0, 0
		for k := range weights {
			begin, end := max((first+k)*to, low), min((first+k+1)*to, high)
			covered += end - begin
			part := (covered*256 + from/2) / from
			weights[k] = uint16(part - given)
			given = part
		}
		out[i] = share{first, weights}
	}
	return out
}

const lanes = 0x00FF00FF00FF00FF

// reduce averages. Rows are summed eight bytes at a time in lanes of 16 bits, which 255*256 fits
// into; then columns.
func reduce(dst []uint8, to image.Point, src []uint8, from image.Point, n int) {
	if n == 1 && from == to.Mul(2) && to.X%4 == 0 {
		halve(dst, to, src)
		return
	}
	rows, columns := shares(from.Y, to.Y), shares(from.X, to.X)
	stride := from.X * n
	padded := (stride + 7) &^ 7
	even, odd := make([]uint64, padded/8), make([]uint64, padded/8)
	sums := make([]uint16, padded)
	var tail [8]uint8
	for y, s := range rows {
		clear(even)
		clear(odd)
		for k, weight := range s.weights {
			if weight == 0 {
				continue
			}
			row, w := src[(s.first+k)*stride:][:stride], uint64(weight)
			i := 0
			for ; len(row) >= 8; row, i = row[8:], i+1 {
				v := binary.LittleEndian.Uint64(row)
				even[i] += v & lanes * w
				odd[i] += v >> 8 & lanes * w
			}
			if len(row) > 0 {
				copy(tail[:], row)
				v := binary.LittleEndian.Uint64(tail[:])
				even[i] += v & lanes * w
				odd[i] += v >> 8 & lanes * w
			}
		}
		for i := range even {
			e, o, out := even[i], odd[i], sums[8*i:][:8]
			out[0], out[1], out[2], out[3] = uint16(e), uint16(o), uint16(e>>16), uint16(o>>16)
			out[4], out[5], out[6], out[7] = uint16(e>>32), uint16(o>>32), uint16(e>>48), uint16(o>>48)
		}
		out := dst[y*to.X*n:][:to.X*n]
		for x, c := range columns {
			for b := range n {
				var sum uint32
				at := c.first*n + b
				for _, w := range c.weights {
					sum += uint32(sums[at]) * uint32(w)
					at += n
				}
				out[x*n+b] = uint8((sum + 1<<15) >> 16)
			}
		}
	}
}

// halve is reduce for grey pictures of exactly twice the size, as thumbnails of CT are: four new
// pixels at a time, of eight and eight old ones.
func halve(dst []uint8, to image.Point, src []uint8) {
	const two = 0x0002000200020002 // rounds
	stride := 2 * to.X
	for y := range to.Y {
		upper, lower := src[2*y*stride:][:stride], src[(2*y+1)*stride:][:stride]
		out := dst[y*to.X:][:to.X]
		for ; len(upper) >= 8 && len(lower) >= 8 && len(out) >= 4; upper, lower, out = upper[8:], lower[8:], out[4:] {
			a, b := binary.LittleEndian.Uint64(upper), binary.LittleEndian.Uint64(lower)
			v := (a&lanes + a>>8&lanes + b&lanes + b>>8&lanes + two) >> 2 & lanes
			v |= v >> 8
			binary.LittleEndian.PutUint32(out, uint32(v&0xFFFF|v>>16&0xFFFF0000))
		}
	}
}
