package jpegstream

import (
	"encoding/binary"
	"math"
)

// Spec is a Huffman table as DHT has it: the number of codes of 1 to 16 bits, and their symbols.
type Spec struct {
	Counts [16]byte
	Values []byte
}

// Optimal returns the table that takes the fewest bits for symbols of these frequencies, none
// longer than 16 bits and none all ones (T.81 K.2).
func Optimal(frequency *[256]int) Spec {
	var freq, size [257]int
	var next [257]int
	for i := range next {
		next[i] = -1
	}
	copy(freq[:], frequency[:])
	freq[256] = 1 // the code of all ones is nobody's
	for {         // Figure K.1: join the two rarest until one tree is left
		a, b := rarest(&freq, -1), -1
		if b = rarest(&freq, a); b < 0 {
			break
		}
		freq[a] += freq[b]
		freq[b] = 0
		size[a]++
		for next[a] >= 0 {
			a = next[a]
			size[a]++
		}
		next[a] = b
		size[b]++
		for next[b] >= 0 {
			b = next[b]
			size[b]++
		}
	}
	var bits [257]int
	used := 0
	for v, n := range size {
		bits[n]++
		if v < 256 && n > 0 {
			used++
		}
	}
	for i := 256; i > 16; i-- { // Figure K.3
		for bits[i] > 0 {
			j := i - 2
			for bits[j] == 0 {
				j--
			}
			bits[i] -= 2
			bits[i-1]++
			bits[j+1] += 2
			bits[j]--
		}
	}
	longest := 16
	for bits[longest] == 0 {
		longest--
	}
	bits[longest]--
	var s Spec
	for i := range s.Counts {
		s.Counts[i] = byte(bits[i+1])
	}
	for n := 1; n < len(bits) && len(s.Values) < used; n++ {
		for v := range 256 {
			if size[v] == n {
				s.Values = append(s.Values, byte(v))
			}
		}
	}
	return s
}

// rarest returns the symbol of the lowest frequency above 0 but not a; of equal ones the last.
func rarest(freq *[257]int, a int) int {
	found, least := -1, math.MaxInt
	for i, f := range freq {
		if f > 0 && f <= least && i != a {
			found, least = i, f
		}
	}
	return found
}

// Code is a symbol's code: its bits and, below them in 5 bits, their number; 0: it has none.
type Code uint32

// Bits returns the code, right-aligned; Length its number of bits.
func (c Code) Bits() uint32 { return uint32(c >> 5) }

// Length returns the bits of the code.
func (c Code) Length() int { return int(c & 31) }

// Codes returns the codes of the table's symbols (Annex C).
func (s Spec) Codes() (codes [256]Code) {
	code, k := 0, 0
	for i, n := range s.Counts {
		for range n {
			codes[s.Values[k]] = Code(code<<5 | (i + 1))
			code++
			k++
		}
		code <<= 1
	}
	return codes
}

// Writer is a place in entropy-coded data being written, to be held by value. Its destination is
// a slice with room: 8 bytes for every Put since the last look, and 16 more.
type Writer struct {
	Acc uint64 // bits not yet written, from the top
	N   int    // how many
	Pos int    // of the next byte
}

// Put writes n bits, at most 32.
func (w Writer) Put(dst []byte, bits uint32, n int) Writer {
	w.N += n
	w.Acc |= uint64(bits) << (-w.N & 63)
	if w.N >= 32 {
		return w.Word(dst)
	}
	return w
}

// Word writes the upper 32 bits. Loops that are worth it gather bits as Put does and call this for
// every 32.
func (w Writer) Word(dst []byte) Writer {
	v := uint32(w.Acc >> 32)
	w.Acc <<= 32
	w.N -= 32
	if (^v-0x01010101)&v&0x80808080 == 0 {
		binary.BigEndian.PutUint32(dst[w.Pos:], v)
		w.Pos += 4
		return w
	}
	for shift := 24; shift >= 0; shift -= 8 {
		w.Pos = stuffed(dst, w.Pos, byte(v>>shift))
	}
	return w
}

// stuffed writes a byte, and a zero behind FF (F.1.2.3).
func stuffed(dst []byte, pos int, c byte) int {
	dst[pos] = c
	pos++
	if c == 0xFF {
		dst[pos] = 0
		pos++
	}
	return pos
}

// Flush writes what is left, filled up with ones to a byte (F.1.2.3).
func (w Writer) Flush(dst []byte) Writer {
	if n := -w.N & 7; n > 0 {
		w.Acc |= (1<<n - 1) << (64 - w.N - n)
		w.N += n
	}
	for ; w.N > 0; w.N -= 8 {
		w.Pos = stuffed(dst, w.Pos, byte(w.Acc>>56))
		w.Acc <<= 8
	}
	return Writer{Pos: w.Pos}
}

// AppendMarker writes a marker without a segment: SOI, EOI, RSTn.
func AppendMarker(dst []byte, marker byte) []byte { return append(dst, 0xFF, marker) }

// AppendSegment writes a marker segment; p has at most 65533 bytes.
func AppendSegment(dst []byte, marker byte, p ...byte) []byte {
	dst = append(dst, 0xFF, marker)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p)+2))
	return append(dst, p...)
}

// AppendFrame writes a frame header.
func AppendFrame(dst []byte, f Frame) []byte {
	p := make([]byte, 0, 32)
	p = append(p, byte(f.Precision), byte(f.Rows>>8), byte(f.Rows), byte(f.Columns>>8), byte(f.Columns), byte(f.N))
	for _, c := range f.Components[:f.N] {
		p = append(p, c.ID, byte(c.H<<4|c.V), byte(c.Tq))
	}
	return AppendSegment(dst, f.Process, p...)
}

// AppendScan writes a scan header for the frame's components.
func AppendScan(dst []byte, f Frame, s Scan) []byte {
	p := append(make([]byte, 0, 32), byte(s.N))
	for _, c := range s.Components[:s.N] {
		p = append(p, f.Components[c.Index].ID, byte(c.Td<<4|c.Ta))
	}
	return AppendSegment(dst, SOS, append(p, byte(s.Ss), byte(s.Se), byte(s.Ah<<4|s.Al))...)
}

// AppendHuffman writes a table: class 0 for DC and lossless, 1 for AC.
func AppendHuffman(dst []byte, class, id int, s Spec) []byte {
	p := append(make([]byte, 0, 1+16+256), byte(class<<4|id))
	p = append(p, s.Counts[:]...)
	return AppendSegment(dst, DHT, append(p, s.Values...)...)
}
