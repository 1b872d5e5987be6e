// Package rle is the codec of RLE Lossless (PS3.5 Annex G): PackBits over the bytes of equal
// weight, a segment for each, the most significant first, samples one after the other.
//
//	Bits Allocated          8, 16, 32, 64
//	segments                1 to 15: Samples per Pixel times bytes per sample
//	Planar Configuration    0 and 1 alike: segments are planes whatever the header says
//
// Taken as DCMTK and GDCM take it: a frame cut into several fragments, garbage behind a segment,
// runs beyond its last byte, a last segment that lacks less than a row (filled with zeros). Wrong
// segment offsets, which both refuse or read as they are, are replaced by counting the runs. Left
// out: Bits Allocated that are no whole bytes, which DCMTK does not take either.
//
// Segments are expanded side by side, some thousand pixels at a time, and are woven into pixels
// while they are in the first cache. Runs are written sixteen bytes at a time whatever their
// length, as what costs is to guess the length wrong.
package rle

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const (
	headerSize  = 64 // number of segments and 15 offsets (PS3.5 G.5)
	maxSegments = 15
	maxRun      = 128 // bytes that one run stands for, 2 in the worst case
)

// Codec decodes and encodes RLE Lossless. Safe for concurrent use; takes 32 KB beside a frame.
type Codec struct{}

var _ codec.Encoder = Codec{}

// TransferSyntax implements codec.Codec.
func (Codec) TransferSyntax() dicom.TransferSyntax { return dicom.RLELossless }

// segments returns how many segments frames like d have.
func segments(d codec.Description, op string) (int, error) {
	if d.BitsAllocated != 8*d.Width() {
		return 0, errs.Errorf(errs.Unsupported, op, "RLE of %d bits allocated", d.BitsAllocated)
	}
	if n := d.SamplesPerPixel * d.Width(); n <= maxSegments {
		return n, nil
	}
	return 0, errs.Errorf(errs.Unsupported, op, "RLE of %d samples of %d bits", d.SamplesPerPixel, d.BitsAllocated)
}

// Decode implements codec.Codec.
func (Codec) Decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	const op = "rle.Decode"
	size, err := d.Size()
	if err != nil {
		return codec.Frame{}, err
	}
	count, err := segments(d, op)
	if err != nil {
		return codec.Frame{}, err
	}
	switch {
	case len(src) < headerSize:
		return codec.Frame{}, errs.Errorf(errs.Invalid, op, "the frame has %d bytes, less than its header", len(src))
	case binary.LittleEndian.Uint32(src) != uint32(count):
		return codec.Frame{}, errs.Errorf(errs.Invalid, op, "the frame has %d segments, its description %d", binary.LittleEndian.Uint32(src), count)
	case (len(src)-headerSize)*(maxRun/2) < size:
		return codec.Frame{}, errs.Errorf(errs.Invalid, op, "%d bytes cannot be a frame of %d", len(src), size)
	}
	f, err := d.Full().Over(buf) // no segment is shorter than the others
	if err != nil {
		return f, err
	}
	x := expanders.Get().(*expander)
	defer expanders.Put(x)
	if x.readTable(src, count) && x.expand(f) {
		return f, nil
	}
	if x.countRuns(src, count, d.Rows*d.Columns) && x.expand(f) {
		return f, nil
	}
	return codec.Frame{}, errs.Errorf(errs.Invalid, op, "a segment has less than %d pixels", d.Rows*d.Columns)
}

var expanders = sync.Pool{New: func() any { return new(expander) }}

// expander holds the segments of a frame while they are expanded.
type expander struct {
	count    int
	segments [maxSegments]segment
}

// readTable takes the segments from the header; false: its offsets cannot be.
func (x *expander) readTable(src []byte, count int) bool {
	x.count = count
	end := len(src)
	for i := count - 1; i >= 0; i-- {
		at := binary.LittleEndian.Uint32(src[4+4*i:])
		if at < headerSize || at > uint32(end) {
			return false
		}
		x.segments[i].reset(src[at:end])
		end = int(at)
	}
	return true
}

// countRuns takes segments as they follow on each other, each of n bytes once expanded and then
// padded to even length; false: they do not.
func (x *expander) countRuns(src []byte, count, n int) bool {
	at := headerSize
	for i := range count {
		begin, left := at, n
		for left > 0 {
			if at >= len(src) {
				if i < count-1 {
					return false
				}
				break // expand knows how much may lack
			}
			switch c := int(src[at]); {
			case c < 128:
				at, left = at+c+2, left-c-1
			case c > 128:
				at, left = at+2, left-257+c
			default:
				at++
			}
		}
		at = min(at+at%2, len(src))
		x.segments[i].reset(src[begin:at])
	}
	return true
}

// expand fills the frame; false: segments are too short.
func (x *expander) expand(f codec.Frame) bool {
	n := f.Rows * f.Columns
	for at := 0; at < n; at += chunk {
		want := min(chunk, n-at)
		for i := range x.segments[:x.count] {
			s := &x.segments[i]
			if s.fill(want) {
				continue
			}
			// DCMTK fills what lacks of the last segment, of whatever length. A row is more than
			// any writer forgot; a frame that lacks more was cut, and is better not shown.
			if i < x.count-1 || n-at-s.have >= f.Columns {
				return false
			}
			clear(s.out[s.have:want])
			s.have = want
		}
		x.weave(f, at, want)
	}
	return true
}

