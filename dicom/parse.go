package dicom

import (
	"encoding/binary"
	"io"
	"math"
	"sync"
	"unsafe"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const (
	undefinedLength = 0xFFFFFFFF

	tagItem          tag.Tag = 0xFFFEE000
	tagItemDelim     tag.Tag = 0xFFFEE00D
	tagSequenceDelim tag.Tag = 0xFFFEE0DD

	toDelimiter = int64(-1)            // end of an item of undefined length
	toEOF       = int64(math.MaxInt64) // end of the outermost data set
)

// minCharge is what an element or item costs at least against Limits.Header, so that eight bytes
// on the wire cannot buy a hundred in memory many times over.
const minCharge = 32

// encoding is how elements are written.
type encoding struct{ implicit, big bool }

func (ts TransferSyntax) encoding() encoding { return encoding{ts.ImplicitVR, ts.BigEndian} }

func (enc encoding) u16(b []byte) uint16 {
	if enc.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (enc encoding) u32(b []byte) uint32 {
	if enc.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (enc encoding) tag(b []byte) tag.Tag {
	if enc.big {
		return tag.Tag(binary.BigEndian.Uint32(b))
	}
	return tag.New(binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]))
}

// parser reads elements from its window. Elements of open data sets pile up on one stack and
// are moved to a slice of the right size when their data set ends.
type parser struct {
	w     window
	lim   Limits
	whole bool // keep every value, pixel data too
	alias bool // values are slices of the window's memory
	form  bool // the index's form of a header: nothing pads it
	kept  int64
	pixel *PixelData
	ext   [2][]byte // Extended Offset Table, its Lengths
	bulk  bulkTable // of ParseHeader

	stack  []Element
	expect int // elements the data set before had: instances of a series are alike
	items  []*Dataset
	sets   []Dataset // slabs: allocated in chunks, handed out in parts
	elems  []Element
	bytes  []byte
}

var parsers = sync.Pool{New: func() any { return new(parser) }}

// release gives the parser back without anything of the caller's in it.
func (p *parser) release() {
	stack, items := p.stack, p.items
	clear(stack) // not empty after an error
	clear(items)
	if cap(stack) > 64<<10 {
		stack = nil
	}
	if cap(items) > 64<<10 {
		items = nil
	}
	pooled := p.w.pooled
	*p = parser{stack: stack[:0], items: items[:0], expect: p.expect}
	p.w.pooled = pooled
	parsers.Put(p)
}

func invalid(format string, args ...any) error {
	return errs.Errorf(errs.Invalid, "dicom.Read", format, args...)
}

func exhausted(what string) error {
	return errs.Errorf(errs.Exhausted, "dicom.Read", "%s over the limit", what)
}

// short says why bytes were missing: the reader's own error, or data that ends too early.
func (p *parser) short(what string) error {
	if p.w.err != nil && p.w.err != io.EOF {
		return p.w.err
	}
	return invalid("truncated: data ends in %s at offset %d", what, p.w.offset())
}

// outermost reads d to the end of the stream. Its elements do not pass over the stack: there is
// room for expected ones from the start.
func (p *parser) outermost(d *Dataset, enc encoding, expected int) error {
	list := make([]Element, 0, expected)
	for {
		done, err := p.element(d, &list, 0, enc, toEOF, 0)
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	if cap(list) > len(list)+len(list)/4+8 {
		list = append(make([]Element, 0, len(list)), list...)
	}
	d.Elements, d.ordered = list, ascending(list)
	p.expect = min(max(len(list), 16), 1024)
	return nil
}

// dataset reads the elements of the item d up to end.
func (p *parser) dataset(d *Dataset, enc encoding, end int64, depth int) error {
	base := len(p.stack)
	for {
		done, err := p.element(d, &p.stack, base, enc, end, depth)
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	p.finish(d, base)
	return nil
}

// finish moves the elements of d from the stack to their place.
func (p *parser) finish(d *Dataset, base int) {
	open := p.stack[base:]
	d.Elements = p.newElements(len(open))
	copy(d.Elements, open)
	d.ordered = ascending(d.Elements)
	clear(open)
	p.stack = p.stack[:base]
}

// element reads one element of d and puts it on the list, where those of d begin at base; done
// says that the data set has ended.
func (p *parser) element(d *Dataset, list *[]Element, base int, enc encoding, end int64, depth int) (done bool, err error) {
	w := &p.w
	if end >= 0 && w.offset() >= end {
		if w.offset() > end {
			return false, invalid("element runs past the end of its item at offset %d", end)
		}
		return true, nil
	}
	if w.end-w.pos < 12 && !w.fill(12) && w.avail() < 8 {
		return p.ended(end)
	}
	b := w.buf[w.pos:w.end]
	t := enc.tag(b)
	if t>>16 == 0xFFFE {
		return p.delimiter(t, list, enc, end, depth)
	}
	v, length, err := p.header(d, (*list)[base:], t, b, enc)
	if err != nil {
		return false, err
	}
	if t == 0 && length == 0 && end == toEOF && !p.form {
		return p.padding()
	}
	if p.charge(minCharge); p.kept > p.lim.Header {
		return false, exhausted("size of the header")
	}
	if depth == 0 && !p.whole && pixelTag(t) && p.pixel == nil && length != undefinedLength {
		return false, p.nativePixels(t, v, int64(length))
	}
	at := len(*list)
	e := push(list)
	e.Tag, e.VR = t, v
	if p.bulk.next.number > 0 {
		p.bulk.attach(e)
	}
	if length != undefinedLength && v != vr.SQ {
		if end >= 0 && int64(length) > end-w.offset() {
			return false, invalid("length of %s runs past the end of its item", t)
		}
		return false, p.value(e, int64(length), enc, depth)
	}
	// Items push elements of their own, which may move the list: e must not be used meanwhile.
	n := Element{Tag: t, VR: v}
	*list = (*list)[:at]
	noted, err := p.nested(d, *list, base, &n, length, enc, end, depth)
	if err == nil && !noted {
		*push(list) = n
	}
	return false, err
}

// push adds an element; what lies behind the end of a list of the parser's is zero.
func push(list *[]Element) *Element {
	l := *list
	if len(l) < cap(l) {
		l = l[:len(l)+1]
	} else {
		l = append(l, Element{})
	}
	*list = l
	return &l[len(l)-1]
}

// ended judges an end of the stream before a whole element header.
func (p *parser) ended(end int64) (bool, error) {
	if p.w.err != nil && p.w.err != io.EOF {
		return false, p.w.err
	}
	if end == toEOF && p.w.drain() { // nothing, or a few zeros of padding
		return true, nil
	}
	return false, p.short("an element")
}

// padding reads the rest of the stream behind a null element, which no data set has: zeros that
// some writers leave behind the data set are accepted, anything else is damage.
func (p *parser) padding() (bool, error) {
	if p.w.drain() && p.w.err == io.EOF {
		return true, nil
	}
	if p.w.err != io.EOF {
		return false, p.w.err
	}
	return false, invalid("garbage behind the data set")
}

// delimiter handles a tag of group FFFE where an element was due.
func (p *parser) delimiter(t tag.Tag, list *[]Element, enc encoding, end int64, depth int) (bool, error) {
	_, length, err := p.itemHeader(enc)
	switch {
	case err != nil:
		return false, err
	case t == tagItemDelim && end == toDelimiter:
		return true, nil
	case t == tagItemDelim && end != toEOF:
		return false, nil // some writers close items of defined length with a delimiter all the same
	case t == tagItem && length != undefinedLength:
		// An item without its sequence: met where a device lost the sequence's header. Its
		// bytes are kept as they are.
		if end >= 0 && int64(length) > end-p.w.offset() {
			break
		}
		e := Element{Tag: t, VR: vr.UN}
		if p.bulk.next.number > 0 {
			p.bulk.attach(&e)
		}
		if err := p.value(&e, int64(length), enc, depth); err != nil {
			return false, err
		}
		*push(list) = e
		return false, nil
	}
	return false, invalid("unexpected %s at offset %d", t, p.w.offset()-8)
}

// header reads VR and length behind the tag; b has 8 bytes at least. The elements of d so far
// say which VR it is where the dictionary has several.
func (p *parser) header(d *Dataset, open []Element, t tag.Tag, b []byte, enc encoding) (vr.VR, uint32, error) {
	if enc.implicit {
		p.w.pos += 8
		v, several := dictionaryVR(t)
		if several {
			d.Elements, d.ordered = open, -1
			v = d.resolveVR(t, v)
		}
		length := enc.u32(b[4:])
		if v == vr.SQ && length != undefinedLength && length > 0 && !p.itemFollows(enc) {
			v = vr.UN // a sequence by the dictionary only: opaque, as it would be in explicit VR
		}
		return v, length, nil
	}
	v := vr.VR(b[4])<<8 | vr.VR(b[5])
	if !v.Long() {
		if v == blankVR && lengthMissing(t, b, enc) {
			p.w.pos += 6
			return v, 0, nil
		}
		p.w.pos += 8
		return v, uint32(enc.u16(b[6:])), nil
	}
	if len(b) < 12 {
		return v, 0, p.short("an element")
	}
	p.w.pos += 12
	return v, enc.u32(b[8:]), nil
}

// itemFollows reports whether an item, or an end of items, comes next.
func (p *parser) itemFollows(enc encoding) bool {
	if !p.w.fill(8) {
		return false
	}
	t := enc.tag(p.w.buf[p.w.pos:])
	return t == tagItem || t == tagSequenceDelim
}

// blankVR stands where a device knew no VR; the length follows in the short form.
const blankVR = vr.VR(' ')<<8 | ' '

// lengthMissing reports whether the element with a blank VR is cut short even of its length: a
// higher tag with a VR of the standard follows at once (GE workstations).
func lengthMissing(t tag.Tag, b []byte, enc encoding) bool {
	return len(b) >= 12 && enc.tag(b[6:]) > t && (vr.VR(b[10])<<8 | vr.VR(b[11])).Known()
}

func (p *parser) charge(n int64) { p.kept += n }

// nested reads what has undefined length, and sequences. noted says that it was pixel data,
// which is no element of a header.
func (p *parser) nested(d *Dataset, list []Element, base int, e *Element, length uint32, enc encoding, end int64, depth int) (noted bool, err error) {
	e.Undefined = length == undefinedLength
	if e.Undefined && p.encapsulated(e, enc) {
		if depth == 0 && !p.whole && pixelTag(e.Tag) && p.pixel == nil {
			return true, p.walkPixels(e, enc)
		}
		return false, p.fragments(e, enc)
	}
	inner := enc
	switch {
	case e.VR == vr.SQ:
	case enc.implicit:
		e.VR = vr.SQ // only a sequence may have undefined length there
	case e.VR == vr.UN:
		inner = encoding{implicit: true} // PS3.5 6.2.2
	default:
		return false, invalid("%s of VR %q has undefined length", e.Tag, e.VR.String())
	}
	stop := toDelimiter
	if !e.Undefined {
		stop = p.w.offset() + int64(length)
		if end >= 0 && stop > end {
			return false, invalid("length of %s runs past the end of its item", e.Tag)
		}
	}
	d.Elements, d.ordered = list[base:], -1 // items may ask for Pixel Representation
	e.Items, err = p.sequence(d, inner, stop, depth+1)
	return false, err
}

// encapsulated reports whether an element of undefined length holds fragments, not items of a
// sequence (PS3.5 A.4).
func (p *parser) encapsulated(e *Element, enc encoding) bool {
	switch e.VR {
	case vr.OB, vr.OW, vr.OD, vr.OF, vr.OL, vr.OV:
		return !enc.implicit || pixelTag(e.Tag)
	}
	return false
}

// sequence reads items up to end.
func (p *parser) sequence(parent *Dataset, enc encoding, end int64, depth int) ([]*Dataset, error) {
	if depth > p.lim.Depth {
		return nil, exhausted("depth of nested sequences")
	}
	base := len(p.items)
	for end < 0 || p.w.offset() < end {
		t, length, err := p.itemHeader(enc)
		if err != nil {
			return nil, err
		}
		if t == tagSequenceDelim {
			if end >= 0 {
				continue // closed twice: by its length and by a delimiter
			}
			end = p.w.offset()
			break
		}
		if t != tagItem {
			return nil, invalid("%s where an item was due", t)
		}
		stop := toDelimiter
		if length != undefinedLength {
			if stop = p.w.offset() + int64(length); end >= 0 && stop > end {
				return nil, invalid("item runs past the end of its sequence at offset %d", end)
			}
		}
		if p.charge(minCharge); p.kept > p.lim.Header {
			return nil, exhausted("size of the header")
		}
		item := p.newDataset()
		item.parent, item.Undefined = parent, stop == toDelimiter
		inner := enc
		if enc.implicit && p.explicitItem(stop) {
			inner.implicit = false
		}
		if err := p.dataset(item, inner, stop, depth); err != nil {
			return nil, err
		}
		p.items = append(p.items, item)
	}
	if p.w.offset() > end {
		return nil, invalid("item runs past the end of its sequence at offset %d", end)
	}
	items := make([]*Dataset, len(p.items)-base)
	copy(items, p.items[base:])
	clear(p.items[base:])
	p.items = p.items[:base]
	return items, nil
}

// explicitItem reports whether an item in implicit VR begins with an element in explicit VR:
// some archives turn data sets to implicit and leave private sequences as they were. Read as an
// implicit length, most VRs are odd, which no length is; of the others only those are believed
// that the dictionary gives the tag.
func (p *parser) explicitItem(end int64) bool {
	if !p.w.fill(8) || end >= 0 && end-p.w.offset() < 8 {
		return false
	}
	b := p.w.buf[p.w.pos:p.w.end]
	v := vr.VR(b[4])<<8 | vr.VR(b[5])
	if !v.Known() || b[1] == 0xFF {
		return false
	}
	if want, _ := dictionaryVR(encoding{}.tag(b)); v == want {
		return true
	}
	return b[4]%2 == 1
}

// itemHeader reads the tag and length of an item or delimiter.
func (p *parser) itemHeader(enc encoding) (tag.Tag, uint32, error) {
	if !p.w.fill(8) {
		return 0, 0, p.short("a sequence")
	}
	b := p.w.buf[p.w.pos:p.w.end]
	p.w.pos += 8
	return enc.tag(b), enc.u32(b[4:]), nil
}

// value reads, or skips and notes, the value of an element.
func (p *parser) value(e *Element, length int64, enc encoding, depth int) error {
	if length == 0 {
		return nil
	}
	if !p.whole {
		limit := p.lim.InlineText
		if n := e.VR.Size(); n > 0 {
			limit = p.lim.InlineBinary
		}
		if length > limit {
			return p.leave(e, length, enc, depth)
		}
	}
	var err error
	if enc.implicit && e.VR == vr.UN && length >= 4 && p.delimiterCut(length) {
		length += 4
	}
	e.Value, err = p.take(e.Tag, length)
	if enc.big {
		e.Value = p.toLittle(e.Value, e.VR)
	}
	return err
}

// delimiterCut reports whether the next length bytes are a private sequence that ends between
// the tag of a delimiter and its length of zero, where no element can begin (Philips MR data
// turned to implicit VR).
func (p *parser) delimiterCut(length int64) bool {
	w := &p.w
	if length+4 > windowSize || !w.fill(int(length)+4) {
		return false
	}
	b := w.buf[w.pos+int(length)-4:]
	return b[0] == 0xFE && b[1] == 0xFF && (b[2] == 0x0D || b[2] == 0xDD) && b[3] == 0xE0 &&
		string(b[4:8]) == "\x00\x00\x00\x00"
}

// toLittle turns numbers around; what aliases the caller's memory is copied first.
func (p *parser) toLittle(b []byte, v vr.VR) []byte {
	size := v.Size()
	if size < 2 {
		return b
	}
	if p.alias {
		b = append(make([]byte, 0, len(b)), b...)
	}
	swap(b, size)
	return b
}

// leave skips a value that is too large to keep.
func (p *parser) leave(e *Element, length int64, enc encoding, depth int) error {
	e.Bulk = &Bulk{Offset: p.w.offset(), Length: length}
	if depth == 0 && (e.Tag == tag.ExtendedOffsetTable || e.Tag == tag.ExtendedOffsetTableLengths) &&
		length <= 8*int64(p.lim.Fragments) {
		b, err := p.take(e.Tag, length)
		if enc.big {
			b = p.toLittle(b, vr.OV)
		}
		p.ext[e.Tag-tag.ExtendedOffsetTable] = b
		return err
	}
	if !p.w.skip(length) {
		return p.short(e.Tag.String())
	}
	return nil
}

// take returns the next n bytes: a slice of the window's memory, or a copy.
func (p *parser) take(t tag.Tag, n int64) ([]byte, error) {
	if p.alias {
		w := &p.w
		if n > int64(w.avail()) {
			return nil, p.short(t.String())
		}
		b := w.buf[w.pos : w.pos+int(n) : w.pos+int(n)]
		w.pos += int(n)
		return b, nil
	}
	if p.kept += n; p.kept > p.lim.Header {
		return nil, exhausted("size of the header")
	}
	if n <= int64(p.w.avail()) && n <= growStep {
		b := p.newBytes(int(n))
		copy(b, p.w.buf[p.w.pos:])
		p.w.pos += int(n)
		return b, nil
	}
	b, ok := p.w.appendBytes(make([]byte, 0, min(n, growStep)), n)
	if !ok {
		return nil, p.short(t.String())
	}
	return b[:len(b):len(b)], nil
}

// The slabs: values, elements and items are cut from chunks that grow from small to middling,
// so that a header costs few allocations and wastes little.

func (p *parser) newBytes(n int) []byte {
	if n > cap(p.bytes)-len(p.bytes) {
		p.bytes = make([]byte, 0, max(n, min(2*cap(p.bytes), 64<<10), 2<<10))
	}
	at := len(p.bytes)
	p.bytes = p.bytes[:at+n]
	return p.bytes[at : at+n : at+n]
}

func (p *parser) newElements(n int) []Element {
	const chunk = 8192 / int(unsafe.Sizeof(Element{}))
	if n > cap(p.elems)-len(p.elems) {
		if n >= chunk {
			return make([]Element, n)
		}
		p.elems = make([]Element, 0, max(n, min(2*cap(p.elems), chunk), 8))
	}
	at := len(p.elems)
	p.elems = p.elems[:at+n]
	return p.elems[at : at+n : at+n]
}

func (p *parser) newDataset() *Dataset {
	if len(p.sets) == cap(p.sets) {
		p.sets = make([]Dataset, 0, min(max(2*cap(p.sets), 2), 128))
	}
	p.sets = p.sets[:len(p.sets)+1]
	return &p.sets[len(p.sets)-1]
}

// swap reverses the bytes of each number; a rest that is no whole number stays.
func swap(b []byte, size int) {
	switch size {
	case 2:
		for ; len(b) >= 2; b = b[2:] {
			b[0], b[1] = b[1], b[0]
		}
	case 4:
		for ; len(b) >= 4; b = b[4:] {
			binary.LittleEndian.PutUint32(b, binary.BigEndian.Uint32(b))
		}
	case 8:
		for ; len(b) >= 8; b = b[8:] {
			binary.LittleEndian.PutUint64(b, binary.BigEndian.Uint64(b))
		}
	}
}
