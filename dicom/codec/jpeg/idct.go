package jpeg

import "encoding/binary"

// The inverse DCT of libjpeg's "islow" (jidctint.c; Loeffler, Ligtenberg and Moschytz 1989), bit
// for bit, because the pictures of libjpeg, libjpeg-turbo, GDCM and DCMTK are the references
// others compare with: constants of 13 bits, columns first, rows second, one rounding in each.
//
// libjpeg keeps two fractional bits between the passes at 8 bits a sample and one at 12. Here
// quantisation tables for 8 bits are doubled, so that the first pass is the same for both.
const (
	fix0298 = 2446
	fix0390 = 3196
	fix0541 = 4433
	fix0765 = 6270
	fix0899 = 7373
	fix1175 = 9633
	fix1501 = 12299
	fix1847 = 15137
	fix1961 = 16069
	fix2053 = 16819
	fix2562 = 20995
	fix3072 = 25172

	fixBits = 13
)

// layout is how a block's samples lie in memory.
type layout uint8

const (
	bytes1 layout = iota // 8-bit samples side by side
	bytes3               // 8-bit samples, every third byte
	words                // 16-bit samples side by side
)

// step is the distance of two samples in bytes.
func (l layout) step() int {
	switch l {
	case bytes3:
		return 3
	case words:
		return 2
	}
	return 1
}

// inverse transforms dequantised coefficients in natural order and stores the 64 samples, rows
// stride bytes apart. No coefficient beyond last, in zigzag order, may be other than zero. The
// block is zero afterwards.
func inverse(b *[64]int32, last int, dst []byte, stride int, l layout) {
	if last == 0 {
		flat(b[0], dst, stride, l)
		b[0] = 0
		return
	}
	n := int(extent[last&63])
	if n <= 4 {
		columns4(b, n)
	} else {
		columns8(b)
	}
	rows(b, n <= 4, dst, stride, l)
	clear(b[:])
}

// extent says for the last coefficient that is not zero, in zigzag order, how many columns and
// rows may have some: a triangle grows until the seventh diagonal.
var extent = func() (e [64]uint8) {
	for k, n := range zigzag {
		e[k] = max(n&7, n>>3) + 1
		if k > 0 {
			e[k] = max(e[k], e[k-1])
		}
	}
	return e
}()

// flat stores a block of one value.
func flat(dc int32, dst []byte, stride int, l layout) {
	if l == words {
		v := uint16(clamp12((int(dc)+4)>>3 + 2048))
		w := uint64(v) * 0x0001_0001_0001_0001
		for y := range 8 {
			d := dst[y*stride : y*stride+16 : y*stride+16]
			binary.LittleEndian.PutUint64(d, w)
			binary.LittleEndian.PutUint64(d[8:], w)
		}
		return
	}
	v := clamp8((int(dc)+8)>>4 + 128)
	for y := range 8 {
		if l == bytes1 {
			binary.LittleEndian.PutUint64(dst[y*stride:], uint64(v)*0x0101_0101_0101_0101)
			continue
		}
		d := dst[y*stride : y*stride+22 : y*stride+22]
		d[0], d[3], d[6], d[9], d[12], d[15], d[18], d[21] = v, v, v, v, v, v, v, v
	}
}

const (
	colBits  = fixBits - 1
	colRound = 1 << (colBits - 1)
)

func columns8(b *[64]int32) {
	for x := range 8 {
		c := b[x : x+57 : x+57]
		x0, x1, x2, x3 := int(c[0]), int(c[8]), int(c[16]), int(c[24])
		x4, x5, x6, x7 := int(c[32]), int(c[40]), int(c[48]), int(c[56])
		if x1|x2|x3|x4|x5|x6|x7 == 0 {
			v := c[0] << 1
			c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56] = v, v, v, v, v, v, v, v
			continue
		}
		z1 := (x2 + x6) * fix0541
		t2, t3 := z1-x6*fix1847, z1+x2*fix0765
		t0, t1 := (x0+x4)<<fixBits+colRound, (x0-x4)<<fixBits+colRound
		e0, e3, e1, e2 := t0+t3, t0-t3, t1+t2, t1-t2

		z5 := (x7 + x3 + x5 + x1) * fix1175
		z3, z4 := z5-(x7+x3)*fix1961, z5-(x5+x1)*fix0390
		z1, z2 := (x7+x1)*fix0899, (x5+x3)*fix2562
		o0, o1 := x7*fix0298-z1+z3, x5*fix2053-z2+z4
		o2, o3 := x3*fix3072-z2+z3, x1*fix1501-z1+z4

		c[0], c[56] = int32((e0+o3)>>colBits), int32((e0-o3)>>colBits)
		c[8], c[48] = int32((e1+o2)>>colBits), int32((e1-o2)>>colBits)
		c[16], c[40] = int32((e2+o1)>>colBits), int32((e2-o1)>>colBits)
		c[24], c[32] = int32((e3+o0)>>colBits), int32((e3-o0)>>colBits)
	}
}

