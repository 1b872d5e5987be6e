package jpegstream

// Look is how many bits Huffman.Fast is indexed by, LookShift what brings them down from the top
// of Bits.Acc.
const (
	Look      = 11
	LookShift = 64 - Look
)

// Entry is what a look into a Huffman table gives: a symbol, the value of the extra bits behind
// it, and the bits that both take.
type Entry uint32

const open = 0x80 // not all is known from Look bits

// Open reports that the code, or its extra bits, is longer than Look; Huffman.Long has the entry.
func (e Entry) Open() bool { return e&open != 0 }

// Length returns the bits of the code and its extra bits, 1 to 32.
func (e Entry) Length() int { return int(e & 63) }

// Symbol returns what the code stands for: SSSS, or RRRRSSSS in an AC table.
func (e Entry) Symbol() int { return int(e >> 8 & 255) }

// Value returns the extra bits extended to a difference or coefficient (T.81 F.2.2.1, Table H.2);
// SSSS = 16 gives -32768, which is 32768 modulo 65536.
func (e Entry) Value() int { return int(int32(e) >> 16) }

// Huffman is a decoding table.
type Huffman struct {
	// Fast has an entry for every beginning of Look bits. Ready fills it.
	Fast [1 << Look]Entry

	values  [256]byte
	counts  [17]int    // codes of each length
	limit   [17]uint32 // first 16-bit string above the codes of a length and all shorter ones
	offset  [17]int    // place in values of a length's first code, less that code
	ac      bool
	defined bool
	ready   bool
}

// define keeps a table specification (T.81 B.2.4.2); it returns the bytes that this took.
func (h *Huffman) define(p []byte, ac bool) (int, error) {
	n := 0
	for i := range 16 {
		h.counts[i+1] = int(p[i])
		n += int(p[i])
	}
	h.defined, h.ready, h.ac = false, false, ac
	if n > 256 || n > len(p)-16 {
		return 0, invalid("a Huffman table of %d codes, %d bytes are there", n, len(p)-16)
	}
	copy(h.values[:], p[16:16+n])
	// Codes in ascending order (Annex C): none may need more bits than it has.
	code, k := 0, 0
	for l := 1; l <= 16; l++ {
		h.offset[l] = k - code
		k += h.counts[l]
		if code += h.counts[l]; code > 1<<l {
			return 0, invalid("more Huffman codes of %d bits than there can be", l)
		}
		h.limit[l] = uint32(code) << (16 - l)
		code <<= 1
	}
	if !ac { // B.2.4.2: categories; 16 occurs in lossless scans of 16-bit samples
		for _, v := range h.values[:n] {
			if v > 16 {
				return 0, invalid("difference category %d", v)
			}
		}
	}
	h.defined = true
	return 16 + n, nil
}

// Ready makes the table that a scan is about to use; errs.Invalid when there is none.
func (h *Huffman) Ready() error {
	if !h.defined {
		return invalid("a Huffman table is missing")
	}
	if h.ready {
		return nil
	}
	at, k := 0, 0
	for l := 1; l <= Look; l++ {
		for range h.counts[l] {
			at += h.fill(h.Fast[at:at+1<<(Look-l)], l, h.values[k])
			k++
		}
	}
	for i := at; i < len(h.Fast); i++ {
		h.Fast[i] = open
	}
	h.ready = true
	return nil
}

// fill makes the entries that begin with one code; it returns their number.
func (h *Huffman) fill(fast []Entry, length int, symbol byte) int {
	s := int(symbol & 15)
	if length+s > Look {
		for i := range fast {
			fast[i] = entry(symbol, length, 0) | open
		}
		return len(fast)
	}
	each := len(fast) >> s
	for v := range 1 << s {
		e := entry(symbol, length+s, h.extend(symbol, v))
		for i := range fast[v*each : (v+1)*each] {
			fast[v*each+i] = e
		}
	}
	return len(fast)
}

func entry(symbol byte, length, value int) Entry {
	return Entry(uint32(value)<<16 | uint32(symbol)<<8 | uint32(length))
}

// extend is EXTEND of T.81 Figure F.12 for the extra bits v of a symbol. SSSS = 16 has none: the
// only difference it stands for is 32768 (H.1.2.2).
func (h *Huffman) extend(symbol byte, v int) int {
	s := symbol & 15
	switch {
	case s == 0 && symbol == 16 && !h.ac:
		return -32768
	case s == 0:
		return 0
	case v < 1<<(s-1):
		return v - 1<<s + 1
	}
	return v
}

// Long returns the entry of the code at the top of acc, however long, of which 32 bits are needed;
// 0 when no code begins so.
func (h *Huffman) Long(acc uint64) Entry {
	if e := h.Fast[acc>>LookShift]; e&63 != 0 { // the code is known, its extra bits are too many
		return h.long(acc, byte(e>>8), int(e&63))
	}
	top := uint32(acc >> 48)
	for l := Look + 1; l <= 16; l++ {
		if top < h.limit[l] {
			return h.long(acc, h.values[(int(top>>(16-l))+h.offset[l])&255], l)
		}
	}
	return 0
}

// long returns the entry of a symbol whose code of this length is at the top of acc.
func (h *Huffman) long(acc uint64, symbol byte, length int) Entry {
	s := int(symbol & 15)
	v := int(acc << (length & 63) >> 1 >> (63 - s))
	return entry(symbol, length+s, h.extend(symbol, v))
}
