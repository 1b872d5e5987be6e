package jpeglossless

import "github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"

// differences decodes a row of n components by sample (T.81 H.2.2); false at bits that are no code.
func differences(line []uint16, tables *[4]*jpegstream.Huffman, n int, data []byte, b jpegstream.Bits) (jpegstream.Bits, bool) {
	switch n {
	case 1:
		return differences1(line, tables[0], data, b)
	case 3:
		return differences3(line, tables, data, b)
	}
	for i := 0; i < len(line); i += n {
		for c := range n {
			if b.N < 32 {
				b = b.Fill(data)
			}
			h := tables[c]
			e := h.Fast[b.Acc>>jpegstream.LookShift]
			if e.Open() {
				if e = h.Long(b.Acc); e == 0 {
					return b, false
				}
			}
			b = b.Take(e)
			line[i+c] = uint16(e >> 16)
		}
	}
	return b, true
}

func differences1(line []uint16, h *jpegstream.Huffman, data []byte, b jpegstream.Bits) (jpegstream.Bits, bool) {
	for i := range line {
		if b.N < 32 {
			b = b.Fill(data)
		}
		e := h.Fast[b.Acc>>jpegstream.LookShift]
		if e.Open() {
			if e = h.Long(b.Acc); e == 0 {
				return b, false
			}
		}
		b = b.Take(e)
		line[i] = uint16(e >> 16)
	}
	return b, true
}

func differences3(line []uint16, tables *[4]*jpegstream.Huffman, data []byte, b jpegstream.Bits) (jpegstream.Bits, bool) {
	h0, h1, h2 := tables[0], tables[1], tables[2]
	for ; len(line) >= 3; line = line[3:] {
		if b.N < 33 { // three entries of Look bits
			b = b.Fill(data)
		}
		e := h0.Fast[b.Acc>>jpegstream.LookShift]
		if e.Open() {
			if e = h0.Long(b.Acc); e == 0 {
				return b, false
			}
		}
		b = b.Take(e)
		line[0] = uint16(e >> 16)
		if b.N < 32 {
			b = b.Fill(data)
		}
		e = h1.Fast[b.Acc>>jpegstream.LookShift]
		if e.Open() {
			if e = h1.Long(b.Acc); e == 0 {
				return b, false
			}
		}
		b = b.Take(e)
		line[1] = uint16(e >> 16)
		if b.N < 32 {
			b = b.Fill(data)
		}
		e = h2.Fast[b.Acc>>jpegstream.LookShift]
		if e.Open() {
			if e = h2.Long(b.Acc); e == 0 {
				return b, false
			}
		}
		b = b.Take(e)
		line[2] = uint16(e >> 16)
	}
	return b, true
}
