package dicom

import (
	"bytes"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/klauspost/compress/flate"
)

// flushSize is how much is gathered before it goes to the underlying writer.
const flushSize = 64 << 10

// WriteTo writes the object as a Part 10 file, or as a bare data set when it has no Meta, in its
// own transfer syntax. The group length of the meta information is made right; everything else
// is written as it is.
func (f *File) WriteTo(dst io.Writer) (int64, error) {
	out := &counter{w: dst}
	if f.Meta != nil {
		b := make([]byte, preambleSize, 1024)
		copy(b, f.Preamble)
		b = append(b, "DICM"...)
		b, err := appendMetaGroup(b, f.Meta)
		if err != nil {
			return 0, err
		}
		if _, err := out.Write(b); err != nil {
			return out.n, err
		}
	}
	if !f.TransferSyntax.Deflated {
		err := streamDataset(out, f.Dataset, f.TransferSyntax.encoding())
		return out.n, err
	}
	at := out.n
	z, err := flate.NewWriter(out, flate.DefaultCompression)
	if err != nil {
		return out.n, err
	}
	if err := streamDataset(z, f.Dataset, f.TransferSyntax.encoding()); err != nil {
		return out.n, err
	}
	if err := z.Close(); err != nil {
		return out.n, err
	}
	if (out.n-at)%2 == 1 { // PS3.5 A.5: padded to even length
		_, err = out.Write([]byte{0})
	}
	return out.n, err
}

// Bytes returns what WriteTo writes.
func (f *File) Bytes() ([]byte, error) {
	var b bytes.Buffer
	_, err := f.WriteTo(&b)
	return b.Bytes(), err
}

// appendMetaGroup appends group 0002 with a true group length.
func appendMetaGroup(dst []byte, meta *Dataset) ([]byte, error) {
	w := writer{buf: dst}
	enc := ExplicitVRLittleEndian.encoding()
	var at, length int
	for e := range meta.All() {
		if err := w.element(e, enc); err != nil {
			return nil, err
		}
		if e.Tag == tag.FileMetaInformationGroupLength && len(e.Value) == 4 && at == 0 {
			at = len(w.buf)
		}
	}
	if at > 0 {
		length = len(w.buf) - at
		enc.appendU32(w.buf[:at-4], uint32(length))
	}
	return w.buf, nil
}

// streamDataset writes element by element; large values are not copied.
func streamDataset(dst io.Writer, d *Dataset, enc encoding) error {
	w := writer{}
	flush := func() error {
		_, err := dst.Write(w.buf)
		w.buf = w.buf[:0]
		return err
	}
	for e := range d.All() {
		switch {
		case len(e.Value) >= flushSize && !(enc.big && e.VR.Size() > 1):
			if _, err := w.header(e.Tag, e.VR, int64(len(e.Value)), enc); err != nil {
				return err
			}
			if err := flush(); err != nil {
				return err
			}
			if _, err := dst.Write(e.Value); err != nil {
				return err
			}
		case len(e.Fragments) > 0:
			w.rawHeader(e.Tag, e.VR, undefinedLength, enc)
			for _, f := range e.Fragments {
				if err := w.fragmentHeader(e.Tag, f, enc); err != nil {
					return err
				}
				if err := flush(); err != nil {
					return err
				}
				if _, err := dst.Write(f); err != nil {
					return err
				}
			}
			w.delimiter(tagSequenceDelim, enc)
		default:
			if err := w.element(e, enc); err != nil {
				return err
			}
		}
		if len(w.buf) >= flushSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
