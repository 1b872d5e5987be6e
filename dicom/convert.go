package dicom

import (
	"bufio"
	"io"
	"math"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/klauspost/compress/flate"
)

// chunkSize is how much of a value is turned around at a time; a multiple of every size.
const chunkSize = 32 << 10

// Convert copies a data set from one native transfer syntax to another (byte order, VR
// encoding, deflate), streaming; pixel data is swapped, never decoded. It is an error when
// either side is encapsulated and they differ.
//
// When lengths change because VRs come or go, sequences and items get undefined length and group
// lengths, which nobody needs (PS3.5 7.2), are left out. Values of UN are opaque bytes in any
// order, as the standard wants.
func Convert(dst io.Writer, src io.Reader, from, to TransferSyntax) error {
	if from.UID == to.UID {
		_, err := io.Copy(dst, src)
		return err
	}
	if from.Encapsulated || to.Encapsulated {
		return errs.Errorf(errs.Unsupported, "dicom.Convert", "pixel data would have to be decoded or encoded")
	}
	p := parsers.Get().(*parser)
	defer p.release()
	p.lim = Limits{Header: math.MaxInt64}.withDefaults()
	p.w.reset(src, 0)
	if from.Deflated {
		raw := parsers.Get().(*parser)
		defer raw.release()
		raw.w.reset(src, 0)
		in, free := newInflated(&raw.w, math.MaxInt64)
		defer free()
		p.w.reset(in, 0)
	}
	out := &counter{w: dst}
	c := converter{p: p, out: bufio.NewWriterSize(out, 2*chunkSize), resize: from.ImplicitVR != to.ImplicitVR}
	if !to.Deflated {
		if err := c.dataset(nil, from.encoding(), to.encoding(), toEOF, 0); err != nil {
			return err
		}
		return c.out.Flush()
	}
	z, err := flate.NewWriter(out, flate.DefaultCompression)
	if err != nil {
		return err
	}
	c.out.Reset(z)
	if err := c.dataset(nil, from.encoding(), to.encoding(), toEOF, 0); err != nil {
		return err
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if out.n%2 == 1 { // PS3.5 A.5
		_, err = out.Write([]byte{0})
	}
	return err
}

// converter copies element by element. Its memory is two buffers and what Pixel Representation
// of the open data sets takes.
type converter struct {
	p      *parser
	out    *bufio.Writer
	resize bool // VRs come or go
	w      writer
	chunk  []byte

	edit   *Edit // of Rewrite
	set    int   // elements of edit.Set that have been written
	pixels bool  // the pixel data element has been
}

// dataset copies the elements up to end.
func (c *converter) dataset(parent *Dataset, from, to encoding, end int64, depth int) error {
	p := c.p
	d, base := &Dataset{parent: parent, ordered: -1}, len(p.stack)
	for {
		if end >= 0 && p.w.offset() >= end {
			if p.w.offset() > end {
				return invalid("element runs past the end of its item at offset %d", end)
			}
			break
		}
		if p.w.avail() < 12 && !p.w.fill(12) && p.w.avail() < 8 {
			if done, err := p.ended(end); err != nil || done {
				return err
			}
		}
		b := p.w.buf[p.w.pos:p.w.end]
		t := from.tag(b)
		if t>>16 == 0xFFFE {
			done, err := c.delimiter(t, from, to, end)
			if err != nil {
				return err
			}
			if done {
				break
			}
			continue
		}
		v, length, err := p.header(d, p.stack[base:], t, b, from)
		if err != nil {
			return err
		}
		e := Element{Tag: t, VR: v}
		if t == 0 && length == 0 && end == toEOF {
			_, err := p.padding()
			return err
		}
		if depth == 0 && c.edit != nil {
			err = c.edited(d, base, &e, length, from, to, end)
		} else {
			err = c.element(d, base, &e, length, from, to, end, depth)
		}
		if err != nil {
			return err
		}
	}
	clear(p.stack[base:])
	p.stack = p.stack[:base]
	return nil
}

// element copies what follows an element's header.
func (c *converter) element(d *Dataset, base int, e *Element, length uint32, from, to encoding, end int64, depth int) error {
	p := c.p
	if length != undefinedLength && end >= 0 && int64(length) > end-p.w.offset() {
		return invalid("length of %s runs past the end of its item", e.Tag)
	}
	resize := from.implicit != to.implicit
	switch {
	case length == undefinedLength && p.encapsulated(e, from):
		return c.fragments(e, from, to)
	case length == undefinedLength || e.VR == vr.SQ:
		d.Elements = p.stack[base:]
		return c.sequence(d, e, length, from, to, depth+1)
	case resize && e.Tag.Element() == 0:
		if !p.w.skip(int64(length)) {
			return p.short(e.Tag.String())
		}
		return nil
	}
	c.w.buf = c.w.buf[:0]
	written := c.w.rawHeader(e.Tag, e.VR, length, to)
	if _, err := c.out.Write(c.w.buf); err != nil {
		return err
	}
	size := 1
	if from.big != to.big {
		size = max(e.VR.Size(), 1)
	}
	if written != e.VR { // too long for its VR: UN is always little endian here
		size = 1
		if from.big {
			size = max(e.VR.Size(), 1)
		}
	}
	if e.Tag == tag.PixelRepresentation && length == 2 && p.w.fill(2) {
		n := from.u16(p.w.buf[p.w.pos:])
		p.stack = append(p.stack, Element{Tag: e.Tag, VR: vr.US, Value: []byte{byte(n), byte(n >> 8)}})
	}
	return c.copy(e.Tag, int64(length), size)
}

// copy copies n bytes, turning numbers of the size around.
func (c *converter) copy(t tag.Tag, n int64, size int) error {
	for n > 0 {
		k := min(n, chunkSize)
		var ok bool
		if c.chunk, ok = c.p.w.appendBytes(c.chunk[:0], k); !ok {
			return c.p.short(t.String())
		}
		swap(c.chunk, size)
		if _, err := c.out.Write(c.chunk); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// item writes the tag and length of an item or delimiter.
func (c *converter) item(t tag.Tag, length uint32, to encoding) error {
	c.w.buf = to.appendU32(to.appendTag(c.w.buf[:0], t), length)
	_, err := c.out.Write(c.w.buf)
	return err
}

func (c *converter) delimiter(t tag.Tag, from, to encoding, end int64) (bool, error) {
	_, length, err := c.p.itemHeader(from)
	switch {
	case err != nil:
		return false, err
	case t == tagItemDelim && end == toDelimiter:
		return true, nil // sequence writes it
	case t == tagItemDelim && end != toEOF:
		if from.implicit == to.implicit {
			return false, c.item(t, length, to)
		}
		return false, nil
	case t == tagItem && length != undefinedLength && (end < 0 || int64(length) <= end-c.p.w.offset()):
		if err := c.item(t, length, to); err != nil {
			return false, err
		}
		return false, c.copy(t, int64(length), 1)
	}
	return false, invalid("unexpected %s at offset %d", t, c.p.w.offset()-8)
}

// sequence copies items; lengths stay as they are unless VRs come or go.
func (c *converter) sequence(d *Dataset, e *Element, length uint32, from, to encoding, depth int) error {
	p := c.p
	if depth > p.lim.Depth {
		return exhausted("depth of nested sequences")
	}
	inner, outer := from, to
	switch {
	case e.VR == vr.SQ:
	case from.implicit:
		e.VR = vr.SQ
	case e.VR == vr.UN:
		inner, outer = encoding{implicit: true}, encoding{implicit: true} // PS3.5 6.2.2
	default:
		return invalid("%s of VR %q has undefined length", e.Tag, e.VR.String())
	}
	resize := inner.implicit != outer.implicit
	end := toDelimiter
	if length != undefinedLength {
		end = p.w.offset() + int64(length)
	}
	if resize {
		length = undefinedLength
	}
	c.w.buf = c.w.buf[:0]
	c.w.rawHeader(e.Tag, e.VR, length, to)
	if _, err := c.out.Write(c.w.buf); err != nil {
		return err
	}
	for end < 0 || p.w.offset() < end {
		t, n, err := p.itemHeader(inner)
		if err != nil {
			return err
		}
		if t == tagSequenceDelim && end < 0 {
			break
		}
		if t == tagSequenceDelim {
			if !resize {
				if err := c.item(t, n, outer); err != nil {
					return err
				}
			}
			continue
		}
		if err := c.copyItem(d, t, n, inner, outer, end, depth); err != nil {
			return err
		}
	}
	if end >= 0 && p.w.offset() > end {
		return invalid("item runs past the end of its sequence at offset %d", end)
	}
	if length == undefinedLength {
		return c.item(tagSequenceDelim, 0, outer)
	}
	return nil
}

// copyItem copies one item of a sequence that ends at end.
func (c *converter) copyItem(d *Dataset, t tag.Tag, n uint32, inner, outer encoding, end int64, depth int) error {
	if t != tagItem {
		return invalid("%s where an item was due", t)
	}
	stop := toDelimiter
	if n != undefinedLength {
		if stop = c.p.w.offset() + int64(n); end >= 0 && stop > end {
			return invalid("item runs past the end of its sequence at offset %d", end)
		}
	}
	if inner.implicit && c.p.explicitItem(stop) {
		inner.implicit = false
	}
	if inner.implicit != outer.implicit {
		n = undefinedLength
	}
	if err := c.item(t, n, outer); err != nil {
		return err
	}
	if err := c.dataset(d, inner, outer, stop, depth); err != nil {
		return err
	}
	if n == undefinedLength {
		return c.item(tagItemDelim, 0, outer)
	}
	return nil
}

// fragments copies encapsulated data: an icon, perhaps, in an object that is native itself.
func (c *converter) fragments(e *Element, from, to encoding) error {
	c.w.buf = c.w.buf[:0]
	c.w.rawHeader(e.Tag, e.VR, undefinedLength, to)
	if _, err := c.out.Write(c.w.buf); err != nil {
		return err
	}
	for {
		length, end, err := c.p.fragment(from)
		if err != nil {
			return err
		}
		if end {
			return c.item(tagSequenceDelim, 0, to)
		}
		if err := c.item(tagItem, uint32(length), to); err != nil {
			return err
		}
		if err := c.copy(e.Tag, length, 1); err != nil {
			return err
		}
	}
}
