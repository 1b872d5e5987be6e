package native

import (
	"encoding/binary"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
)

// eight has the eight pixels of each byte of a bit-packed frame: the first is the least
// significant bit (PS3.5 8.1.1).
var eight = func() (t [256]uint64) {
	for b := range t {
		for k := range 8 {
			t[b] |= uint64(b>>k&1) << (8 * k)
		}
	}
	return t
}()

// unpack reads samples that have no whole bytes, from a bit of src on, into every stride-th
// sample of the frame from the first on. Signed ones are extended to their new width.
func unpack(f codec.Frame, src []byte, bit, first, stride int) {
	if stride == 1 && bit == 0 {
		switch {
		case f.BitsAllocated == 1:
			unpack1(f.Data, src)
			return
		case f.BitsAllocated == 12:
			unpack12(f.Data, src, f.PixelRepresentation == 1)
			return
		}
	}
	bits, w := f.BitsAllocated, f.Width()
	shift := 0
	if f.PixelRepresentation == 1 && bits > 1 {
		shift = 64 - bits
	}
	for at := first * w; at < len(f.Data); at += stride * w {
		v := uint64(0)
		for got := 0; got < bits; { // byte by byte: rare shapes, which may be 63 bits wide
			take := min(8-bit%8, bits-got)
			v |= uint64(src[bit/8]>>(bit%8)&(0xff>>(8-take))) << got
			got, bit = got+take, bit+take
		}
		put(f.Data[at:at+w], uint64(int64(v<<shift)>>shift))
	}
}

func put(b []byte, v uint64) {
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
}

func unpack1(out, src []byte) {
	for ; len(out) >= 8; out, src = out[8:], src[1:] {
		binary.LittleEndian.PutUint64(out, eight[src[0]])
	}
	for k := range out {
		out[k] = src[0] >> k & 1
	}
}

// unpack12 reads two samples of three bytes.
func unpack12(out, src []byte, signed bool) {
	shift := 0
	if signed {
		shift = 4
	}
	extend := func(v uint16) uint16 { return uint16(int16(v<<shift) >> shift) }
	for ; len(out) >= 4; out, src = out[4:], src[3:] {
		a, b, c := uint16(src[0]), uint16(src[1]), uint16(src[2])
		x, y := a|b<<8&0xfff, b>>4|c<<4
		if signed {
			x, y = extend(x), extend(y)
		}
		binary.LittleEndian.PutUint16(out, x)
		binary.LittleEndian.PutUint16(out[2:], y)
	}
	if len(out) == 2 {
		x := uint16(src[0]) | uint16(src[1])<<8&0xfff
		if signed {
			x = extend(x)
		}
		binary.LittleEndian.PutUint16(out, x)
	}
}

// pack appends a frame's samples without gaps.
func pack(dst []byte, f codec.Frame) []byte {
	dst = slices.Grow(dst, EncodedSize(f.Description))
	bits, w := f.BitsAllocated, f.Width()
	data := f.Data
	if bits == 1 {
		for ; len(data) >= 8; data = data[8:] {
			// The product brings the lowest bit of each byte into the highest byte.
			low := binary.LittleEndian.Uint64(data) & 0x0101010101010101
			dst = append(dst, byte(low*0x0102040810204080>>56))
		}
	}
	acc, have := uint64(0), 0 // bits that are no byte yet: fewer than eight
	for ; len(data) >= w; data = data[w:] {
		v := uint64(0)
		for i := range w {
			v |= uint64(data[i]) << (8 * i)
		}
		for left := bits; left > 0; { // at most 32 at once, so that acc holds them
			take := min(left, 32)
			acc |= v & (1<<take - 1) << have
			for have += take; have >= 8; have -= 8 {
				dst = append(dst, byte(acc))
				acc >>= 8
			}
			v >>= take
			left -= take
		}
	}
	if have > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}