// weave moves the next pixels of all segments into the frame.
func (x *expander) weave(f codec.Frame, at, n int) {
	w := f.Width()
	out := f.Data[at*x.count:][:n*x.count]
	seg := x.segments[:x.count]
	switch {
	case x.count == 1:
		copy(out, seg[0].out[:n])
	case x.count == 2 && w == 2:
		weave2(out, &seg[0].out, &seg[1].out)
	case x.count == 3:
		weave3(out, seg[0].out[:n], seg[1].out[:n], seg[2].out[:n])
	default:
		for i := range seg {
			// The first segment of a sample is its most significant byte (PS3.5 G.2); a frame has
			// the least significant first.
			for k, b := i/w*w+w-1-i%w, seg[i].out[:n]; len(b) > 0; k, b = k+x.count, b[1:] {
				out[k] = b[0]
			}
		}
	}
	for i := range seg {
		seg[i].shift(n)
	}
}

// weave2 weaves the high and the low bytes of 16-bit samples, eight at a time: what is woven
// beyond the pixels wanted is not written.
func weave2(out []byte, high, low *[chunk + slack]byte) {
	i := 0
	for ; len(out) >= 16 && i <= chunk-8; i, out = i+8, out[16:] {
		h, l := binary.LittleEndian.Uint64(high[i:]), binary.LittleEndian.Uint64(low[i:])
		binary.LittleEndian.PutUint64(out, spread(uint32(l))|spread(uint32(h))<<8)
		binary.LittleEndian.PutUint64(out[8:], spread(uint32(l>>32))|spread(uint32(h>>32))<<8)
	}
	for ; len(out) >= 2; i, out = i+1, out[2:] {
		out[0], out[1] = low[i], high[i]
	}
}

// spread puts a zero byte behind each of four.
func spread(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	return (x | x<<8) & 0x00ff00ff00ff00ff
}

// weave3 weaves three samples of 8 bits, four pixels at a time.
func weave3(out, r, g, b []byte) {
	for len(out) >= 12 && len(r) >= 4 && len(g) >= 4 && len(b) >= 4 {
		p, q, s := binary.LittleEndian.Uint32(r), binary.LittleEndian.Uint32(g), binary.LittleEndian.Uint32(b)
		o := (*[12]byte)(out)
		binary.LittleEndian.PutUint32(o[0:], p&0xff|q&0xff<<8|s&0xff<<16|p>>8<<24)
		binary.LittleEndian.PutUint32(o[4:], q>>8&0xff|s>>8&0xff<<8|p>>16&0xff<<16|q>>16<<24)
		binary.LittleEndian.PutUint32(o[8:], s>>16&0xff|p>>24<<8|q>>24<<16|s>>24<<24)
		out, r, g, b = out[12:], r[4:], g[4:], b[4:]
	}
	for i := range r {
		out[3*i], out[3*i+1], out[3*i+2] = r[i], g[i], b[i]
	}
}

// Describe implements codec.Encoder.
func (Codec) Describe(d codec.Description, _ codec.Options) (codec.Description, error) {
	const op = "rle.Describe"
	if err := d.Uncoded(op); err != nil {
		return d, err
	}
	if d.Float { // PS3.5 8.2.2 is of Pixel Data alone
		return d, errs.Errorf(errs.Unsupported, op, "RLE of floating point samples")
	}
	if _, err := d.Size(); err != nil {
		return d, err
	}
	_, err := segments(d, op)
	return d.Full(), err
}

// Lossy implements codec.Encoder.
func (Codec) Lossy(codec.Options) bool { return false }

// Encode implements codec.Encoder.
func (c Codec) Encode(dst []byte, f codec.Frame, o codec.Options) ([]byte, error) {
	if _, err := c.Describe(f.Description, o); err != nil {
		return dst, err
	}
	if err := f.Check("rle.Encode"); err != nil {
		return dst, err
	}
	w, count := f.Width(), f.SamplesPerPixel*f.Width()
	// A row costs at most one byte for each 128 beside its own.
	begin, had := len(dst), cap(dst)
	dst = slices.Grow(dst, headerSize+count*(f.Rows*(f.Columns+(f.Columns+maxRun-1)/maxRun)+1)+slack)
	dst = append(dst, make([]byte, headerSize)...)
	binary.LittleEndian.PutUint32(dst[begin:], uint32(count))
	row := make([]byte, f.Columns+slack)
	for i := range count {
		binary.LittleEndian.PutUint32(dst[begin+4+4*i:], uint32(len(dst)-begin))
		first := i/w*w + w - 1 - i%w
		for data := f.Data; len(data) > 0; data = data[f.Columns*count:] {
			pick(row[:f.Columns], data, first, count)
			dst = compress(dst, row, f.Columns) // each row alone (PS3.5 G.3.1)
		}
		if (len(dst)-begin)%2 == 1 {
			dst = append(dst, 0) // PS3.5 G.3.1: segments have even length
		}
	}
	if had == 0 && cap(dst) > 2*len(dst) { // who keeps a flat frame keeps not the room it did not need
		dst = slices.Clip(slices.Clone(dst))
	}
	return dst, nil
}

// pick copies every stride-th byte from the first on.
func pick(out, data []byte, first, stride int) {
	i := 0
	if stride == 2 {
		for ; i+4 <= len(out); i += 4 {
			x := binary.LittleEndian.Uint64(data[2*i:]) >> (8 * first) & 0x00ff00ff00ff00ff
			x = (x | x>>8) & 0x0000ffff0000ffff
			binary.LittleEndian.PutUint32(out[i:], uint32(x|x>>16))
		}
	}
	for at := i*stride + first; i < len(out); i, at = i+1, at+stride {
		out[i] = data[at]
	}
}
