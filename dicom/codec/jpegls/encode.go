package jpegls

import (
	"encoding/binary"
	"strings"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// describe returns the description of frames like d once they are encoded with errors up to near.
func describe(d codec.Description, near int) (codec.Description, error) {
	const op = "jpegls.Describe"
	refuse := func(format string, args ...any) (codec.Description, error) {
		return d, errs.Errorf(errs.Unsupported, op, format, args...)
	}
	if d.Float || d.BitsAllocated != 8 && d.BitsAllocated != 16 { // PS3.5 8.2.3
		return refuse("JPEG-LS holds integers of 8 or 16 bits")
	}
	d = d.Full()
	grey := d.PhotometricInterpretation == "PALETTE COLOR" || strings.HasPrefix(d.PhotometricInterpretation, "MONOCHROME")
	switch {
	case d.SamplesPerPixel == 1 && grey, d.SamplesPerPixel == 4:
	case d.SamplesPerPixel == 3 && (d.PhotometricInterpretation == "RGB" || d.PhotometricInterpretation == "YBR_FULL"):
	default:
		return refuse("JPEG-LS does not hold %d samples of %s", d.SamplesPerPixel, d.PhotometricInterpretation)
	}
	if near > 0 && d.PhotometricInterpretation == "PALETTE COLOR" {
		return refuse("an index into a palette cannot be nearly right")
	}
	if highest := 1<<min(d.BitsStored, 16) - 1; near < 0 || near > min(255, highest/2) { // T.87 C.2.3
		return refuse("an error of %d in %d bits", near, d.BitsStored)
	}
	return d, nil
}

// encoder encodes frames, one after another.
type encoder struct {
	model
	writer
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// encode appends the frame's codestream to dst.
func encode(dst []byte, f codec.Frame, near int) ([]byte, error) {
	const op = "jpegls.Encode"
	if _, err := describe(f.Description, near); err != nil {
		return dst, err
	}
	if err := f.Check(op); err != nil {
		return dst, err
	}
	precision := precision(f)
	if near > 0 && !bearable(f, precision, near) {
		near = 0
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	p := defaults(1<<precision-1, near)
	e.begin(p)
	dst = header(dst, f, p, precision)
	e.scan(f)
	dst = e.stuff(dst)
	return append(dst, 0xFF, markerEOI), nil
}

// precision returns the bits of a sample in the codestream: Bits Stored where no sample has
// others, all of them otherwise, so that every decoder gives back negative numbers and what
// lies above Bits Stored, as DCMTK does by default. Samples of 16 bits allocated have 9 at least,
// as DCMTK refuses fewer, and those of 8 bits have all 8, as it misreads fewer (3.6.7).
func precision(f codec.Frame) int {
	if f.BitsAllocated == 8 {
		return 8
	}
	if f.UsedBits() > f.BitsStored {
		return 16
	}
	return max(f.BitsStored, 9)
}

// bearable reports whether no sample leaves what Bits Stored hold when it changes by near, which
// would turn white into black, or a padding value of -32768 into bone. The codestream keeps to
// its own range, but may have more bits, and knows no sign. Such frames are coded without error.
func bearable(f codec.Frame, precision, near int) bool {
	if f.PixelRepresentation == 0 && precision == f.BitsStored {
		return true
	}
	low, high := 0, 1<<f.BitsStored-1-near
	if f.PixelRepresentation == 1 {
		low, high = near-1<<(f.BitsStored-1), 1<<(f.BitsStored-1)-1-near
	}
	width := f.Width()
	for i := 0; i+width <= len(f.Data); i += width {
		var v int
		switch {
		case width == 1 && f.PixelRepresentation == 1:
			v = int(int8(f.Data[i]))
		case width == 1:
			v = int(f.Data[i])
		case f.PixelRepresentation == 1:
			v = int(int16(binary.LittleEndian.Uint16(f.Data[i:])))
		default:
			v = int(binary.LittleEndian.Uint16(f.Data[i:]))
		}
		if v < low || v > high {
			return false
		}
	}
	return true
}

// header appends what comes before the scan's bits.
func header(dst []byte, f codec.Frame, p params, precision int) []byte {
	n := f.SamplesPerPixel
	be := binary.BigEndian.AppendUint16
	dst = append(dst, 0xFF, markerSOI, 0xFF, markerSOF55)
	dst = be(dst, uint16(8+3*n))
	dst = append(dst, byte(precision))
	dst = be(dst, uint16(f.Rows))
	dst = be(dst, uint16(f.Columns))
	dst = append(dst, byte(n))
	for i := range n {
		dst = append(dst, byte(i+1), 0x11, 0)
	}
	if precision > 12 {
		// The defaults, said aloud, as CharLS does: older decoders compute others for so many bits.
		dst = be(append(dst, 0xFF, markerLSE), 13)
		dst = append(dst, 1)
		for _, v := range [...]int{p.maxval, p.t1, p.t2, p.t3, p.reset} {
			dst = be(dst, uint16(v))
		}
	}
	dst = be(append(dst, 0xFF, markerSOS), uint16(6+2*n))
	dst = append(dst, byte(n))
	for i := range n {
		dst = append(dst, byte(i+1), 0)
	}
	interleave := byte(interleaveNone)
	if n > 1 {
		interleave = interleaveSample
	}
	return append(dst, byte(p.near), interleave, 0)
}

// scan encodes all lines.
func (e *encoder) scan(f codec.Frame) {
	e.writer = writer{bits: e.bits}
	n := f.SamplesPerPixel
	samples := f.Columns * n
	line := samples + margins*n
	if cap(e.lines) < 2*line {
		e.lines = make([]uint16, 2*line)
	}
	e.lines = e.lines[:2*line]
	e.restart()
	cur, prev := e.lines[:line], e.lines[line:]
	stride := samples * f.Width()
	for row := range f.Rows {
		gather(cur[n:line-n], f.Data[row*stride:][:stride])
		// T.87 A.2.1: at the edges a sample is the one beside it in the line above.
		copy(prev[line-n:], prev[line-2*n:])
		copy(cur[:n], prev[n:2*n])
		e.room(9 * samples) // a code has 64 bits at most, and a run of one sample one more
		switch {
		case n > 1:
			e.pixels(cur, prev, n)
		case e.near == 0:
			e.lossless(cur, prev)
		default:
			e.nearLossless(cur, prev)
		}
		cur, prev = prev, cur
	}
}

// gather reads a line's samples.
func gather(dst []uint16, src []byte) {
	if len(src) == len(dst) {
		for i, v := range src {
			dst[i] = uint16(v)
		}
		return
	}
	for i := range dst {
		if len(src) < 2 {
			break
		}
		dst[i] = binary.LittleEndian.Uint16(src)
		src = src[2:]
	}
}
