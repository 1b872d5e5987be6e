package s3

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// body is the answer to a GET.
type body struct {
	io.ReadCloser
	etag string
}

// reader reads a part of one record. It is an io.ReaderAt over that part, an io.Seeker and an
// io.WriterTo. A connection that breaks is replaced where it broke. A record read whole, from
// its beginning, is checked: its last bytes are handed out when the checksum is right.
type reader struct {
	ctx  context.Context
	s    *Store
	l    blob.Location
	from int64 // in the content
	n    int64
	etag string

	pos     int64
	body    io.ReadCloser // nil: to be opened at pos
	checked bool          // read from the first byte on, to the last
	crc     uint32
	err     error // ended it
	once    sync.Once
}

// Open opens a part of a record. The context is that of the reader.
func (s *Store) Open(ctx context.Context, l blob.Location, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.E(errs.Canceled, "s3.Open", err)
	}
	if n < 0 {
		n = l.Length - off
	}
	if off < 0 || off > l.Length || n < 0 || n > l.Length-off {
		return nil, errs.Errorf(errs.Invalid, "s3.Open", "range outside the object")
	}
	if !ours(l) || !s.hold(l.Object) {
		return nil, errs.Errorf(errs.NotFound, "s3.Open", "no such record")
	}
	r := &reader{ctx: ctx, s: s, l: l, from: off, n: n, checked: n == l.Length}
	if err := r.open(); err != nil {
		s.release(l.Object)
		return nil, err
	}
	return r, nil
}

// hold keeps the object from being erased. It reports false when it is erased already.
func (s *Store) hold(k storage.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, gone := s.doomed[k]; gone {
		return false
	}
	s.readers[k]++
	return true
}

func (s *Store) release(k storage.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers[k]--; s.readers[k] == 0 {
		delete(s.readers, k)
	}
}

// open asks for what is left, and for the trailer when it will be needed.
func (r *reader) open() error {
	size := objectSize(r.l.Length)
	first, last := headSize+r.from+r.pos, headSize+r.from+r.n-1
	if r.checked {
		last = size - 1
	}
	if first > last {
		etag, err := r.s.stat(r.ctx, r.l.Object, size)
		r.etag = etag
		return err
	}
	b, err := r.s.get(r.ctx, r.l.Object, first, last, size, r.etag)
	if err != nil {
		return err
	}
	r.body, r.etag = b, b.etag
	return nil
}

func (r *reader) drop() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	p = p[:min(int64(len(p)), r.n-r.pos)]
	n, err := r.fill(p)
	if r.checked {
		r.crc = crc32.Update(r.crc, castagnoli, p[:n])
	}
	r.pos += int64(n)
	if err == nil && r.pos == r.n {
		if err = r.verify(); err == nil {
			r.err = io.EOF
			if n == 0 {
				err = io.EOF
			}
		} else {
			n = 0 // io.ReadFull and io.CopyN would not look at the error
		}
	}
	if err != nil {
		r.err = err
		r.drop()
	}
	return n, err
}

// fill reads some bytes from the store, through as many connections as it takes.
func (r *reader) fill(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	limit := time.Now().Add(r.s.cfg.GiveUp)
	for attempt := 0; ; attempt++ {
		if r.body == nil {
			if err := r.open(); err != nil {
				return 0, err
			}
		}
		n, err := r.body.Read(p)
		if n > 0 {
			return n, nil // an error comes back with the next Read
		}
		if err == nil {
			continue
		}
		r.drop()
		switch {
		case r.ctx.Err() != nil:
			return 0, errs.E(errs.Canceled, "s3.Read", r.ctx.Err())
		case !time.Now().Before(limit):
			return 0, fail("s3.Read", errors.Join(io.ErrUnexpectedEOF, err))
		}
		if !sleep(r.ctx, attempt) {
			return 0, errs.E(errs.Canceled, "s3.Read", r.ctx.Err())
		}
	}
}

// verify checks a record that was read whole against its trailer.
func (r *reader) verify() error {
	if !r.checked {
		return nil
	}
	end := make([]byte, trailerSize)
	size := objectSize(r.l.Length)
	if r.body == nil || !filled(r.body, end) {
		r.drop()
		if err := r.s.readRange(r.ctx, r.l.Object, size-trailerSize, end, size, r.etag); err != nil {
			return err
		}
	}
	rec, err := parseTrailer(end, r.l.Object, size)
	if err != nil {
		return errs.E(errs.Invalid, "s3.Read", err)
	}
	if rec.CRC32C != r.crc {
		return errs.Errorf(errs.Invalid, "s3.Read", "stored bytes do not match their checksum")
	}
	return nil
}

func filled(r io.Reader, b []byte) bool {
	_, err := io.ReadFull(r, b)
	return err == nil
}

// readRange fills b from an offset in the object.
func (s *Store) readRange(ctx context.Context, k storage.Key, from int64, b []byte, size int64, etag string) error {
	return s.retry(ctx, "s3.Read", func() error {
		body, err := s.get(ctx, k, from, from+int64(len(b))-1, size, etag)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.ReadFull(body, b)
		return err
	})
}

// WriteTo writes what is left.
func (r *reader) WriteTo(w io.Writer) (written int64, err error) {
	c := chunks.Get().(*chunk)
	defer chunks.Put(c)
	for {
		n, err := r.readChunk(c[:])
		if n > 0 {
			m, werr := w.Write(c[:n])
			written += int64(m)
			if werr != nil {
				return written, werr
			}
		}
		switch {
		case err == io.EOF:
			return written, nil
		case err != nil:
			return written, err
		}
	}
}

// readChunk fills b: fewer and larger writes than one per packet.
func (r *reader) readChunk(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

// ReadAt reads beside the stream.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errs.Errorf(errs.Invalid, "s3.Read", "negative offset")
	}
	if off >= r.n {
		return 0, io.EOF
	}
	part := p[:min(int64(len(p)), r.n-off)]
	if len(part) > 0 {
		err := r.s.readRange(r.ctx, r.l.Object, headSize+r.from+off, part, objectSize(r.l.Length), r.etag)
		if err != nil {
			return 0, err
		}
	}
	if len(part) < len(p) {
		return len(part), io.EOF
	}
	return len(part), nil
}

// Seek moves in the part; the next Read asks the store anew.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.n
	}
	if offset < 0 || offset > r.n {
		return 0, errs.Errorf(errs.Invalid, "s3.Seek", "outside of the object")
	}
	if offset != r.pos {
		r.drop()
		r.pos, r.crc, r.err = offset, 0, nil
		r.checked = offset == 0 && r.n == r.l.Length
	}
	return offset, nil
}

func (r *reader) Close() error {
	r.once.Do(func() {
		r.drop()
		r.err = errs.Errorf(errs.Internal, "s3.Read", "the reader is closed")
		r.s.release(r.l.Object)
	})
	return nil
}

// Verify reads the record and checks it against its checksum. What looks damaged is read again:
// it may have been damaged on the way.
func (s *Store) Verify(ctx context.Context, l blob.Location) error {
	err := s.verify(ctx, l)
	if errs.Is(err, errs.Invalid) {
		err = s.verify(ctx, l)
	}
	return err
}

func (s *Store) verify(ctx context.Context, l blob.Location) error {
	if l.Length < 0 {
		return errs.Errorf(errs.NotFound, "s3.Verify", "no such record")
	}
	r, err := s.Open(ctx, l, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = r.(*reader).WriteTo(io.Discard)
	return err
}
