package render

import (
	"image"
	"math"
)

// tap is what a new row or column is interpolated from: four old ones, weights over 4096.
type tap struct{ at, weights [4]int32 }

// taps places to samples among from, which are fewer, by Catmull-Rom's cubic. Beyond the edges
// the last sample goes on.
func taps(from, to int) []tap {
	out := make([]tap, to)
	for i := range out {
		x := (float64(i)+0.5)*float64(from)/float64(to) - 0.5
		first := math.Floor(x)
		t := x - first
		sum := int32(0)
		for k, w := range [4]float64{((2-t)*t - 1) * t / 2, ((3*t-5)*t*t + 2) / 2, ((4-3*t)*t + 1) * t / 2, (t - 1) * t * t / 2} {
			out[i].at[k] = int32(min(max(int(first)-1+k, 0), from-1))
			out[i].weights[k] = int32(math.Round(4096 * w))
			sum += out[i].weights[k]
		}
		out[i].weights[1] += 4096 - sum
	}
	return out
}

// enlarge interpolates: a row along its length once, when it is first needed, then between four of
// them. Rows keep 6 bits of fraction.
func enlarge(dst []uint8, to image.Point, src []uint8, from image.Point, n int) {
	columns := taps(from.X, to.X)
	var rows [4][]int32 // by the last bits of their number
	var have [4]int32
	for i := range rows {
		rows[i], have[i] = make([]int32, to.X*n), -1
	}
	for y, r := range taps(from.Y, to.Y) {
		for _, at := range r.at {
			if have[at&3] == at {
				continue
			}
			have[at&3] = at
			row, out := src[int(at)*from.X*n:][:from.X*n], rows[at&3]
			for x := range columns {
				c := &columns[x]
				for b := range n {
					m, i := int32(n), int32(b)
					v := int32(row[c.at[0]*m+i])*c.weights[0] + int32(row[c.at[1]*m+i])*c.weights[1] +
						int32(row[c.at[2]*m+i])*c.weights[2] + int32(row[c.at[3]*m+i])*c.weights[3]
					out[x*n+b] = (v + 1<<5) >> 6
				}
			}
		}
		out := dst[y*to.X*n:][:to.X*n]
		r0, r1, r2, r3 := rows[r.at[0]&3][:len(out)], rows[r.at[1]&3][:len(out)], rows[r.at[2]&3][:len(out)], rows[r.at[3]&3][:len(out)]
		w := r.weights
		for i := range out {
			v := (r0[i]*w[0] + r1[i]*w[1] + r2[i]*w[2] + r3[i]*w[3] + 1<<17) >> 18
			out[i] = uint8(min(max(v, 0), 255))
		}
	}
}
