package dicom

import (
	"bytes"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// pixelTag reports whether the element is one of the three forms of Pixel Data.
func pixelTag(t tag.Tag) bool {
	return t == tag.PixelData || t == tag.FloatPixelData || t == tag.DoubleFloatPixelData
}

// nativePixels notes and skips native pixel data.
func (p *parser) nativePixels(t tag.Tag, v vr.VR, length int64) error {
	p.pixel = &PixelData{Tag: t, VR: v, Offset: p.w.offset(), Length: length}
	if !p.w.skip(length) {
		return p.short("pixel data")
	}
	return nil
}

// walkPixels notes the fragments of encapsulated pixel data without keeping their bytes.
func (p *parser) walkPixels(e *Element, enc encoding) error {
	px := &PixelData{Tag: e.Tag, VR: e.VR, Offset: p.w.offset(), Encapsulated: true}
	for first := true; ; first = false {
		item := p.w.offset()
		length, end, err := p.fragment(enc)
		if err != nil {
			return err
		}
		if first {
			px.FirstItem = item
		}
		if end {
			px.Length = item - px.Offset
			break
		}
		start := p.startOfFrame()
		if first && (length == 0 || !start) {
			// PS3.5 A.4: the first item is the Basic Offset Table, perhaps empty. When it is
			// missing the first item begins like a codestream, as no table does.
			if length > 4*int64(p.lim.Fragments) {
				return exhausted("size of the Basic Offset Table")
			}
			if px.BasicOffsets, err = p.take(e.Tag, length); err != nil {
				return err
			}
			px.FirstItem = p.w.offset()
			continue
		}
		if len(px.Fragments) >= p.lim.Fragments {
			return exhausted("number of fragments")
		}
		px.Fragments = append(px.Fragments, Fragment{Offset: p.w.offset(), Length: length, Start: start})
		if !p.w.skip(length) {
			return p.short("a fragment of the pixel data")
		}
	}
	p.pixel = px
	return nil
}

// fragment reads the header of an item. The stream may end where an item was due: files that
// lack the last delimiter are common and whole.
func (p *parser) fragment(enc encoding) (length int64, end bool, err error) {
	if !p.w.fill(8) {
		if p.w.avail() == 0 && p.w.err == io.EOF {
			return 0, true, nil
		}
		return 0, false, p.short("pixel data")
	}
	t, n, err := p.itemHeader(enc)
	switch {
	case err != nil:
		return 0, false, err
	case t == tagSequenceDelim:
		return 0, true, nil
	case t != tagItem:
		return 0, false, invalid("%s where a fragment of the pixel data was due", t)
	case n == undefinedLength:
		return 0, false, invalid("fragment of undefined length")
	}
	return int64(n), false, nil
}

// signatures are the first bytes of the codestreams that PS3.5 A.4 encapsulates.
var signatures = [][]byte{
	{0xFF, 0xD8, 0xFF},       // JPEG, JPEG-LS: SOI and a marker
	{0xFF, 0x4F, 0xFF, 0x51}, // JPEG 2000, HTJ2K: SOC, SIZ
	{0, 0, 0, 12, 'j', 'P'},  // JP2 file format (not legal, but met)
	{0xFF, 0x0A},             // JPEG XL codestream
	{0, 0, 0, 12, 'J', 'X', 'L'},
}

// startOfFrame reports whether what comes next begins like a compressed frame. RLE begins with
// the number of segments and the first offset, which is always 64 (PS3.5 G.5).
func (p *parser) startOfFrame() bool {
	p.w.fill(12)
	b := p.w.buf[p.w.pos:p.w.end]
	for _, s := range signatures {
		if bytes.HasPrefix(b, s) {
			return true
		}
	}
	return len(b) >= 8 && b[0] >= 1 && b[0] <= 15 && string(b[1:8]) == "\x00\x00\x00\x40\x00\x00\x00"
}

// fragments reads encapsulated data as an element of its own: all of it when the object is read
// whole; in a header (an icon, say) as long as it is small, else it stays in the object.
func (p *parser) fragments(e *Element, enc encoding) error {
	bulk := &Bulk{Offset: p.w.offset()}
	total, n := int64(0), 0
	e.Fragments = [][]byte{}
	for ; ; n++ {
		item := p.w.offset()
		length, end, err := p.fragment(enc)
		if err != nil {
			return err
		}
		if end {
			bulk.Length = item - bulk.Offset
			break
		}
		if n >= p.lim.Fragments {
			return exhausted("number of fragments")
		}
		if p.charge(minCharge); p.kept > p.lim.Header {
			return exhausted("size of the header")
		}
		if total += length; !p.whole && total > p.lim.InlineBinary {
			e.Fragments = nil
			if !p.w.skip(length) {
				return p.short(e.Tag.String())
			}
			continue
		}
		b, err := p.take(e.Tag, length)
		if err != nil {
			return err
		}
		e.Fragments = append(e.Fragments, b)
	}
	if e.Fragments == nil {
		e.Bulk = bulk
	}
	return nil
}