// columns4 transforms n columns of which the lower halves are zero.
func columns4(b *[64]int32, n int) {
	for x := range n {
		c := b[x : x+57 : x+57]
		x0, x1, x2, x3 := int(c[0]), int(c[8]), int(c[16]), int(c[24])
		if x1|x2|x3 == 0 {
			v := c[0] << 1
			c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56] = v, v, v, v, v, v, v, v
			continue
		}
		t0 := x0<<fixBits + colRound
		t2, t3 := x2*fix0541, x2*(fix0541+fix0765)
		e0, e3, e1, e2 := t0+t3, t0-t3, t0+t2, t0-t2

		z5 := (x3 + x1) * fix1175
		z3, z4 := z5-x3*fix1961, z5-x1*fix0390
		o0, o1 := z3-x1*fix0899, z4-x3*fix2562
		o2, o3 := x3*(fix3072-fix2562)+z3, x1*(fix1501-fix0899)+z4

		c[0], c[56] = int32((e0+o3)>>colBits), int32((e0-o3)>>colBits)
		c[8], c[48] = int32((e1+o2)>>colBits), int32((e1-o2)>>colBits)
		c[16], c[40] = int32((e2+o1)>>colBits), int32((e2-o1)>>colBits)
		c[24], c[32] = int32((e3+o0)>>colBits), int32((e3-o0)>>colBits)
	}
}

const (
	rowBits8   = fixBits + 2 + 3
	rowRound8  = 1<<(rowBits8-1) + 128<<rowBits8
	rowBits12  = fixBits + 1 + 3
	rowRound12 = 1<<(rowBits12-1) + 2048<<rowBits12
)

// rows is the second pass; half says that the right half of every row is zero.
func rows(b *[64]int32, half bool, dst []byte, stride int, l layout) {
	for y := range 8 {
		w := (*[8]int32)(b[8*y:])
		x0, x1, x2, x3 := int(w[0]), int(w[1]), int(w[2]), int(w[3])
		var e0, e1, e2, e3, o0, o1, o2, o3 int // the even and the odd part
		if half {
			t0, t2, t3 := x0<<fixBits, x2*fix0541, x2*(fix0541+fix0765)
			e0, e3, e1, e2 = t0+t3, t0-t3, t0+t2, t0-t2
			z5 := (x3 + x1) * fix1175
			z3, z4 := z5-x3*fix1961, z5-x1*fix0390
			o0, o1 = z3-x1*fix0899, z4-x3*fix2562
			o2, o3 = x3*(fix3072-fix2562)+z3, x1*(fix1501-fix0899)+z4
		} else {
			x4, x5, x6, x7 := int(w[4]), int(w[5]), int(w[6]), int(w[7])
			z1 := (x2 + x6) * fix0541
			t2, t3 := z1-x6*fix1847, z1+x2*fix0765
			t0, t1 := (x0+x4)<<fixBits, (x0-x4)<<fixBits
			e0, e3, e1, e2 = t0+t3, t0-t3, t1+t2, t1-t2
			z5 := (x7 + x3 + x5 + x1) * fix1175
			z3, z4 := z5-(x7+x3)*fix1961, z5-(x5+x1)*fix0390
			z1, z2 := (x7+x1)*fix0899, (x5+x3)*fix2562
			o0, o1 = x7*fix0298-z1+z3, x5*fix2053-z2+z4
			o2, o3 = x3*fix3072-z2+z3, x1*fix1501-z1+z4
		}
		if l == words {
			e0, e1, e2, e3 = e0+rowRound12, e1+rowRound12, e2+rowRound12, e3+rowRound12
			d, le := dst[y*stride:y*stride+16:y*stride+16], binary.LittleEndian
			le.PutUint16(d, clamp12((e0+o3)>>rowBits12))
			le.PutUint16(d[2:], clamp12((e1+o2)>>rowBits12))
			le.PutUint16(d[4:], clamp12((e2+o1)>>rowBits12))
			le.PutUint16(d[6:], clamp12((e3+o0)>>rowBits12))
			le.PutUint16(d[8:], clamp12((e3-o0)>>rowBits12))
			le.PutUint16(d[10:], clamp12((e2-o1)>>rowBits12))
			le.PutUint16(d[12:], clamp12((e1-o2)>>rowBits12))
			le.PutUint16(d[14:], clamp12((e0-o3)>>rowBits12))
			continue
		}
		e0, e1, e2, e3 = e0+rowRound8, e1+rowRound8, e2+rowRound8, e3+rowRound8
		v0, v7 := clamp8((e0+o3)>>rowBits8), clamp8((e0-o3)>>rowBits8)
		v1, v6 := clamp8((e1+o2)>>rowBits8), clamp8((e1-o2)>>rowBits8)
		v2, v5 := clamp8((e2+o1)>>rowBits8), clamp8((e2-o1)>>rowBits8)
		v3, v4 := clamp8((e3+o0)>>rowBits8), clamp8((e3-o0)>>rowBits8)
		if l == bytes3 {
			d := dst[y*stride : y*stride+22 : y*stride+22]
			d[0], d[3], d[6], d[9], d[12], d[15], d[18], d[21] = v0, v1, v2, v3, v4, v5, v6, v7
			continue
		}
		d := dst[y*stride : y*stride+8 : y*stride+8]
		d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7] = v0, v1, v2, v3, v4, v5, v6, v7
	}
}

func clamp8(v int) byte {
	if uint(v) > 255 {
		v = ^(v >> 63) & 255
	}
	return byte(v)
}

func clamp12(v int) uint16 {
	if uint(v) > 4095 {
		v = ^(v >> 63) & 4095
	}
	return uint16(v)
}
