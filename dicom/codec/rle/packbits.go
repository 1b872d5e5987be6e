package rle

import (
	"encoding/binary"
	"math/bits"
)

const (
	chunk = 2048         // pixels that are expanded before they are woven: 15 segments fit the first cache
	slack = maxRun + 3*8 // a run that ends behind the chunk, and the bytes written too many
)

// segment is a segment that is expanded bit by bit.
type segment struct {
	src  []byte
	have int // bytes in out
	out  [chunk + slack]byte
}

func (s *segment) reset(src []byte) { s.src, s.have = src, 0 }

// shift drops the first n bytes of out; what is behind them is less than a run.
func (s *segment) shift(n int) {
	s.have -= n
	copy(s.out[:maxRun], s.out[n:n+maxRun])
}

// fill expands runs until out has want bytes; false: the segment is at its end before.
func (s *segment) fill(want int) bool {
	src, have, out := s.src, s.have, &s.out
	for have < want {
		if len(src) < 2+maxRun {
			break // few runs are left: carefully
		}
		switch c := int(src[0]); {
		case c < 128: // c+1 bytes as they are (PS3.5 G.3.2)
			o, in := out[have:have+maxRun:have+maxRun], src[1:1+maxRun:1+maxRun]
			binary.LittleEndian.PutUint64(o, binary.LittleEndian.Uint64(in))
			binary.LittleEndian.PutUint64(o[8:], binary.LittleEndian.Uint64(in[8:]))
			if c >= 16 {
				copy(o[16:c+1], in[16:c+1])
			}
			have += c + 1
			src = src[c+2:]
		case c > 128: // one byte 257-c times
			n := 257 - c
			o := out[have : have+maxRun : have+maxRun]
			v := uint64(src[1]) * 0x0101010101010101
			binary.LittleEndian.PutUint64(o, v)
			binary.LittleEndian.PutUint64(o[8:], v)
			for i := 16; i < n; i += 16 {
				binary.LittleEndian.PutUint64(o[i:], v)
				binary.LittleEndian.PutUint64(o[i+8:], v)
			}
			have += n
			src = src[2:]
		default: // nothing
			src = src[1:]
		}
	}
	for have < want && len(src) > 0 {
		c := int(src[0])
		src = src[1:]
		switch {
		case c < 128:
			n := copy(out[have:have+c+1], src)
			have += n
			src = src[n:]
		case c > 128 && len(src) > 0:
			for i := range 257 - c {
				out[have+i] = src[0]
			}
			have += 257 - c
			src = src[1:]
		}
	}
	s.src, s.have = src, have
	return have >= want
}

// compress appends the runs of row[:n]; behind them row has slack bytes of no meaning.
func compress(dst, row []byte, n int) []byte {
	for at := 0; at < n; {
		run := nextRun(row, at, n)
		for at < run {
			k := min(run-at, maxRun)
			dst = append(dst, byte(k-1))
			if k <= 16 { // a copy of fixed size: lengths are hard to guess
				dst = append(dst, row[at:at+16]...)[:len(dst)+k]
			} else {
				dst = append(dst, row[at:at+k]...)
			}
			at += k
		}
		for length := runLength(row, at, n); length > 0; {
			k := min(length, maxRun)
			if k == 1 { // there is no run of one
				dst = append(dst, 0, row[at])
			} else {
				dst = append(dst, byte(257-k), row[at])
			}
			at, length = at+k, length-k
		}
	}
	return dst
}

// nextRun returns where from at on three equal bytes follow on each other, n if nowhere. Two are
// better among the others.
func nextRun(row []byte, at, n int) int {
	for ; at+2 < n; at += 7 {
		b := row[at : at+9]
		// A zero byte in differs is a byte that equals the next; in x, one that equals the next two.
		differs := binary.LittleEndian.Uint64(b) ^ binary.LittleEndian.Uint64(b[1:])
		x := differs | differs>>8 | 0xff<<56
		if zero := (x - 0x0101010101010101) &^ x & 0x8080808080808080; zero != 0 {
			if at += bits.TrailingZeros64(zero) / 8; at+2 < n {
				return at
			}
			return n
		}
	}
	return n
}

// runLength returns how many bytes from at on are equal.
func runLength(row []byte, at, n int) int {
	if at >= n {
		return 0
	}
	v := uint64(row[at]) * 0x0101010101010101
	for i := at; i < n; i += 8 {
		if x := binary.LittleEndian.Uint64(row[i:]) ^ v; x != 0 {
			return min(i+bits.TrailingZeros64(x)/8, n) - at
		}
	}
	return n - at
}
