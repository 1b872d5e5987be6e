package jpeg

import (
	"math/bits"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"
)

// blockRoom is what a block takes at most: a Put for each coefficient and three runs of zeros.
const blockRoom = 8*(64+3) + 16

// codes are the Huffman codes of a class of components: luminance, chrominance.
type codes struct {
	dc, ac [256]jpegstream.Code
}

// magnitude returns SSSS and the bits behind it (T.81 F.1.2.1).
func magnitude(v int) (size int, extra uint32) {
	sign := v >> 63
	size = bits.Len(uint((v ^ sign) - sign))
	return size, uint32(v+sign) & (1<<size - 1)
}

// encodeBlock writes a block (T.81 F.1.2); dst has blockRoom.
func encodeBlock(w jpegstream.Writer, dst []byte, q *quantised, pred int, c *codes) jpegstream.Writer {
	size, extra := magnitude(int(q.coef[0]) - pred)
	code := c.dc[size]
	w = w.Put(dst, code.Bits()<<size|extra, code.Length()+size)
	last := 0
	for mask := q.mask &^ 1; mask != 0; mask &= mask - 1 {
		k := bits.TrailingZeros64(mask)
		run := k - last - 1
		for last = k; run > 15; run -= 16 {
			w = w.Put(dst, c.ac[0xF0].Bits(), c.ac[0xF0].Length())
		}
		size, extra = magnitude(int(q.coef[k&63]))
		code = c.ac[(run<<4|size)&255]
		w = w.Put(dst, code.Bits()<<size|extra, code.Length()+size)
	}
	if last != 63 {
		w = w.Put(dst, c.ac[0].Bits(), c.ac[0].Length())
	}
	return w
}

// histogram counts the symbols of blocks.
type histogram struct {
	dc, ac [256]int
}

func (h *histogram) count(q *quantised, pred int) {
	size, _ := magnitude(int(q.coef[0]) - pred)
	h.dc[size]++
	last := 0
	for mask := q.mask &^ 1; mask != 0; mask &= mask - 1 {
		k := bits.TrailingZeros64(mask)
		run := k - last - 1
		for last = k; run > 15; run -= 16 {
			h.ac[0xF0]++
		}
		size, _ = magnitude(int(q.coef[k&63]))
		h.ac[(run<<4|size)&255]++
	}
	if last != 63 {
		h.ac[0]++
	}
}

// room makes place for n bytes behind pos in dst's capacity.
func room(dst []byte, pos, n int) []byte {
	if cap(dst)-pos >= n {
		return dst[:cap(dst)]
	}
	dst = slices.Grow(dst[:pos], n)
	return dst[:cap(dst)]
}
