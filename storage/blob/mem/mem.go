// Package mem keeps blobs in memory, for tests. Records of a tenant share one object, as they
// share a pack in blob/fs, so that offsets are never zero by chance. Nothing survives Close.
package mem

import (
	"bytes"
	"cmp"
	"context"
	"hash/crc32"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// framing is what a record takes beside its content.
const framing = 64

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Store is a blob.Store in memory. Its memory is that of the records.
type Store struct {
	mu      sync.Mutex
	records map[blob.Location]*stored
	ends    map[storage.Key]int64
}

type stored struct {
	blob.Record
	content []byte
	readers int
	erased  bool // while it was being read
}

var _ blob.Store = (*Store)(nil)

// New returns an empty Store.
func New() *Store {
	return &Store{records: map[blob.Location]*stored{}, ends: map[storage.Key]int64{}}
}

type writer struct {
	s    *Store
	t    storage.TenantID
	buf  bytes.Buffer
	done bool
}

// Create begins a record.
func (s *Store) Create(ctx context.Context, t storage.TenantID) (blob.Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.E(errs.Canceled, "mem.Create", err)
	}
	if t == "" {
		return nil, errs.Errorf(errs.Invalid, "mem.Create", "not a tenant")
	}
	return &writer{s: s, t: t}, nil
}

func (w *writer) Write(b []byte) (int, error) {
	if w.done {
		return 0, errs.Errorf(errs.Internal, "mem.Write", "the record has ended")
	}
	return w.buf.Write(b)
}

func (w *writer) Commit(ctx context.Context) (blob.Record, error) {
	if w.done {
		return blob.Record{}, errs.Errorf(errs.Internal, "mem.Commit", "the record has ended")
	}
	w.done = true
	if err := ctx.Err(); err != nil {
		return blob.Record{}, errs.E(errs.Canceled, "mem.Commit", err)
	}
	content := w.buf.Bytes()
	k := storage.Key(string(w.t) + "/memory")
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	offset := w.s.ends[k] + framing
	r := blob.Record{
		Tenant:   w.t,
		Location: blob.Location{Object: k, Offset: offset, Length: int64(len(content))},
		End:      offset + int64(len(content)),
		Received: time.Now().UTC(),
		CRC32C:   crc32.Checksum(content, castagnoli),
	}
	w.s.ends[k] = r.End
	w.s.records[r.Location] = &stored{Record: r, content: content}
	return r, nil
}

func (w *writer) Abort() { w.done = true }

type reader struct {
	*bytes.Reader
	s    *Store
	r    *stored
	once sync.Once
}

func (r *reader) Close() error {
	r.once.Do(func() {
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		r.r.readers--
	})
	return nil
}

// Open opens a part of a record.
func (s *Store) Open(ctx context.Context, l blob.Location, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.E(errs.Canceled, "mem.Open", err)
	}
	if n < 0 {
		n = l.Length - off
	}
	if off < 0 || off > l.Length || n < 0 || n > l.Length-off {
		return nil, errs.Errorf(errs.Invalid, "mem.Open", "range outside the object")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[l]
	if r == nil || r.erased {
		return nil, errs.Errorf(errs.NotFound, "mem.Open", "no such record")
	}
	r.readers++
	return &reader{Reader: bytes.NewReader(r.content[off : off+n]), s: s, r: r}, nil
}

// Erase forgets records.
func (s *Store) Erase(_ context.Context, ls ...blob.Location) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, l := range ls {
		if r := s.records[l]; r != nil && r.readers > 0 {
			r.erased = true
			err = errs.Errorf(errs.Unavailable, "mem.Erase", "the object is being read")
			continue
		}
		delete(s.records, l)
	}
	return err
}

// List walks a copy of what is there.
func (s *Store) List(ctx context.Context, from func(storage.Key) int64) iter.Seq2[blob.Record, error] {
	return func(yield func(blob.Record, error) bool) {
		s.mu.Lock()
		var all []blob.Record
		for _, r := range s.records {
			if r.erased {
				continue
			}
			if from == nil || r.Location.Offset-framing >= from(r.Location.Object) {
				all = append(all, r.Record)
			}
		}
		s.mu.Unlock()
		slices.SortFunc(all, func(a, b blob.Record) int {
			return cmp.Or(cmp.Compare(a.Location.Object, b.Location.Object),
				cmp.Compare(a.Location.Offset, b.Location.Offset))
		})
		for _, r := range all {
			if err := ctx.Err(); err != nil {
				yield(blob.Record{}, errs.E(errs.Canceled, "mem.List", err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Verify compares the checksum.
func (s *Store) Verify(_ context.Context, l blob.Location) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[l]
	if r == nil {
		return errs.Errorf(errs.NotFound, "mem.Verify", "no such record")
	}
	if crc32.Checksum(r.content, castagnoli) != r.CRC32C {
		return errs.Errorf(errs.Invalid, "mem.Verify", "stored bytes do not match their checksum")
	}
	return nil
}

// Flip changes one bit of a record's content, for tests of what finds damage.
func (s *Store) Flip(l blob.Location, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[l].content[at] ^= 1
}

// Close does nothing.
func (s *Store) Close() error { return nil }
