package fs

import (
	"context"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

const (
	bufferSize = 256 << 10
	// writebackStep: the kernel is told to start writing each time this much of a record is
	// with it, so that neither dirty pages nor the last fdatasync grow with the record.
	writebackStep = 4 << 20
)

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// writer streams one record into a leased pack. Its buffer begins with room for the record's
// header, so a small record is one write.
type writer struct {
	s   *Store
	p   *pack
	buf *[]byte
	n   int   // bytes in buf
	pos int64 // where buf goes

	length    int64
	crc       uint32
	started   int64 // writeback was asked for up to here
	failed    error // a write or sync that went wrong; the pack is cut back
	committed bool
}

// Create begins a record.
func (s *Store) Create(ctx context.Context, t storage.TenantID) (blob.Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.E(errs.Canceled, "fs.Create", err)
	}
	if !tenantID.MatchString(string(t)) {
		return nil, errs.Errorf(errs.Invalid, "fs.Create", "not a tenant")
	}
	p, err := s.lease(t)
	if err != nil {
		return nil, err
	}
	return &writer{s: s, p: p, buf: buffers.Get().(*[]byte), n: headerSize, pos: p.size, started: p.size}, nil
}

func (w *writer) Write(b []byte) (int, error) {
	if w.p == nil || w.committed {
		return 0, errs.Errorf(errs.Internal, "fs.Write", "the record has ended")
	}
	if w.failed != nil {
		return 0, w.failed
	}
	w.crc = crc32.Update(w.crc, castagnoli, b)
	w.length += int64(len(b))
	total := len(b)
	for len(b) > 0 {
		k := copy((*w.buf)[w.n:], b)
		w.n += k
		b = b[k:]
		if w.n == bufferSize {
			if err := w.flush(); err != nil {
				return total - len(b), err
			}
		}
	}
	return total, nil
}

// ReadFrom lets io.Copy read into the buffer.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	if w.p == nil || w.committed {
		return 0, errs.Errorf(errs.Internal, "fs.Write", "the record has ended")
	}
	var total int64
	for w.failed == nil {
		k, err := r.Read((*w.buf)[w.n:])
		w.crc = crc32.Update(w.crc, castagnoli, (*w.buf)[w.n:w.n+k])
		w.n += k
		w.length += int64(k)
		total += int64(k)
		if w.n == bufferSize {
			if err := w.flush(); err != nil {
				return total, err
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, w.failed
}

// flush writes the buffer. The header's room at the front of a record goes out as zeros and is
// filled at Commit.
func (w *writer) flush() error {
	b := (*w.buf)[:w.n]
	if w.pos == w.p.size {
		clear(b[:headerSize])
	}
	if err := w.put(b, w.pos); err != nil {
		return err
	}
	w.pos += int64(w.n)
	w.n = 0
	if w.pos-w.started >= writebackStep {
		w.s.sys.writeback(w.p.f, w.started, w.pos-w.started)
		w.started = w.pos
	}
	return nil
}

func (w *writer) put(b []byte, off int64) error {
	err := w.p.claim(off + int64(len(b)))
	if err == nil {
		_, err = w.p.f.WriteAt(b, off)
		if err != nil && !diskFull(err) {
			w.p.broken = true
		}
	}
	if err != nil {
		w.failed = fail("fs.Write", err)
	}
	return w.failed
}

// Commit writes what is left and the header, and syncs. The pack stays leased until Abort.
func (w *writer) Commit(ctx context.Context) (blob.Record, error) {
	if w.p == nil || w.committed {
		return blob.Record{}, errs.Errorf(errs.Internal, "fs.Commit", "the record has ended")
	}
	defer func() {
		if !w.committed {
			w.Abort()
		}
	}()
	if w.failed != nil {
		return blob.Record{}, w.failed
	}
	if err := ctx.Err(); err != nil {
		return blob.Record{}, errs.E(errs.Canceled, "fs.Commit", err)
	}
	p := w.p
	h := recordHeader{
		state: stateLive, length: w.length, span: spanOf(w.length), offset: p.size,
		received: time.Now(), crc: w.crc,
	}
	if err := w.write(&h); err != nil {
		return blob.Record{}, err
	}
	if w.failed = w.sync(); w.failed != nil {
		return blob.Record{}, w.failed
	}
	p.setSize(h.end())
	w.committed = true
	return record(p.tenant, p.key, h), nil
}

func (w *writer) write(h *recordHeader) error {
	if w.pos == h.offset { // all of it is in the buffer
		h.put(*w.buf, w.p.salt)
		return w.put((*w.buf)[:w.n], w.pos)
	}
	if w.n > 0 {
		if err := w.put((*w.buf)[:w.n], w.pos); err != nil {
			return err
		}
	}
	var b [headerSize]byte
	h.put(b[:], w.p.salt)
	return w.put(b[:], h.offset)
}

func (w *writer) sync() error {
	p := w.p
	err := w.s.sys.datasync(p.f)
	if err == nil && !p.named {
		if err = syncDir(p.dir()); err == nil {
			p.named = true
		}
	}
	if err != nil && !diskFull(err) {
		// After a failed fsync the kernel may drop the pages and call the next one good:
		// nothing more is entrusted to this file.
		p.broken = true
	}
	return fail("fs.Commit", err)
}

// Abort gives the pack back: as it was, or after Commit with the record. A little content may
// stay behind its end, without a header, until it is written over or the pack rests.
func (w *writer) Abort() {
	if w.p == nil {
		return
	}
	if !w.committed && (w.failed != nil || w.pos-w.p.size > w.s.cfg.Step) {
		w.p.rewind()
	}
	w.end()
}

func (w *writer) end() {
	w.s.release(w.p)
	buffers.Put(w.buf)
	w.p, w.buf = nil, nil
}

func record(t storage.TenantID, k storage.Key, h recordHeader) blob.Record {
	return blob.Record{
		Tenant:   t,
		Location: blob.Location{Object: k, Offset: h.content(), Length: h.length},
		End:      h.end(),
		Received: h.received,
		CRC32C:   h.crc,
	}
}
