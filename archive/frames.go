package archive

import (
	"context"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/pixel"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Frames is an instance whose frames can be read one by one.
type Frames struct {
	Entry          index.Entry
	TransferSyntax dicom.TransferSyntax
	Index          *pixel.FrameIndex
	word           int // bytes of a sample word, for big endian
}

// Frames returns access to the frames of one instance. No pixel data is errs.NotFound; frames
// that cannot be told apart errs.Invalid.
func (a *Archive) Frames(ctx context.Context, t storage.TenantID, r index.Ref) (*Frames, error) {
	e, err := a.one(ctx, t, r, 0)
	if err != nil {
		return nil, err
	}
	f := &Frames{Entry: e, TransferSyntax: syntax(e.TransferSyntaxUID)}
	table, ok := a.frames.get(e.Location)
	if !ok {
		if e, err = a.one(ctx, t, r, index.WithFrames); err != nil {
			return nil, err
		}
		if len(e.Frames) == 0 {
			return nil, a.frameless(ctx, t, r)
		}
		if table, err = pixel.Parse(e.Frames); err != nil {
			return nil, err
		}
		a.frames.put(e.Location, table, int64(len(e.Frames)+256))
	}
	f.Index = table
	if f.TransferSyntax.BigEndian {
		h, err := a.header(ctx, t, r)
		if err != nil {
			return nil, err
		}
		f.word = h.Pixel.VR.Size()
	}
	return f, nil
}

func (a *Archive) header(ctx context.Context, t storage.TenantID, r index.Ref) (*dicom.Header, error) {
	e, err := a.one(ctx, t, r, index.WithHeader)
	if err != nil {
		return nil, err
	}
	return dicom.ParseHeader(e.Header)
}

// frameless says why an instance has no frame table.
func (a *Archive) frameless(ctx context.Context, t storage.TenantID, r index.Ref) error {
	h, err := a.header(ctx, t, r)
	switch {
	case err != nil:
		return err
	case h.Pixel == nil:
		return errs.Errorf(errs.NotFound, "archive.Frames", "the instance has no pixel data")
	}
	return errs.Errorf(errs.Invalid, "archive.Frames", "the pixel data of this instance is damaged: its frames cannot be told apart")
}

// OpenFrame opens frame n (1-based) as stored: the joined fragments, or the native bytes in
// little endian and beginning on a byte.
func (a *Archive) OpenFrame(ctx context.Context, _ storage.TenantID, f *Frames, n int) (*Object, error) {
	if n < 1 || n > f.Index.Frames() {
		return nil, errs.Errorf(errs.NotFound, "archive.OpenFrame", "the instance has %d frames", f.Index.Frames())
	}
	spans, bit, err := f.Index.Frame(n)
	if err != nil {
		return nil, err
	}
	var size int64
	for _, s := range spans {
		size += s.Length
	}
	if len(spans) == 1 {
		o, err := a.openSpan(ctx, f.Entry, spans[0].Offset, spans[0].Length, f.word)
		if err == nil && bit > 0 {
			o.ReadCloser = &shifter{ReadCloser: o.ReadCloser, bit: bit}
		}
		return o, err
	}
	return &Object{Size: size, TransferSyntax: f.TransferSyntax, ReadCloser: &joined{spans: spans,
		open: func(s pixel.Span) (io.ReadCloser, error) {
			return a.openSpan(ctx, f.Entry, s.Offset, s.Length, f.word)
		}}}, nil
}

// joined reads spans one after another, each opened when it is reached.
type joined struct {
	spans []pixel.Span
	open  func(pixel.Span) (io.ReadCloser, error)
	now   io.ReadCloser
}

func (j *joined) next() error {
	if j.now != nil {
		j.now.Close()
		j.now = nil
	}
	if len(j.spans) == 0 {
		return io.EOF
	}
	var err error
	j.now, err = j.open(j.spans[0])
	j.spans = j.spans[1:]
	return err
}

func (j *joined) Read(p []byte) (int, error) {
	for {
		if j.now != nil {
			n, err := j.now.Read(p)
			if n > 0 || err != nil && err != io.EOF {
				return n, err
			}
			if err == nil {
				return 0, nil
			}
		}
		if err := j.next(); err != nil {
			return 0, err
		}
	}
}

// WriteTo sends span by span by the engine's own way.
func (j *joined) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if j.now != nil {
			n, err := io.Copy(w, j.now)
			total += n
			if err != nil {
				return total, err
			}
		}
		if err := j.next(); err == io.EOF {
			return total, nil
		} else if err != nil {
			return total, err
		}
	}
}

func (j *joined) Close() error {
	j.spans = nil
	if j.now != nil {
		return j.now.Close()
	}
	return nil
}

// shifter moves bit-packed samples down so that the first one lies in bit 0 of the first byte
// (PS3.5 8.1.1: packed samples run from the least significant bit, across byte and frame ends).
// It gives as many bytes as it reads; the unused bits of the last are 0.
type shifter struct {
	io.ReadCloser
	bit  int
	last byte
	have bool
	done bool
	buf  [4 << 10]byte
}

func (s *shifter) Read(p []byte) (int, error) {
	if s.done {
		return 0, io.EOF
	}
	if !s.have {
		if _, err := io.ReadFull(s.ReadCloser, s.buf[:1]); err != nil {
			return 0, err
		}
		s.last, s.have = s.buf[0], true
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := s.ReadCloser.Read(s.buf[:min(len(p), len(s.buf))])
	for i, b := range s.buf[:n] {
		p[i] = s.last>>s.bit | b<<(8-s.bit)
		s.last = b
	}
	if err == io.EOF && n < len(p) {
		p[n] = s.last >> s.bit
		s.done = true
		return n + 1, nil
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}
