package dicom

import (
	"bytes"
	"io"
	"math"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/klauspost/compress/flate"
)

const (
	preambleSize = 128

	defaultInlineBinary = 4 << 10
	defaultInlineText   = 64 << 10
	defaultHeader       = 64 << 20
	defaultDepth        = 128
	defaultInflated     = 4 << 30
	defaultFragments    = 4 << 20
	defaultWhole        = 1 << 30
)

// withDefaults replaces what is zero.
func (l Limits) withDefaults() Limits {
	set := func(n *int64, to int64) {
		if *n == 0 {
			*n = to
		}
	}
	set(&l.InlineBinary, defaultInlineBinary)
	set(&l.InlineText, defaultInlineText)
	set(&l.Header, defaultHeader)
	set(&l.Inflated, defaultInflated)
	if l.Depth == 0 {
		l.Depth = defaultDepth
	}
	if l.Fragments == 0 {
		l.Fragments = defaultFragments
	}
	return l
}

// ReadHeader reads an object to its end, in one pass and with bounded memory: values above the
// limits and pixel data are skipped and noted. What it returns does not alias r. Errors are
// errs.Invalid (damaged), errs.Exhausted (over a limit) or r's own.
//
// Accepted although not legal, because devices write it and nothing is lost: elements out of
// order or twice, odd lengths, zeros behind the data set, delimiters in sequences of defined
// length, a missing delimiter at the very end of encapsulated pixel data.
func ReadHeader(r io.Reader, src Source, lim Limits) (*Header, error) {
	p := parsers.Get().(*parser)
	defer p.release()
	p.lim = lim.withDefaults()
	p.w.reset(r, src.Base)
	h := &Header{}
	if _, err := p.object(h, src); err != nil {
		return nil, err
	}
	if p.pixel != nil {
		h.Pixel = p.pixel
		h.Pixel.ExtOffsets = p.extended(h.Dataset, tag.ExtendedOffsetTable)
		h.Pixel.ExtLengths = p.extended(h.Dataset, tag.ExtendedOffsetTableLengths)
	}
	return h, nil
}

// extended returns an Extended Offset Table element, large or small.
func (p *parser) extended(d *Dataset, t tag.Tag) []byte {
	if b := p.ext[t-tag.ExtendedOffsetTable]; b != nil {
		return b
	}
	if e := d.Get(t); e != nil {
		return e.Value
	}
	return nil
}

// Read reads an object whole into memory, pixel data included: for tools, tests and small
// objects. maxBytes bounds it (0: 1 GiB).
func Read(r io.Reader, src Source, maxBytes int64) (*File, error) {
	p := parsers.Get().(*parser)
	defer p.release()
	if maxBytes <= 0 {
		maxBytes = defaultWhole
	}
	p.lim = Limits{Header: maxBytes, Inflated: maxBytes}.withDefaults()
	p.whole = true
	p.w.reset(r, src.Base)
	h := &Header{}
	preamble, err := p.object(h, src)
	if err != nil {
		return nil, err
	}
	return &File{Preamble: preamble, Meta: h.Meta, Dataset: h.Dataset, TransferSyntax: h.TransferSyntax}, nil
}

// ParseDataset parses a whole bare data set from memory (a C-FIND identifier, a stored
// attribute blob). The result aliases b where the encoding allows.
func ParseDataset(b []byte, ts TransferSyntax) (*Dataset, error) {
	if ts.Deflated {
		f, err := Read(bytes.NewReader(b), Source{TransferSyntax: ts.UID}, 0)
		if err != nil {
			return nil, err
		}
		return f.Dataset, nil
	}
	p := parsers.Get().(*parser)
	defer p.release()
	p.lim = Limits{Header: math.MaxInt64}.withDefaults()
	p.whole, p.alias = true, true
	p.w.resetBytes(b, 0)
	d := &Dataset{}
	if err := p.outermost(d, ts.encoding(), min(p.expect, len(b)/8)); err != nil {
		return nil, err
	}
	return d, nil
}

// object reads preamble, meta information and data set.
func (p *parser) object(h *Header, src Source) (preamble []byte, err error) {
	switch {
	case src.TransferSyntax != "":
		h.TransferSyntax, _ = LookupTransferSyntax(src.TransferSyntax)
	default:
		if preamble, err = p.preamble(src.Lenient); err != nil {
			return nil, err
		}
		if err = p.metaInformation(h, src.Lenient); err != nil {
			return nil, err
		}
	}
	h.DatasetOffset = p.w.offset()
	h.Dataset = &Dataset{}
	if h.TransferSyntax.Deflated {
		h.End, err = p.inflate(h)
	} else {
		err = p.outermost(h.Dataset, h.TransferSyntax.encoding(), p.expect)
		h.End = p.w.offset()
	}
	if err == nil && h.Meta != nil && len(h.Dataset.Elements) == 0 && p.pixel == nil {
		err = invalid("truncated: meta information without a data set")
	}
	return preamble, err
}

