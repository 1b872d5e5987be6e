package imaging

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf16"
)

// iccReader has a profile's tags, whose data are at least 8 bytes each.
type iccReader struct {
	pcs  string
	tags map[string][]byte
}

// readTags reads header and tag table of an RGB profile (ICC.1 7.2, 7.3).
func readTags(b []byte) (*iccReader, error) {
	if len(b) < 132 || string(b[36:40]) != "acsp" {
		return nil, unsupported("it is none")
	}
	if space := string(b[16:20]); space != "RGB " {
		return nil, unsupported("it is not for RGB")
	}
	r := &iccReader{pcs: string(b[20:24]), tags: map[string][]byte{}}
	if r.pcs != "XYZ " && r.pcs != "Lab " {
		return nil, unsupported("its connection space is unknown")
	}
	table := b[132:]
	for range min(int(binary.BigEndian.Uint32(b[128:])), len(table)/12, 256) {
		at, n := uint64(binary.BigEndian.Uint32(table[4:])), uint64(binary.BigEndian.Uint32(table[8:]))
		if n >= 8 && at+n <= uint64(len(b)) {
			r.tags[string(table[:4])] = b[at : at+n]
		}
		table = table[12:]
	}
	return r, nil
}

// description reads the profile's name, of version 2 or 4.
func (r *iccReader) description() string {
	b := r.tags["desc"]
	var name string
	switch {
	case len(b) > 12 && string(b[:4]) == "desc":
		n := min(int(binary.BigEndian.Uint32(b[8:])), len(b)-12)
		name = string(b[12 : 12+n])
	case len(b) >= 28 && string(b[:4]) == "mluc":
		n, at := int(binary.BigEndian.Uint32(b[20:])), int(binary.BigEndian.Uint32(b[24:]))
		if at <= len(b) && n <= len(b)-at {
			units := make([]uint16, n/2)
			for i := range units {
				units[i] = binary.BigEndian.Uint16(b[at+2*i:])
			}
			name = string(utf16.Decode(units))
		}
	}
	name = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, name)
	return name[:min(len(name), 100)]
}

type curve func(float64) float64

// readCurve reads a curv or para (ICC.1 10.6, 10.18) and returns how long it is.
func readCurve(b []byte) (curve, int, error) {
	if len(b) < 12 {
		return nil, 0, unsupported("a curve is missing")
	}
	switch string(b[:4]) {
	case "curv":
		n := int(binary.BigEndian.Uint32(b[8:]))
		if n > 65536 || 12+2*n > len(b) {
			return nil, 0, unsupported("a curve is cut short")
		}
		switch n {
		case 0:
			return func(v float64) float64 { return v }, 12, nil
		case 1:
			g := float64(binary.BigEndian.Uint16(b[12:])) / 256
			return func(v float64) float64 { return math.Pow(max(v, 0), g) }, 14, nil
		}
		table := make([]float64, n)
		for i := range table {
			table[i] = float64(binary.BigEndian.Uint16(b[12+2*i:])) / 65535
		}
		return sampled(table), 12 + 2*n, nil
	case "para":
		kind := binary.BigEndian.Uint16(b[8:])
		counts := [...]int{1, 3, 4, 5, 7}
		if int(kind) >= len(counts) || len(b) < 12+4*counts[kind] {
			return nil, 0, unsupported("a curve is of an unknown type")
		}
		var v [7]float64
		for i := range counts[kind] {
			v[i] = fixed(b[12+4*i:])
		}
		return parametric(kind, v), 12 + 4*counts[kind], nil
	}
	return nil, 0, unsupported("a curve is of an unknown type")
}

func parametric(kind uint16, p [7]float64) curve {
	g, a, b, c, d, e, f := p[0], p[1], p[2], p[3], p[4], p[5], p[6]
	pow := func(v float64) float64 { return math.Pow(max(v, 0), g) }
	switch kind {
	case 0:
		return pow
	case 1, 2: // c is 0 in the first of them
		return func(x float64) float64 {
			if a*x+b >= 0 {
				return pow(a*x+b) + c
			}
			return c
		}
	}
	return func(x float64) float64 { // e and f are 0 in the fourth
		if x >= d {
			return pow(a*x+b) + e
		}
		return c*x + f
	}
}

// sampled interpolates in a table over 0 to 1.
func sampled(table []float64) curve {
	return func(v float64) float64 {
		at := unit(v) * float64(len(table)-1)
		i := min(int(at), len(table)-2)
		if i < 0 {
			return table[0]
		}
		return table[i] + (table[i+1]-table[i])*(at-float64(i))
	}
}

// readAToB reads an mft1, mft2 or mAB of three channels in and out (ICC.1 10.10 to 10.12).
func readAToB(b []byte) (func([3]float64) [3]float64, error) {
	if len(b) < 32 {
		return nil, unsupported("it has neither matrix nor table")
	}
	if b[8] != 3 || b[9] != 3 {
		return nil, unsupported("its table is not of three channels")
	}
	switch string(b[:4]) {
	case "mft1", "mft2":
		return readOldTable(b)
	case "mAB ":
		return readNewTable(b)
	}
	return nil, unsupported("its table is of an unknown type")
}

