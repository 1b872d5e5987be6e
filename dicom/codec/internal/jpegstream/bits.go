package jpegstream

import "encoding/binary"

// Bits is a place in entropy-coded data, to be held by value. The zero value is its beginning.
type Bits struct {
	Acc uint64 // the next bits, from the top
	N   int    // how many of them are known; negative: so many more were taken than the data had
	Pos int    // of the next byte; never beyond a marker
}

// Fill makes more than 56 bits known, where the data has them. Zeros follow its end, which is the
// first marker.
func (b Bits) Fill(data []byte) Bits {
	if b.Pos+8 <= len(data) {
		// Eight bytes without FF, as most are: take as many as there is room for. The bits below
		// N are taken too, and again with their bytes: they stay what they are.
		v := binary.BigEndian.Uint64(data[b.Pos:])
		if (^v-0x0101010101010101)&v&0x8080808080808080 == 0 {
			b.Acc |= v >> (b.N & 63)
			b.Pos += (63 - b.N) >> 3
			b.N |= 56
			return b
		}
	}
	return b.fillBytes(data)
}

// fillBytes is Fill where there is an FF near: a stuffed one (F.1.2.3) or a marker.
func (b Bits) fillBytes(data []byte) Bits {
	if b.N < 0 {
		return b
	}
	for b.N <= 56 && b.Pos < len(data) {
		c := data[b.Pos]
		next := b.Pos + 1
		if c == 0xFF {
			for next < len(data) && data[next] == 0xFF { // fill bytes
				next++
			}
			if next == len(data) || data[next] != 0 {
				return b
			}
			next++
		}
		b.Acc |= uint64(c) << (56 - b.N)
		b.N += 8
		b.Pos = next
	}
	return b
}

// Take passes over the bits of an entry.
func (b Bits) Take(e Entry) Bits {
	b.Acc <<= e & 63
	b.N -= int(e & 63)
	return b
}

// Peek returns the next n bits, 1 to 32, which Fill has to have made known.
func (b Bits) Peek(n int) uint32 { return uint32(b.Acc >> (-n & 63)) }

// Drop passes over n bits.
func (b Bits) Drop(n int) Bits {
	b.Acc <<= n & 63
	b.N -= n
	return b
}

// Restart goes on behind the restart marker that ends an interval, n being the number of intervals
// before it: 0 for RST0. False: another marker is there, or none.
func (b Bits) Restart(data []byte, n int) (Bits, bool) {
	for p := b.Pos; p+1 < len(data); p++ {
		if data[p] != 0xFF || data[p+1] == 0 || data[p+1] == 0xFF {
			continue // bytes left over, and fill bytes
		}
		return Bits{Pos: p + 2}, data[p+1] == RST0+byte(n&7)
	}
	return b, false
}
