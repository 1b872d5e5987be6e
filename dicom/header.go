package dicom

import (
	"encoding/binary"
	"math"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// The form in which the index keeps headers (all numbers varints):
//
//	version 1, elements of the data set, elements in items, items, length of transfer syntax UID, UID, dataset offset, end,
//	pixel data: 0 none, 1 native, 2 encapsulated; then tag, VR, offset, length, first item - offset
//	bulk values: count; each: element number - previous, offset - previous, length*2 + undefined
//	the data set in Explicit VR Little Endian, bulk values empty
//
// Elements are numbered from 1 in the order they are written, those in items after their
// sequence. The counts allow ParseHeader to allocate once.
const headerVersion = 1

// noted is a bulk value in the table.
type noted struct {
	number    int
	bulk      Bulk
	undefined bool
}

// bulkTable hands the noted values out while a header is parsed.
type bulkTable struct {
	rest   []byte // of the encoded table
	left   uint64
	next   noted
	number int // elements read so far
}

// AppendHeader appends the header's data set in the form the index keeps: Explicit VR Little
// Endian with a table of its bulk values and of the pixel data element. ParseHeader reads it.
func AppendHeader(dst []byte, h *Header) ([]byte, error) {
	var c census
	c.take(h.Dataset)
	dst = append(dst, headerVersion)
	top := len(h.Dataset.Elements)
	dst = binary.AppendUvarint(dst, uint64(top))
	dst = binary.AppendUvarint(dst, uint64(c.elements-top))
	dst = binary.AppendUvarint(dst, uint64(c.items))
	dst = binary.AppendUvarint(dst, uint64(len(h.TransferSyntax.UID)))
	dst = append(dst, h.TransferSyntax.UID...)
	dst = binary.AppendUvarint(dst, uint64(h.DatasetOffset))
	dst = binary.AppendUvarint(dst, uint64(h.End))
	switch px := h.Pixel; {
	case px == nil:
		dst = append(dst, 0)
	default:
		form := byte(1)
		if px.Encapsulated {
			form = 2
		}
		dst = append(dst, form)
		dst = binary.AppendUvarint(dst, uint64(px.Tag))
		dst = binary.AppendUvarint(dst, uint64(px.VR))
		dst = binary.AppendUvarint(dst, uint64(px.Offset))
		dst = binary.AppendUvarint(dst, uint64(px.Length))
		dst = binary.AppendVarint(dst, px.FirstItem-px.Offset)
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.bulk)))
	prev := noted{}
	for _, n := range c.bulk {
		dst = binary.AppendUvarint(dst, uint64(n.number-prev.number))
		dst = binary.AppendVarint(dst, n.bulk.Offset-prev.bulk.Offset)
		length := uint64(n.bulk.Length) << 1
		if n.undefined {
			length |= 1
		}
		dst = binary.AppendUvarint(dst, length)
		prev = n
	}
	w := writer{buf: dst, leave: true}
	if err := w.dataset(h.Dataset, encoding{}); err != nil {
		return dst, err
	}
	return w.buf, nil
}

// census counts what a data set has.
type census struct {
	elements, items int
	bulk            []noted
}

func (c *census) take(d *Dataset) {
	for e := range d.All() {
		c.elements++
		if e.Bulk != nil {
			c.bulk = append(c.bulk, noted{c.elements, *e.Bulk, e.Undefined})
		}
		for _, item := range e.Items {
			c.items++
			c.take(item)
		}
	}
}

// ParseHeader reads what AppendHeader wrote (Meta and fragment tables are not part of it). The
// result aliases b.
func ParseHeader(b []byte) (*Header, error) {
	if len(b) == 0 || b[0] != headerVersion {
		return nil, invalid("header of an unknown version")
	}
	in := varints{b: b[1:]}
	top, inner, items := in.uint(), in.uint(), in.uint()
	uid := in.bytes(in.uint())
	h := &struct { // one allocation for what every header has
		Header
		dataset Dataset
	}{}
	if ts, ok := transferSyntaxByUID[string(uid)]; ok {
		h.TransferSyntax = ts
	} else {
		h.TransferSyntax, _ = LookupTransferSyntax(string(uid))
	}
	h.DatasetOffset, h.End = in.offset(), in.offset()
	switch form := in.uint(); form {
	case 0:
	case 1, 2:
		px := &PixelData{Encapsulated: form == 2}
		px.Tag, px.VR = tag.Tag(in.uint()), vr.VR(in.uint())
		px.Offset, px.Length = in.offset(), in.offset()
		px.FirstItem = px.Offset + in.int()
		if !px.Encapsulated {
			px.FirstItem = 0
		}
		h.Pixel = px
	default:
		in.bad = true
	}
	p := parsers.Get().(*parser)
	defer p.release()
	p.bulk.left = in.uint()
	p.bulk.rest = in.b
	for range p.bulk.left {
		in.uint()
		in.int()
		in.uint()
		if in.bad {
			break
		}
	}
	// Eight bytes are the least an element or item takes.
	if most := uint64(len(in.b) / 8); in.bad || top > most || inner > most || items > most {
		return nil, invalid("damaged header")
	}
	p.lim = Limits{Header: math.MaxInt64, Depth: math.MaxInt, Fragments: math.MaxInt}.withDefaults()
	p.whole, p.alias, p.form = true, true, true
	p.elems = make([]Element, 0, inner)
	p.sets = make([]Dataset, 0, items)
	p.bulk.advance()
	p.w.resetBytes(in.b, 0)
	h.Dataset = &h.dataset
	if err := p.outermost(h.Dataset, encoding{}, int(top)); err != nil {
		return nil, err
	}
	return &h.Header, nil
}

// advance decodes the next entry; there are left of them in rest, known to be well formed.
func (t *bulkTable) advance() {
	if t.left == 0 {
		t.next.number = -1
		return
	}
	in := varints{b: t.rest}
	t.next.number += int(in.uint())
	t.next.bulk.Offset += in.int()
	length := in.uint()
	t.next.bulk.Length, t.next.undefined = int64(length>>1), length&1 == 1
	t.rest, t.left = in.b, t.left-1
}

// attach counts an element and gives it its bulk value, if it has one.
func (t *bulkTable) attach(e *Element) {
	if t.number++; t.number == t.next.number {
		b := t.next.bulk
		e.Bulk, e.Undefined = &b, t.next.undefined
		t.advance()
	}
}

// varints reads a sequence of numbers; bad stays set after the first that is not there.
type varints struct {
	b   []byte
	bad bool
}

func (v *varints) uint() uint64 {
	n, k := binary.Uvarint(v.b)
	if k <= 0 {
		v.bad, v.b = true, nil
		return 0
	}
	v.b = v.b[k:]
	return n
}

func (v *varints) int() int64 {
	n, k := binary.Varint(v.b)
	if k <= 0 {
		v.bad, v.b = true, nil
		return 0
	}
	v.b = v.b[k:]
	return n
}

// offset reads a number that is never negative.
func (v *varints) offset() int64 {
	n := v.uint()
	if n > math.MaxInt64 {
		v.bad, n = true, 0
	}
	return int64(n)
}

func (v *varints) bytes(n uint64) []byte {
	if n > uint64(len(v.b)) {
		v.bad, v.b = true, nil
		return nil
	}
	b := v.b[:n]
	v.b = v.b[n:]
	return b
}