func readOldTable(b []byte) (func([3]float64) [3]float64, error) {
	size, entries, exits, at := 1, 256, 256, 48
	if string(b[:4]) == "mft2" {
		if len(b) < 52 {
			return nil, unsupported("its table is cut short")
		}
		size, entries, exits, at = 2, int(binary.BigEndian.Uint16(b[48:])), int(binary.BigEndian.Uint16(b[50:])), 52
	}
	points := int(b[10])
	nodes := points * points * points * 3
	if points < 2 || entries < 2 || exits < 2 || len(b) < at+size*(3*entries+nodes+3*exits) {
		return nil, unsupported("its table is cut short")
	}
	next := func(n int) []float64 {
		out := samples(b[at:], n, size)
		at += n * size
		return out
	}
	var in, out [3]curve
	for c := range in {
		in[c] = sampled(next(entries))
	}
	clut := next(nodes)
	for c := range out {
		out[c] = sampled(next(exits))
	}
	counts := [3]int{points, points, points}
	return func(v [3]float64) [3]float64 {
		return apply(out, interpolate(clut, counts, apply(in, v)))
	}, nil
}

// readNewTable reads A curves, table, M curves, matrix and B curves, of which all but the last
// may be missing.
func readNewTable(b []byte) (func([3]float64) [3]float64, error) {
	offset := func(i int) int { return int(binary.BigEndian.Uint32(b[12+4*i:])) }
	var failed error
	curves := func(at int) (out [3]curve) {
		for c := range out {
			n := 0
			if at < 32 || at > len(b) {
				failed = unsupported("its table is cut short")
				return out
			}
			if out[c], n, failed = readCurve(b[at:]); failed != nil {
				return out
			}
			at += (n + 3) &^ 3
		}
		return out
	}
	var steps []func([3]float64) [3]float64
	if at := offset(4); at != 0 {
		a := curves(at)
		steps = append(steps, func(v [3]float64) [3]float64 { return apply(a, v) })
	}
	if at := offset(3); at != 0 && failed == nil {
		if at < 32 || at+20 > len(b) {
			return nil, unsupported("its table is cut short")
		}
		counts := [3]int{int(b[at]), int(b[at+1]), int(b[at+2])}
		size, n := int(b[at+16]), counts[0]*counts[1]*counts[2]*3
		if min(counts[0], counts[1], counts[2]) < 2 || size != 1 && size != 2 || len(b) < at+20+n*size {
			return nil, unsupported("its table is cut short")
		}
		clut := samples(b[at+20:], n, size)
		steps = append(steps, func(v [3]float64) [3]float64 { return interpolate(clut, counts, v) })
	}
	if at := offset(2); at != 0 && failed == nil {
		m := curves(at)
		steps = append(steps, func(v [3]float64) [3]float64 { return apply(m, v) })
	}
	if at := offset(1); at != 0 && failed == nil {
		if at < 32 || at+48 > len(b) {
			return nil, unsupported("its table is cut short")
		}
		var m [12]float64
		for i := range m {
			m[i] = fixed(b[at+4*i:])
		}
		steps = append(steps, func(v [3]float64) (out [3]float64) {
			for c := range out {
				out[c] = m[3*c]*v[0] + m[3*c+1]*v[1] + m[3*c+2]*v[2] + m[9+c]
			}
			return out
		})
	}
	if failed == nil {
		last := curves(offset(0))
		steps = append(steps, func(v [3]float64) [3]float64 { return apply(last, v) })
	}
	return func(v [3]float64) [3]float64 {
		for _, step := range steps {
			v = step(v)
		}
		return v
	}, failed
}

func apply(c [3]curve, v [3]float64) [3]float64 {
	return [3]float64{c[0](v[0]), c[1](v[1]), c[2](v[2])}
}

// samples reads n samples of size bytes as 0 to 1.
func samples(b []byte, n, size int) []float64 {
	out := make([]float64, n)
	for i := range out {
		if size == 1 {
			out[i] = float64(b[i]) / 255
		} else {
			out[i] = float64(binary.BigEndian.Uint16(b[2*i:])) / 65535
		}
	}
	return out
}

// interpolate looks up a table of colours, the first channel slowest.
func interpolate(clut []float64, counts [3]int, v [3]float64) (out [3]float64) {
	var low [3]int
	var part [3]float64
	for c := range v {
		at := unit(v[c]) * float64(counts[c]-1)
		low[c] = min(int(at), counts[c]-2)
		part[c] = at - float64(low[c])
	}
	for corner := range 8 {
		weight, at := 1.0, 0
		for c := range 3 {
			if corner>>c&1 == 1 {
				weight *= part[c]
				at = at*counts[c] + low[c] + 1
			} else {
				weight *= 1 - part[c]
				at = at*counts[c] + low[c]
			}
		}
		for c := range out {
			out[c] += weight * clut[3*at+c]
		}
	}
	return out
}
