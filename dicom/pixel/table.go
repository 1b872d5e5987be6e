package pixel

import (
	"encoding/binary"
	"math"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// The encoding of a FrameIndex (integers are unsigned varints unless said otherwise):
//
//	form  one byte: formNative or formTable, plus flags
//	formNative: offset, bits of a frame, frames
//	formTable:  item (offset of the first item's tag), frames, checkpoints, body
//
// The body has for each frame: the number of fragments (flagCounts only), then for each fragment
// the bytes between it and the fragment before (flagGaps only, else 8: an item's tag and length)
// and its length. Before each interval-th frame but the first a checkpoint of fixed size says
// where in the body it begins (4 bytes) and where in the object the fragment before it ends
// (8 bytes, both little endian).
const (
	formNative = 1
	formTable  = 2
	formMask   = 0x0f
	flagCounts = 0x10
	flagGaps   = 0x20

	interval       = 64
	checkpointSize = 12
)

// table is the fragments' part of a FrameIndex, read in place.
type table struct {
	form        byte
	frames      int
	item        int64
	checkpoints []byte
	body        []byte
}

// Append appends the table's encoding (kept by the index) to dst.
func (x *FrameIndex) Append(dst []byte) []byte {
	if x.table == nil {
		dst = append(dst, formNative)
		dst = binary.AppendUvarint(dst, uint64(x.native.offset))
		dst = binary.AppendUvarint(dst, uint64(x.native.bits))
		return binary.AppendUvarint(dst, uint64(x.frames))
	}
	t := x.table
	dst = append(dst, t.form)
	dst = binary.AppendUvarint(dst, uint64(t.item))
	dst = binary.AppendUvarint(dst, uint64(x.frames))
	dst = append(dst, t.checkpoints...)
	return append(dst, t.body...)
}

// Parse reads what Append wrote. It keeps b, which must not change any more.
func Parse(b []byte) (*FrameIndex, error) {
	r := reader{b: b}
	form := r.byte()
	switch form & formMask {
	case formNative:
		v := native{offset: r.int(), bits: r.int()}
		frames := r.int()
		if r.failed || len(r.b) > 0 || form != formNative || frames > maxFrames || !v.fits(int(frames)) {
			return nil, errDamaged("pixel.Parse")
		}
		return &FrameIndex{frames: int(frames), native: v}, nil
	case formTable:
		t := &table{form: form, item: r.int()}
		frames := r.int()
		// A frame takes a byte at least, so that more frames than bytes is nonsense.
		if r.failed || form&^(formMask|flagCounts|flagGaps) != 0 || frames < 1 || frames > int64(len(r.b)) {
			return nil, errDamaged("pixel.Parse")
		}
		t.frames = int(frames)
		n := (t.frames - 1) / interval * checkpointSize
		if n > len(r.b) {
			return nil, errDamaged("pixel.Parse")
		}
		t.checkpoints, t.body = r.b[:n:n], r.b[n:]
		return &FrameIndex{frames: t.frames, table: t}, nil
	}
	return nil, errDamaged("pixel.Parse")
}

func errDamaged(op string) error { return errs.Errorf(errs.Internal, op, "frame table is damaged") }

// frame reads a frame (0-based).
func (t *table) frame(i int) ([]Span, error) {
	r := reader{b: t.body}
	end := t.item
	if c := i / interval; c > 0 {
		point := t.checkpoints[(c-1)*checkpointSize:]
		at := binary.LittleEndian.Uint32(point)
		before := binary.LittleEndian.Uint64(point[4:])
		if uint64(at) > uint64(len(t.body)) || before > math.MaxInt64 {
			return nil, errDamaged("pixel.Frame")
		}
		r.b, end = t.body[at:], int64(before)
	}
	for range i % interval {
		for range t.count(&r) {
			end = t.span(&r, end).end()
		}
		if r.failed {
			return nil, errDamaged("pixel.Frame")
		}
	}
	n := t.count(&r)
	if r.failed {
		return nil, errDamaged("pixel.Frame")
	}
	spans := make([]Span, n)
	for j := range spans {
		spans[j] = t.span(&r, end)
		end = spans[j].end()
	}
	if r.failed {
		return nil, errDamaged("pixel.Frame")
	}
	return spans, nil
}

func (s Span) end() int64 { return s.Offset + s.Length }

// count reads a frame's number of fragments. Each takes a byte at least.
func (t *table) count(r *reader) int {
	if t.form&flagCounts == 0 {
		return 1
	}
	n := r.int()
	if n < 1 || n > int64(len(r.b)) {
		r.failed = true
		return 0
	}
	return int(n)
}

// span reads a fragment; end is that of the fragment before.
func (t *table) span(r *reader, end int64) Span {
	gap := int64(itemHeader)
	if t.form&flagGaps != 0 {
		gap = r.int()
	}
	length := r.int()
	if gap > math.MaxInt64-end || length > math.MaxInt64-end-gap {
		r.failed = true
		return Span{}
	}
	return Span{Offset: end + gap, Length: length}
}

// builder collects the spans of frame after frame and then encodes them.
type builder struct {
	item  int64
	spans []Span
	ends  []int // behind each frame's last span, only once a frame has several
	n     int   // frames
}

// next adds a frame of n spans, for the caller to fill in before the next call.
func (b *builder) next(n int) []Span {
	if n != 1 && b.ends == nil {
		b.ends = make([]int, 0, b.n+1)
		for i := range b.n {
			b.ends = append(b.ends, i+1)
		}
	}
	start := len(b.spans)
	for range n {
		b.spans = append(b.spans, Span{})
	}
	b.n++
	if b.ends != nil {
		b.ends = append(b.ends, len(b.spans))
	}
	return b.spans[start:]
}

func (b *builder) table(frames int) (*table, error) {
	const op = "pixel.Index"
	t := &table{form: formTable, frames: frames, item: b.item}
	if b.item < 0 {
		return nil, errs.Errorf(errs.Invalid, op, "fragments lie before the object")
	}
	if b.ends != nil {
		t.form |= flagCounts
	}
	for end, i := b.item, 0; i < len(b.spans); i++ {
		s := b.spans[i]
		if s.Length <= 0 || s.Offset < end || s.Length > math.MaxInt64-s.Offset {
			return nil, errs.Errorf(errs.Invalid, op, "fragments overlap")
		}
		if s.Offset-end != itemHeader {
			t.form |= flagGaps
		}
		end = s.end()
	}
	end, first := b.item, 0
	for i := range frames {
		if i > 0 && i%interval == 0 {
			if len(t.body) > math.MaxUint32 {
				return nil, errs.Errorf(errs.Exhausted, op, "too many fragments")
			}
			t.checkpoints = binary.LittleEndian.AppendUint32(t.checkpoints, uint32(len(t.body)))
			t.checkpoints = binary.LittleEndian.AppendUint64(t.checkpoints, uint64(end))
		}
		last := first + 1
		if b.ends != nil {
			last = b.ends[i]
			t.body = binary.AppendUvarint(t.body, uint64(last-first))
		}
		for _, s := range b.spans[first:last] {
			if t.form&flagGaps != 0 {
				t.body = binary.AppendUvarint(t.body, uint64(s.Offset-end))
			}
			t.body = binary.AppendUvarint(t.body, uint64(s.Length))
			end = s.end()
		}
		first = last
	}
	return t, nil
}

// reader takes numbers off a slice; the first that is not there makes it fail for good.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// int reads a varint that fits an int64.
func (r *reader) int() int64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > math.MaxInt64 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return int64(v)
}
