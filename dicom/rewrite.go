package dicom

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Edit says what Rewrite changes in a data set.
type Edit struct {
	Set    *Dataset                 // elements of the outermost level, in the place of those there or added
	Drop   []tag.Tag                // elements of the outermost level to leave out
	Pixels func(*PixelWriter) error // writes the value of the (Float, Double Float) Pixel Data element
}

// Rewrite copies a data set like Convert, but for what the edit says, and to an encapsulated
// transfer syntax too, or from one. src has the pixel data element's header and then, at once,
// what lies behind its value: pixels come from elsewhere. Group lengths are left out. Neither
// side may be deflated, and what it writes is little endian.
func Rewrite(dst io.Writer, src io.Reader, from, to TransferSyntax, edit Edit) error {
	if from.Deflated || to.Deflated || to.BigEndian {
		return errs.Errorf(errs.Unsupported, "dicom.Rewrite", "not to or from a deflated data set, nor to big endian")
	}
	p := parsers.Get().(*parser)
	defer p.release()
	p.lim = Limits{Header: math.MaxInt64}.withDefaults()
	p.w.reset(src, 0)
	c := converter{p: p, out: bufio.NewWriterSize(dst, 2*chunkSize), edit: &edit}
	if err := c.dataset(nil, from.encoding(), to.encoding(), toEOF, 0); err != nil {
		return err
	}
	if edit.Pixels != nil && !c.pixels {
		return invalid("the pixel data is missing")
	}
	if err := c.insert(math.MaxUint32, to.encoding()); err != nil {
		return err
	}
	return c.out.Flush()
}

// insert writes the elements to be set whose tag is below t and that have not been written.
func (c *converter) insert(t tag.Tag, to encoding) error {
	if c.edit.Set == nil {
		return nil
	}
	c.w.buf = c.w.buf[:0]
	for ; c.set < len(c.edit.Set.Elements) && c.edit.Set.Elements[c.set].Tag < t; c.set++ {
		if err := c.w.element(&c.edit.Set.Elements[c.set], to); err != nil {
			return err
		}
	}
	_, err := c.out.Write(c.w.buf)
	return err
}

// edited copies an element of the outermost level as the edit says.
func (c *converter) edited(d *Dataset, base int, e *Element, length uint32, from, to encoding, end int64) error {
	if err := c.insert(e.Tag, to); err != nil {
		return err
	}
	switch {
	case pixelTag(e.Tag) && c.edit.Pixels != nil && !c.pixels:
		c.pixels = true
		w := PixelWriter{c: c, tag: e.Tag, to: to}
		if err := c.edit.Pixels(&w); err != nil {
			return err
		}
		return w.close()
	case e.Tag.Element() != 0 && !c.edit.Set.Has(e.Tag) && !slices.Contains(c.edit.Drop, e.Tag):
		return c.element(d, base, e, length, from, to, end, 0)
	}
	kept := c.out
	c.out = bufio.NewWriter(io.Discard)
	err := c.element(d, base, e, length, from, to, end, 0)
	c.out = kept
	return err
}

// PixelWriter writes the value of the pixel data element: Native and then the bytes, or
// Encapsulated and then the fragments.
type PixelWriter struct {
	c            *converter
	tag          tag.Tag
	to           encoding
	encapsulated bool
	due          int64 // bytes of a native value still to be written
	odd          bool
}

// Native begins a value of n bytes in little endian.
func (w *PixelWriter) Native(v vr.VR, n int64) error {
	if n >= undefinedLength-1 {
		return errs.Errorf(errs.Unsupported, "dicom.Rewrite", "native pixel data of %d bytes is longer than a data set can hold", n)
	}
	w.due, w.odd = n, n%2 == 1
	w.c.w.buf = w.c.w.buf[:0]
	w.c.w.rawHeader(w.tag, v, uint32(n+n%2), w.to)
	_, err := w.c.out.Write(w.c.w.buf)
	return err
}

// Write writes bytes of a native value.
func (w *PixelWriter) Write(b []byte) (int, error) {
	w.due -= int64(len(b))
	return w.c.out.Write(b)
}

// Encapsulated begins a value of fragments with a Basic Offset Table, which may be empty (PS3.5
// A.4).
func (w *PixelWriter) Encapsulated(basicOffsets []uint32) error {
	w.encapsulated = true
	w.c.w.buf = w.c.w.buf[:0]
	w.c.w.rawHeader(w.tag, vr.OB, undefinedLength, w.to)
	if _, err := w.c.out.Write(w.c.w.buf); err != nil {
		return err
	}
	var table []byte
	for _, offset := range basicOffsets {
		table = binary.LittleEndian.AppendUint32(table, offset)
	}
	return w.Fragment(table)
}

// Fragment writes one item, made even in length.
func (w *PixelWriter) Fragment(b []byte) error {
	if int64(len(b)) >= undefinedLength-1 {
		return errs.Errorf(errs.Unsupported, "dicom.Rewrite", "a fragment of %d bytes", len(b))
	}
	if err := w.c.item(tagItem, uint32(len(b)+len(b)%2), w.to); err != nil {
		return err
	}
	if _, err := w.c.out.Write(b); err != nil || len(b)%2 == 0 {
		return err
	}
	return w.c.out.WriteByte(0)
}

func (w *PixelWriter) close() error {
	switch {
	case w.encapsulated:
		return w.c.item(tagSequenceDelim, 0, w.to)
	case w.due != 0:
		return errs.Errorf(errs.Internal, "dicom.Rewrite", "the native value is %d bytes off", w.due)
	case w.odd:
		return w.c.out.WriteByte(0)
	}
	return nil
}
