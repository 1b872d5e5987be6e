package jpegls

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// padding is behind the bits of a scan: a decoder may look at 64 bits from any place in it.
const padding = 24

// unstuff appends a scan's bits to dst without those that keep markers out (T.87 A.1: behind a
// byte FF a zero bit) and returns how many bytes of src they were: up to a marker or the end.
// The decoder then needs neither a branch per byte nor a state beside its position.
func unstuff(dst, src []byte) (out []byte, n int) {
	if room := len(src) + padding; cap(dst) < room {
		dst = make([]byte, room)
	}
	dst = dst[:len(src)+padding]
	var pending uint64 // bits that fill no byte yet, from the top
	var held, o, i int // how many; written; read
	for i < len(src) {
		if i+8 <= len(src) {
			x := binary.BigEndian.Uint64(src[i:])
			if (^x-0x0101010101010101)&x&0x8080808080808080 == 0 { // no byte is FF
				binary.BigEndian.PutUint64(dst[o:], pending|x>>held)
				pending = x << (64 - held)
				i, o = i+8, o+8
				continue
			}
		}
		b := src[i]
		if b == 0xFF && i+1 < len(src) && src[i+1] >= 0x80 {
			break
		}
		i++
		pending |= uint64(b) << (56 - held)
		dst[o] = byte(pending >> 56)
		pending <<= 8
		o++
		if b != 0xFF || i == len(src) {
			continue
		}
		pending |= uint64(src[i]) << (57 - held)
		i++
		if held += 7; held >= 8 {
			dst[o] = byte(pending >> 56)
			pending <<= 8
			held -= 8
			o++
		}
	}
	dst[o] = byte(pending >> 56)
	o += (held + 7) >> 3
	clear(dst[o : o+padding-8])
	return dst[:o+padding-8], i
}

// peek returns the bits from a position on, at least 57 of them, from the top.
func peek(b []byte, pos int) uint64 {
	i := pos >> 3
	return binary.BigEndian.Uint64(b[i:i+8:i+8]) << (pos & 7)
}

// reader reads a scan's bits.
type reader struct {
	bits []byte // unstuffed, padded
	pos  int
	end  int // in bits
}

// truncated reports whether more was read than there is.
func (r *reader) truncated() bool { return r.pos > r.end }

// value reads n bits, up to 32.
func (r *reader) value(n int) int {
	v := peek(r.bits, r.pos) >> 1 >> (63 - n)
	r.pos += n
	return int(v)
}

// code reads a limited-length Golomb code (T.87 A.5.3) of any length; -1 says that there is none.
func (r *reader) code(k uint32, limit, qbpp int) int {
	zeros := 0
	for {
		if r.truncated() {
			return -1
		}
		n := bits.LeadingZeros64(peek(r.bits, r.pos))
		if n < 57 {
			r.pos += n + 1
			zeros += n
			break
		}
		r.pos += 57
		zeros += 57
		if zeros > limit {
			return -1
		}
	}
	if zeros >= limit-qbpp-1 {
		return r.value(qbpp) + 1
	}
	if k > 24 {
		return -1
	}
	return zeros<<k | r.value(int(k))
}

// writer writes a scan's bits, unstuffed. Its room is seen to line by line.
type writer struct {
	bits []byte
	at   int    // bytes that are full
	last uint64 // bits behind them, from the top
	held int    // how many: 0 to 7
}

// room makes room for n bytes.
func (w *writer) room(n int) {
	if n += w.at + padding; n > len(w.bits) {
		w.bits = append(w.bits[:w.at], make([]byte, n+n/2-w.at)...)
	}
}

// put writes the lower n bits of v, up to 56, that has no others.
func (w *writer) put(v uint64, n int) {
	w.held += n
	w.last |= v << (64 - w.held)
	binary.BigEndian.PutUint64(w.bits[w.at:], w.last)
	w.at += w.held >> 3
	w.last <<= w.held & 56
	w.held &= 7
}

// code writes a mapped error as limited-length Golomb code (T.87 A.5.3).
func (w *writer) code(mapped int, k uint32, limit, qbpp int) {
	zeros, low, n := mapped>>k, mapped&(1<<k-1), int(k)
	if zeros >= limit-qbpp-1 {
		zeros, low, n = limit-qbpp-1, mapped-1, qbpp
	}
	if zeros > longest {
		w.put(0, zeros-longest)
		zeros = longest
	}
	w.put(1<<n|uint64(low), zeros+1+n)
}

// stuff appends what was written to dst as a scan holds it, its last byte filled up with zeros
// (T.87 A.1).
func (w *writer) stuff(dst []byte) []byte {
	w.room(0)
	binary.BigEndian.PutUint64(w.bits[w.at:], w.last)
	clear(w.bits[w.at+8 : w.at+padding])
	dst = slices.Grow(dst, w.at+w.at/64+padding)
	end := 8*w.at + w.held
	for pos := 0; pos < end; {
		x := peek(w.bits, pos)
		if pos+56 <= end && (^x-0x0101010101010101)&x&0x8080808080808000 == 0 { // none of 7 bytes is FF
			dst = binary.BigEndian.AppendUint64(dst, x)
			dst = dst[:len(dst)-1]
			pos += 56
			continue
		}
		b := byte(x >> 56)
		dst = append(dst, b)
		if pos += 8; b == 0xFF {
			dst = append(dst, byte(peek(w.bits, pos)>>57))
			pos += 7
		}
	}
	return dst
}
