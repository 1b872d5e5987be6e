package archive

import (
	"context"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/pixel"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Frames is an instance whose frames can be read one by one.
type Frames struct {
	Entry          index.Entry
	TransferSyntax dicom.TransferSyntax
	Index          *pixel.FrameIndex
	word           int // bytes of a sample word, for big endian
	description    *description
}

// frameKey names an instance; what is kept under it holds for one location, as the instance may
// be replaced.
type frameKey struct {
	tenant         storage.TenantID
	SOPInstanceUID string
}

type frameTable struct {
	location blob.Location
	index    *pixel.FrameIndex
	word     int

	description *description
}

// Frames returns access to the frames of one instance. No pixel data is errs.NotFound; frames
// that cannot be told apart errs.Invalid. The index is asked once: for the table too when it is
// not kept here.
func (a *Archive) Frames(ctx context.Context, t storage.TenantID, r index.Ref) (*Frames, error) {
	key := frameKey{t, r.SOPInstanceUID}
	table, known := a.frames.get(key)
	var fields index.Fields
	if !known {
		fields = index.WithFrames | index.WithHeader
	}
	e, err := a.one(ctx, t, r, fields)
	if err == nil && known && e.Location != table.location { // replaced
		known = false
		e, err = a.one(ctx, t, r, index.WithFrames|index.WithHeader)
	}
	if err != nil {
		return nil, err
	}
	a.audit(ctx, Access{Tenant: t, Action: Retrieved, Ref: e.Ref})
	if !known {
		if table, err = newFrameTable(e); err != nil {
			return nil, err
		}
		a.frames.put(key, table, int64(len(e.Frames)+256))
		e.Header, e.Frames = nil, nil // large, and of no more use
	}
	return &Frames{Entry: e, TransferSyntax: syntax(e.TransferSyntaxUID), Index: table.index, word: table.word, description: table.description}, nil
}

func newFrameTable(e index.Entry) (frameTable, error) {
	table := frameTable{location: e.Location, description: &description{}}
	bigEndian := syntax(e.TransferSyntaxUID).BigEndian
	if len(e.Frames) == 0 || bigEndian {
		h, err := dicom.ParseHeader(e.Header)
		switch {
		case err != nil:
			return table, err
		case h.Pixel == nil:
			return table, errs.Errorf(errs.NotFound, "archive.Frames", "the instance has no pixel data")
		case len(e.Frames) == 0:
			return table, errs.Errorf(errs.Invalid, "archive.Frames", "the pixel data of this instance is damaged: its frames cannot be told apart")
		case bigEndian:
			table.word = h.Pixel.VR.Size()
		}
	}
	var err error
	table.index, err = pixel.Parse(e.Frames)
	return table, err
}

// OpenFrame opens frame n (1-based) as stored: the joined fragments, or the native bytes in
// little endian and beginning on a byte. If the instance was compressed since f was asked for,
// the frame is what it was.
func (a *Archive) OpenFrame(ctx context.Context, t storage.TenantID, f *Frames, n int) (*Object, error) {
	o, err := a.openFrame(ctx, f, n)
	if !errs.Is(err, errs.NotFound) || n < 1 || n > f.Index.Frames() {
		return o, err
	}
	now, gone := a.Frames(ctx, t, f.Entry.Ref)
	if gone != nil || now.Entry.Location == f.Entry.Location || !now.Entry.Received.Equal(f.Entry.Received) {
		return o, err
	}
	return a.OpenFrameAs(ctx, t, now, n, f.TransferSyntax.UID)
}

func (a *Archive) openFrame(ctx context.Context, f *Frames, n int) (*Object, error) {
	if n < 1 || n > f.Index.Frames() {
		return nil, errs.Errorf(errs.NotFound, "archive.OpenFrame", "the instance has %d frames", f.Index.Frames())
	}
	spans, bit, err := f.Index.Frame(n)
	if err != nil {
		return nil, err
	}
	if len(spans) == 1 {
		o, err := a.openWords(ctx, f, spans[0])
		if err != nil || f.TransferSyntax.Encapsulated {
			return o, err
		}
		bits, err := f.frameBits()
		if err == nil && bits%8 != 0 {
			o.ReadCloser, o.Size = newUnpacker(o.ReadCloser, bit, bits), (bits+7)/8
		}
		return o, err
	}
	var size int64
	for _, s := range spans {
		size += s.Length
	}
	if all, ok := together(spans, size); ok {
		o, err := a.openSpan(ctx, f.Entry, all.Offset, all.Length, f.word)
		if err == nil {
			o.ReadCloser, o.Size = newGathered(o.ReadCloser, all, spans), size
		}
		return o, err
	}
	return &Object{Size: size, TransferSyntax: f.TransferSyntax, ReadCloser: &joined{spans: spans,
		open: func(s pixel.Span) (io.ReadCloser, error) {
			return a.openSpan(ctx, f.Entry, s.Offset, s.Length, f.word)
		}}}, nil
}

// openWords opens one span; where words have to be turned round, those that it shares with the
// frames beside it whole.
func (a *Archive) openWords(ctx context.Context, f *Frames, s pixel.Span) (*Object, error) {
	if f.word < 2 {
		return a.openSpan(ctx, f.Entry, s.Offset, s.Length, f.word)
	}
	first, _, err := f.Index.Frame(1)
	if err != nil {
		return nil, err
	}
	word := int64(f.word)
	before := (s.Offset - first[0].Offset) % word
	o, err := a.openSpan(ctx, f.Entry, s.Offset-before, (before+s.Length+word-1)/word*word, f.word)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, o, before); err != nil {
		o.Close()
		return nil, unexpected(err)
	}
	o.ReadCloser, o.Size = closing{io.LimitReader(o.ReadCloser, s.Length), o.ReadCloser}, s.Length
	return o, nil
}

