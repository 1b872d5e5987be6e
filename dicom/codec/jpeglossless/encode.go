package jpeglossless

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const encodeOp = "jpeglossless.Encode"

// Describe implements codec.Encoder: 8 or 16 bits allocated (PS3.5 8.2.1), 1, 3 or 4 samples.
func (process14) Describe(d codec.Description, _ codec.Options) (codec.Description, error) {
	if _, err := d.Size(); err != nil {
		return d, err
	}
	switch {
	case d.Float || d.BitsAllocated != 8 && d.BitsAllocated != 16:
		return d, errs.Errorf(errs.Unsupported, encodeOp, "JPEG lossless cannot hold samples of %d bits", d.BitsAllocated)
	case d.SamplesPerPixel != 1 && d.SamplesPerPixel != 3 && d.SamplesPerPixel != 4:
		return d, errs.Errorf(errs.Unsupported, encodeOp, "JPEG lossless cannot hold %d samples per pixel", d.SamplesPerPixel)
	}
	return d.Full(), nil
}

// encoder is the memory of one frame's encoding.
type encoder struct {
	data             []byte
	width, n         int // bytes of a sample, samples of a pixel
	rows, precision  int
	predictor        int
	line, above, out []uint16 // a row, the row before it, differences
	frequency        [jpegstream.MaxComponents][256]int
	codes            [jpegstream.MaxComponents][32]uint64
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// Encode implements codec.Encoder: one scan, Huffman tables made for the frame in a first pass.
func (c process14) Encode(dst []byte, f codec.Frame, o codec.Options) ([]byte, error) {
	d, err := c.Describe(f.Description, o)
	if err != nil {
		return dst, err
	}
	if err := f.Check(encodeOp); err != nil {
		return dst, err
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.begin(f, d)
	defer func() { e.data = nil }()
	e.predictor = 1
	if c.syntax.UID == dicom.JPEGLossless.UID {
		e.predictor = e.choose()
	}
	e.count(1, 0)
	return e.write(dst, d), nil
}

func (e *encoder) begin(f codec.Frame, d codec.Description) {
	e.data, e.width, e.n, e.rows = f.Data, d.Width(), d.SamplesPerPixel, d.Rows
	e.precision = precision(f)
	if n := d.Columns * e.n; cap(e.line) < n {
		e.line, e.above, e.out = make([]uint16, n), make([]uint16, n), make([]uint16, n)
	} else {
		e.line, e.above, e.out = e.line[:n], e.above[:n], e.out[:n]
	}
}

// precision returns the bits to encode samples with: Bits Stored where that is 9 to 15 and holds
// every sample, and otherwise all that are allocated. More than Bits Stored are in use with overlays,
// or a sign, which costs nothing with 16 bits as differences are modulo 65536 (T.81 H.1.2.1). Of
// fewer than 9, DCMTK and others would give back one byte for two.
func precision(f codec.Frame) int {
	if f.Width() == 1 {
		return 8
	}
	if f.PixelRepresentation == 1 || f.BitsStored <= 8 || f.BitsStored >= 16 {
		return 16
	}
	if f.UsedBits() > f.BitsStored {
		return 16
	}
	return f.BitsStored
}

// choose returns the predictor that takes the fewest bits, by up to 64 rows out of all.
func (e *encoder) choose() int {
	if e.rows == 1 {
		return 1
	}
	best, least := 1, 0
	for p := 1; p <= 7; p++ {
		e.predictor = p
		e.count(max(1, e.rows/64), 1)
		total := 0
		for c := range e.n {
			total += cost(&e.frequency[c], jpegstream.Optimal(&e.frequency[c]).Codes())
		}
		if p == 1 || total < least {
			best, least = p, total
		}
	}
	return best
}

// cost returns the bits that differences of these categories take.
func cost(frequency *[256]int, codes [256]jpegstream.Code) (n int) {
	for s, f := range frequency[:17] {
		n += f * (codes[s].Length() + s&15)
	}
	return n
}

// count fills in the frequencies of the categories of every step-th row from the first given.
func (e *encoder) count(step, first int) {
	e.frequency = [jpegstream.MaxComponents][256]int{}
	for y := first; y < e.rows; y += step {
		if y > 0 && (step > 1 || y == first) {
			e.load(e.above, y-1)
		}
		e.differences(y)
		for c := range e.n {
			f := &e.frequency[c]
			for i := c; i < len(e.out); i += e.n {
				f[category(e.out[i])]++
			}
		}
	}
}

// category returns SSSS (T.81 Table H.2).
func category(difference uint16) byte {
	d := int32(int16(difference))
	return byte(bits.Len32(uint32(max(d, -d))))
}

// load reads a row.
func (e *encoder) load(line []uint16, y int) {
	n := len(line) * e.width
	b := e.data[y*n:][:n]
	if e.width == 1 {
		for i, v := range b[:len(line)] {
			line[i] = uint16(v)
		}
		return
	}
	for i := range line {
		line[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
}

// differences reads row y and leaves what its prediction misses in e.out. The row before it is in
// e.above, and afterwards this one is.
func (e *encoder) differences(y int) {
	e.load(e.line, y)
	if y == 0 {
		subtractFirst(e.out, e.line, e.n, 1<<(e.precision-1))
	} else {
		subtract(e.out, e.line, e.above, e.n, e.predictor)
	}
	e.line, e.above = e.above, e.line
}

// write appends the codestream (T.81 B.2).
func (e *encoder) write(dst []byte, d codec.Description) []byte {
	f := jpegstream.Frame{Process: jpegstream.SOF3, Precision: e.precision, Rows: d.Rows, Columns: d.Columns, N: e.n}
	s := jpegstream.Scan{N: e.n, Ss: e.predictor}
	dst = jpegstream.AppendMarker(dst, jpegstream.SOI)
	var tables []byte
	bits := 0
	for c := range e.n {
		// Readers of libjpeg's kind tell RGB from YCbCr by these, unless they leave colours alone.
		id := byte(c + 1)
		if d.PhotometricInterpretation == "RGB" && e.n == 3 {
			id = "RGB"[c]
		}
		f.Components[c] = jpegstream.Component{ID: id, H: 1, V: 1}
		s.Components[c] = jpegstream.ScanComponent{Index: c, Td: c}
		spec := jpegstream.Optimal(&e.frequency[c])
		codes := spec.Codes()
		e.codes[c] = packed(codes)
		tables = jpegstream.AppendHuffman(tables, 0, c, spec)
		bits += cost(&e.frequency[c], codes)
	}
	dst = jpegstream.AppendFrame(dst, f)
	dst = append(dst, tables...)
	dst = jpegstream.AppendScan(dst, f, s)

	room := 8*len(e.out) + 16
	dst = slices.Grow(dst, bits/8+bits/256+room+2)
	w := jpegstream.Writer{Pos: len(dst)}
	dst = dst[:cap(dst)]
	for y := range e.rows {
		if len(dst)-w.Pos < room { // many FFs
			dst = slices.Grow(dst, room)
			dst = dst[:cap(dst)]
		}
		e.differences(y)
		w = e.row(dst, w)
	}
	w = w.Flush(dst)
	return jpegstream.AppendMarker(dst[:w.Pos], jpegstream.EOI)
}

// row writes the differences in e.out: the code of the category and its extra bits (T.81 H.1.2.2,
// F.1.2.1.1).
func (e *encoder) row(dst []byte, w jpegstream.Writer) jpegstream.Writer {
	c := 0
	for _, difference := range e.out {
		d := int32(int16(difference))
		s := category(difference) & 31
		k := e.codes[c&3][s]
		w.N += int(k & 63)
		w.Acc |= (k>>6 | uint64(uint32(d+d>>31)&(1<<(s&15)-1))) << (-w.N & 63)
		if w.N >= 32 {
			w = w.Word(dst)
		}
		if c++; c == e.n {
			c = 0
		}
	}
	return w
}

// packed returns, for each category, its code with room for the extra bits, and below in 6 bits how
// many bits both are.
func packed(codes [256]jpegstream.Code) (out [32]uint64) {
	for s := range 17 {
		n := s & 15 // category 16 has no extra bits
		out[s] = uint64(codes[s].Bits())<<(n+6) | uint64(codes[s].Length()+n)
	}
	return out
}
