package fs

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"sync"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// maxHandles bounds the packs kept open for reading beyond those in use.
const maxHandles = 256

// handle is a pack open for reading, shared by its readers through pread.
type handle struct {
	key  storage.Key
	f    *os.File
	salt salt

	refs  int  // guarded by handles.mu
	gone  bool // guarded by handles.mu: not in the map any more
	clock int64

	mu      sync.Mutex
	readers map[int64]int // open readers by offset of the record's content
	erase   sync.Mutex    // one Erase at a time
}

// handles is the cache of them.
type handles struct {
	s     *Store
	mu    sync.Mutex
	m     map[storage.Key]*handle
	clock int64
}

func (c *handles) init(s *Store) { c.s, c.m = s, map[storage.Key]*handle{} }

// get returns the pack's handle; put gives it back.
func (c *handles) get(k storage.Key) (*handle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	h := c.m[k]
	if h == nil {
		f, err := c.s.openPack(k, os.O_RDONLY)
		if err != nil {
			return nil, err
		}
		salt, err := readPackHeader(f)
		if err != nil {
			f.Close()
			return nil, &errs.Error{Kind: errs.Unavailable, Op: "fs.Open", Msg: "damaged storage object", Err: err}
		}
		h = &handle{key: k, f: f, salt: salt, readers: map[int64]int{}}
		c.m[k] = h
		c.trim()
	}
	h.refs++
	h.clock = c.clock
	return h, nil
}

func (c *handles) put(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.refs--; h.refs == 0 && h.gone {
		h.f.Close()
	}
}

// drop takes an unlinked pack out of the cache.
func (c *handles) drop(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(h)
}

// trim closes the handle longest unused when there are too many.
func (c *handles) trim() {
	if len(c.m) <= maxHandles {
		return
	}
	var oldest *handle
	for _, h := range c.m {
		if h.refs == 0 && (oldest == nil || h.clock < oldest.clock) {
			oldest = h
		}
	}
	if oldest != nil {
		c.forget(oldest)
	}
}

func (c *handles) forget(h *handle) {
	if h.gone {
		return
	}
	h.gone = true
	delete(c.m, h.key)
	if h.refs == 0 {
		h.f.Close()
	}
}

func (c *handles) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.m {
		c.forget(h)
	}
}

// openPack opens the pack's file under the name it has at the moment.
func (s *Store) openPack(k storage.Key, flag int) (*os.File, error) {
	path, err := s.path(k)
	if err != nil {
		return nil, err
	}
	suffixes := [...]string{packSuffix, openSuffix, packSuffix} // it may be sealed between two tries
	for _, suffix := range suffixes {
		var f *os.File
		if f, err = os.OpenFile(path+suffix, flag, 0); !errors.Is(err, os.ErrNotExist) {
			return f, fail("fs.Open", err)
		}
	}
	return nil, fail("fs.Open", err)
}

// find reads the header of the record at l. One that is erased or was never there is NotFound.
func (h *handle) find(l blob.Location) (recordHeader, error) {
	r, err := readRecord(h.f, h.salt, l.Offset-headerSize)
	switch {
	case errors.Is(err, errNoRecord), err == nil && (r.state != stateLive || r.length != l.Length):
		return r, errs.Errorf(errs.NotFound, "fs.Open", "no such record")
	case err != nil:
		return r, fail("fs.Open", err)
	}
	return r, nil
}

// reader reads a part of one record. It is an io.ReaderAt over that part, an io.Seeker, and an
// io.WriterTo that lets the kernel copy from the file to a socket.
type reader struct {
	*io.SectionReader
	s    *Store
	h    *handle
	from int64 // in the pack, of the part's first byte
	at   int64 // of the record's content in the pack
	once sync.Once
}

// Open opens a part of a record.
func (s *Store) Open(ctx context.Context, l blob.Location, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.E(errs.Canceled, "fs.Open", err)
	}
	if n < 0 {
		n = l.Length - off
	}
	if off < 0 || off > l.Length || n < 0 || n > l.Length-off {
		return nil, errs.Errorf(errs.Invalid, "fs.Open", "range outside the object")
	}
	h, err := s.handles.get(l.Object)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	_, err = h.find(l)
	if err == nil {
		h.readers[l.Offset]++
	}
	h.mu.Unlock()
	if err != nil {
		s.handles.put(h)
		return nil, err
	}
	from := l.Offset + off
	return &reader{SectionReader: io.NewSectionReader(h.f, from, n), s: s, h: h, from: from, at: l.Offset}, nil
}

func (r *reader) Close() error {
	r.once.Do(func() {
		r.h.mu.Lock()
		if r.h.readers[r.at]--; r.h.readers[r.at] == 0 {
			delete(r.h.readers, r.at)
		}
		r.h.mu.Unlock()
		r.s.handles.put(r.h)
	})
	return nil
}

// sendfileMin: below this the copy costs less than opening the file a second time.
const sendfileMin = 64 << 10

// WriteTo writes what is left. sendfile(2) through net.TCPConn moves the file's own offset, so a
// destination that can use it gets a descriptor of its own.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	pos, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	left := r.Size() - pos
	if left <= 0 {
		return 0, nil
	}
	if rf, ok := w.(io.ReaderFrom); ok && left >= sendfileMin {
		f, err := r.s.openPack(r.h.key, os.O_RDONLY)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if _, err := f.Seek(r.from+pos, io.SeekStart); err != nil {
			return 0, fail("fs.Read", err)
		}
		n, err := rf.ReadFrom(&io.LimitedReader{R: f, N: left})
		_, _ = r.Seek(pos+n, io.SeekStart)
		if err == nil && n < left {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(onlyWriter{w}, onlyReader{r.SectionReader}, *buf)
}

type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// Verify reads the record and compares its checksum.
func (s *Store) Verify(ctx context.Context, l blob.Location) error {
	rc, err := s.Open(ctx, l, 0, -1)
	if err != nil {
		return err
	}
	defer rc.Close()
	r := rc.(*reader)
	h, err := r.h.find(l)
	if err != nil {
		return err
	}
	return verify(r.h.f, h)
}

func verify(f io.ReaderAt, h recordHeader) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	sum := crc32.New(castagnoli)
	n, err := io.CopyBuffer(onlyWriter{sum}, onlyReader{io.NewSectionReader(f, h.content(), h.length)}, *buf)
	if err != nil {
		return fail("fs.Verify", err)
	}
	if n != h.length || sum.Sum32() != h.crc {
		return errs.Errorf(errs.Invalid, "fs.Verify", "stored bytes do not match their checksum")
	}
	return nil
}