// preamble reads the 128 bytes and the prefix (PS3.10 7.1).
func (p *parser) preamble(lenient bool) ([]byte, error) {
	if (p.w.fill(preambleSize+6) || p.w.avail() >= preambleSize+4) && string(p.w.buf[p.w.pos+preambleSize:p.w.pos+preambleSize+4]) == "DICM" {
		b := p.w.buf[p.w.pos : p.w.pos+preambleSize]
		// A data set without preamble may have DICM in a value at the same place.
		next := p.w.buf[p.w.pos+preambleSize+4 : p.w.end]
		if !lenient || len(next) < 2 || next[0] == 2 && next[1] == 0 {
			var keep []byte
			if p.whole {
				keep = bytes.Clone(b)
			}
			p.w.pos += preambleSize + 4
			return keep, nil
		}
	}
	if p.w.err != nil && p.w.err != io.EOF {
		return nil, p.w.err
	}
	if !lenient {
		return nil, invalid("not a DICOM file: no preamble with DICM")
	}
	if p.w.avail() >= 4 && string(p.w.buf[p.w.pos:p.w.pos+4]) == "DICM" {
		p.w.pos += 4
	}
	return nil, nil
}

// metaInformation reads group 0002, which ends where another group begins: its group length is
// wrong too often to be trusted.
func (p *parser) metaInformation(h *Header, lenient bool) error {
	enc := ExplicitVRLittleEndian.encoding()
	meta := &Dataset{}
	base := len(p.stack)
	for p.w.fill(8) {
		b := p.w.buf[p.w.pos:p.w.end]
		if enc.tag(b).Group() != 2 {
			break
		}
		if _, err := p.element(meta, &p.stack, base, enc, toEOF, 0); err != nil {
			return err
		}
	}
	found := len(p.stack) > base
	p.finish(meta, base)
	if found {
		h.Meta = meta
		if uid := meta.UID(tag.TransferSyntaxUID); uid != "" {
			h.TransferSyntax, _ = LookupTransferSyntax(uid)
			return nil
		}
	}
	if p.w.err != nil && p.w.err != io.EOF {
		return p.w.err
	}
	if !lenient {
		return invalid("no Transfer Syntax UID in the File Meta Information")
	}
	ts, ok := p.guess()
	if !ok {
		return invalid("not a DICOM file: neither meta information nor a data set")
	}
	h.TransferSyntax = ts
	return nil
}

// guess tells the encoding of a bare data set from its first element.
func (p *parser) guess() (TransferSyntax, bool) {
	if !p.w.fill(8) {
		return TransferSyntax{}, false
	}
	b := p.w.buf[p.w.pos:p.w.end]
	plausible := func(g uint16) bool { return g%2 == 0 && g >= 4 && g <= 0x0040 }
	explicit := (vr.VR(b[4])<<8 | vr.VR(b[5])).Known()
	switch {
	case plausible(encoding{}.u16(b)) && explicit:
		return ExplicitVRLittleEndian, true
	case plausible(encoding{}.u16(b)):
		return ImplicitVRLittleEndian, true
	case plausible(encoding{big: true}.u16(b)) && explicit:
		return ExplicitVRBigEndian, true
	}
	return TransferSyntax{}, false
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// inflate reads a deflated data set (PS3.5 A.5): the window is read by the inflater and a
// second one looks at what comes out. Offsets of values are as if the object were not deflated.
func (p *parser) inflate(h *Header) (end int64, err error) {
	q := parsers.Get().(*parser)
	defer q.release()
	q.lim, q.whole, q.kept = p.lim, p.whole, p.kept
	in, free := newInflated(&p.w, p.lim.Inflated)
	defer free()
	q.w.reset(in, h.DatasetOffset)
	if err := q.outermost(h.Dataset, h.TransferSyntax.encoding(), q.expect); err != nil {
		return 0, err
	}
	p.pixel, p.ext = q.pixel, q.ext
	p.w.drain() // the padding byte that makes the length even
	if p.w.err != io.EOF {
		return 0, p.w.err
	}
	return p.w.offset(), nil
}

// newInflated returns a reader of at most limit bytes that the raw window inflates to, and what
// gives its memory back.
func newInflated(raw *window, limit int64) (*inflated, func()) {
	in := inflaters.Get().(io.ReadCloser)
	_ = in.(flate.Resetter).Reset(raw, nil) // it cannot fail
	return &inflated{r: in, raw: raw, left: limit}, func() { inflaters.Put(in) }
}

// inflated reads what an inflater gives, up to a limit, and classifies its errors.
type inflated struct {
	r    io.Reader
	raw  *window
	left int64
}

func (i *inflated) Read(b []byte) (int, error) {
	n, err := i.r.Read(b)
	if i.left -= int64(n); i.left < 0 {
		return 0, exhausted("size of the inflated data set")
	}
	if err != nil && err != io.EOF {
		if i.raw.err != nil && i.raw.err != io.EOF {
			return n, i.raw.err
		}
		return n, errs.E(errs.Invalid, "dicom.Read", err)
	}
	return n, err
}