// frameBits returns the size of a native frame in bits: where the second begins. A single frame
// has only its own bits and padding, whole bytes that is.
func (f *Frames) frameBits() (int64, error) {
	first, _, err := f.Index.Frame(1)
	if err != nil {
		return 0, err
	}
	if f.Index.Frames() == 1 {
		return 8 * first[0].Length, nil
	}
	second, bit, err := f.Index.Frame(2)
	if err != nil {
		return 0, err
	}
	return 8*(second[0].Offset-first[0].Offset) + int64(bit), nil
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

// unpacker takes one frame out of bit-packed pixel data: the bits of the frame before are
// shifted out, those of the frame behind are cleared (PS3.5 8.1.1: packed samples run from the
// least significant bit, across the ends of bytes and frames).
type unpacker struct {
	io.ReadCloser
	bit  int   // bits of the first byte that belong to the frame before
	left int64 // bits of the frame still to be given
	last byte
	have bool // last was read
	buf  [4 << 10]byte
}

func newUnpacker(r io.ReadCloser, bit int, bits int64) *unpacker {
	return &unpacker{ReadCloser: r, bit: bit, left: bits}
}

func (u *unpacker) Read(p []byte) (int, error) {
	if u.left <= 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), int64(len(u.buf)), (u.left+7)/8))
	if n == 0 {
		return 0, nil
	}
	if !u.have {
		if _, err := io.ReadFull(u.ReadCloser, u.buf[:1]); err != nil {
			return 0, unexpected(err)
		}
		u.last, u.have = u.buf[0], true
	}
	next := u.buf[:n]
	if k, err := io.ReadFull(u.ReadCloser, next); err != nil {
		// The frame's end may lie in the byte that was read already.
		if err != io.EOF && err != io.ErrUnexpectedEOF || k < n-1 || int64(8*n) < u.left {
			return 0, unexpected(err)
		}
		clear(next[k:])
	}
	for i, b := range next {
		p[i] = u.last>>u.bit | b<<(8-u.bit)
		u.last = b
	}
	u.left -= int64(8 * n)
	if u.left < 0 {
		p[n-1] &= 0xff >> -u.left
	}
	return n, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
