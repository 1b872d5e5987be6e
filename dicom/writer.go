package dicom

import (
	"encoding/binary"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// writer appends elements to a buffer.
type writer struct {
	buf   []byte
	leave bool // AppendHeader: bulk values are written empty, a table has them
}

// AppendDataset appends the data set in the transfer syntax (not deflated) to dst; bulk values
// cannot be written and are an error. Lengths that were undefined when read stay so.
func AppendDataset(dst []byte, d *Dataset, ts TransferSyntax) ([]byte, error) {
	w := writer{buf: dst}
	if err := w.dataset(d, ts.encoding()); err != nil {
		return dst, err
	}
	return w.buf, nil
}

func (w *writer) dataset(d *Dataset, enc encoding) error {
	for e := range d.All() {
		if err := w.element(e, enc); err != nil {
			return err
		}
	}
	return nil
}

func unwritable(format string, args ...any) error {
	return errs.Errorf(errs.Invalid, "dicom.Append", format, args...)
}

func (w *writer) element(e *Element, enc encoding) error {
	switch {
	case e.Bulk != nil:
		if !w.leave {
			return unwritable("%s is a bulk value", e.Tag)
		}
		_, err := w.header(e.Tag, e.VR, 0, enc)
		return err
	case e.Items != nil || e.VR == vr.SQ:
		return w.sequence(e, enc)
	case e.Fragments != nil:
		return w.fragments(e, enc)
	}
	v, err := w.header(e.Tag, e.VR, int64(len(e.Value)), enc)
	if err != nil {
		return err
	}
	at := len(w.buf)
	w.buf = append(w.buf, e.Value...)
	if enc.big {
		swap(w.buf[at:], v.Size())
	}
	return nil
}

// header writes tag, VR and length, and returns the VR that was written: a value too long for
// the 16-bit length of its VR becomes UN (PS3.5 6.2.2, note 2 of Table 7.1-2).
func (w *writer) header(t tag.Tag, v vr.VR, length int64, enc encoding) (vr.VR, error) {
	if length >= undefinedLength {
		return v, unwritable("value of %s is too long", t)
	}
	return w.rawHeader(t, v, uint32(length), enc), nil
}

func (w *writer) rawHeader(t tag.Tag, v vr.VR, length uint32, enc encoding) vr.VR {
	w.buf = enc.appendTag(w.buf, t)
	switch {
	case enc.implicit, t.Group() == 0xFFFE:
		w.buf = enc.appendU32(w.buf, length)
		return v
	case !v.Long() && length > 0xFFFF:
		v = vr.UN
		fallthrough
	case v.Long():
		w.buf = append(w.buf, byte(v>>8), byte(v), 0, 0)
		w.buf = enc.appendU32(w.buf, length)
	default:
		w.buf = append(w.buf, byte(v>>8), byte(v))
		w.buf = enc.appendU16(w.buf, uint16(length))
	}
	return v
}

func (w *writer) sequence(e *Element, enc encoding) error {
	v := e.VR
	if v != vr.UN {
		v = vr.SQ
	}
	w.rawHeader(e.Tag, v, undefinedLength, enc)
	inner := enc
	if v == vr.UN {
		inner = encoding{implicit: true} // PS3.5 6.2.2
	}
	start := len(w.buf)
	for _, item := range e.Items {
		w.buf = inner.appendTag(w.buf, tagItem)
		w.buf = inner.appendU32(w.buf, undefinedLength)
		at := len(w.buf)
		if err := w.dataset(item, inner); err != nil {
			return err
		}
		if item.Undefined {
			w.delimiter(tagItemDelim, inner)
		} else if err := patch(w.buf, at, inner); err != nil {
			return err
		}
	}
	if e.Undefined {
		w.delimiter(tagSequenceDelim, inner)
		return nil
	}
	return patch(w.buf, start, enc)
}

// patch writes the length of what follows at into the four bytes before it.
func patch(b []byte, at int, enc encoding) error {
	n := len(b) - at
	if n >= undefinedLength {
		return unwritable("sequence is too long for a defined length")
	}
	enc.appendU32(b[:at-4], uint32(n))
	return nil
}

func (w *writer) fragments(e *Element, enc encoding) error {
	w.rawHeader(e.Tag, e.VR, undefinedLength, enc)
	for _, f := range e.Fragments {
		if err := w.fragmentHeader(e.Tag, f, enc); err != nil {
			return err
		}
		w.buf = append(w.buf, f...)
	}
	w.delimiter(tagSequenceDelim, enc)
	return nil
}

func (w *writer) fragmentHeader(t tag.Tag, f []byte, enc encoding) error {
	if int64(len(f)) >= undefinedLength {
		return unwritable("fragment of %s is too long", t)
	}
	w.buf = enc.appendTag(w.buf, tagItem)
	w.buf = enc.appendU32(w.buf, uint32(len(f)))
	return nil
}

func (w *writer) delimiter(t tag.Tag, enc encoding) {
	w.buf = enc.appendTag(w.buf, t)
	w.buf = append(w.buf, 0, 0, 0, 0)
}

func (enc encoding) appendTag(b []byte, t tag.Tag) []byte {
	if enc.big {
		return binary.BigEndian.AppendUint32(b, uint32(t))
	}
	return append(b, byte(t>>16), byte(t>>24), byte(t), byte(t>>8))
}

func (enc encoding) appendU16(b []byte, n uint16) []byte {
	if enc.big {
		return binary.BigEndian.AppendUint16(b, n)
	}
	return binary.LittleEndian.AppendUint16(b, n)
}

func (enc encoding) appendU32(b []byte, n uint32) []byte {
	if enc.big {
		return binary.BigEndian.AppendUint32(b, n)
	}
	return binary.LittleEndian.AppendUint32(b, n)
}

// AppendMeta appends preamble, "DICM" and a File Meta Information group for an object received
// without one (PS3.10 7.1).
func AppendMeta(dst []byte, SOPClassUID, SOPInstanceUID string, ts TransferSyntax, SourceAET string) []byte {
	dst = append(dst, make([]byte, preambleSize)...)
	dst = append(dst, "DICM"...)
	w := writer{buf: dst}
	enc := ExplicitVRLittleEndian.encoding()
	w.rawHeader(tag.FileMetaInformationGroupLength, vr.UL, 4, enc)
	w.buf = append(w.buf, 0, 0, 0, 0)
	start := len(w.buf)
	put := func(t tag.Tag, v vr.VR, value string) {
		odd := len(value) % 2
		w.rawHeader(t, v, uint32(len(value)+odd), enc)
		w.buf = append(w.buf, value...)
		if odd == 1 {
			w.buf = append(w.buf, v.Padding())
		}
	}
	put(tag.FileMetaInformationVersion, vr.OB, "\x00\x01")
	put(tag.MediaStorageSOPClassUID, vr.UI, SOPClassUID)
	put(tag.MediaStorageSOPInstanceUID, vr.UI, SOPInstanceUID)
	put(tag.TransferSyntaxUID, vr.UI, ts.UID)
	put(tag.ImplementationClassUID, vr.UI, uid.ImplementationClassUID)
	put(tag.ImplementationVersionName, vr.SH, uid.ImplementationVersionName)
	if SourceAET != "" {
		put(tag.SourceApplicationEntityTitle, vr.AE, SourceAET)
	}
	binary.LittleEndian.PutUint32(w.buf[start-4:], uint32(len(w.buf)-start))
	return w.buf
}
