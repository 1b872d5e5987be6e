package fs

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// What follows reads the packs of a store that another process may be writing to, without its
// lock. That can be done because packs only grow, a record's header is written after its content,
// and an erased record is marked before its bytes go.

// PackFile is a pack as it is found in a directory.
type PackFile struct {
	Key      storage.Key `json:"key"`
	Grows    bool        `json:"grows,omitempty"`
	Size     int64       `json:"source_size"`
	Modified time.Time   `json:"source_modified"` // any change: records, erasures; zero: changing
}

// Packs lists the packs of the store in dir.
func Packs(dir string) ([]PackFile, error) {
	root := filepath.Join(dir, "packs")
	tenants, err := os.ReadDir(root)
	if err != nil {
		return nil, fail("fs.Packs", err)
	}
	var out []PackFile
	for _, t := range tenants {
		if !t.IsDir() || !tenantID.MatchString(t.Name()) {
			continue
		}
		files, err := os.ReadDir(filepath.Join(root, t.Name()))
		if err != nil {
			return nil, fail("fs.Packs", err)
		}
		for _, e := range files {
			suffix := filepath.Ext(e.Name())
			name := strings.TrimSuffix(e.Name(), suffix)
			if !packName.MatchString(name) || suffix != openSuffix && suffix != packSuffix {
				continue
			}
			info, err := e.Info()
			if errors.Is(err, os.ErrNotExist) {
				// Renamed when it was full, or unlinked: whoever opens it will see.
				out = append(out, PackFile{Key: storage.Key(t.Name() + "/" + name)})
				continue
			}
			if err != nil {
				return nil, fail("fs.Packs", err)
			}
			out = append(out, PackFile{Key: storage.Key(t.Name() + "/" + name), Grows: suffix == openSuffix,
				Size: info.Size(), Modified: info.ModTime()})
		}
	}
	return out, nil
}

// PackName returns where in a store's directory a pack belongs.
func PackName(k storage.Key, grows bool) (string, error) {
	path, err := (&Store{}).path(k)
	if err == nil && grows {
		return path + openSuffix, nil
	}
	return path + packSuffix, err
}

// Copied is a copy of a pack.
type Copied struct {
	PackFile          // as it was before it was read
	Length   int64    // of the copy
	SHA256   [32]byte // of the copy
}

// CopyPack copies a pack of the store in dir to a new file. Every record that is in the copy is
// whole; those that were committed when it was called, and not erased since, are. A pack that is
// gone is errs.NotFound. The copy is durable when it returns, its name is not.
func CopyPack(ctx context.Context, dir string, k storage.Key, to string) (Copied, error) {
	c, err := copyPack(ctx, &Store{cfg: Config{Dir: dir}}, k, to)
	if err != nil {
		_ = os.Remove(to)
		return c, fail("fs.CopyPack", err)
	}
	return c, nil
}

func copyPack(ctx context.Context, s *Store, k storage.Key, to string) (c Copied, err error) {
	src, err := s.openPack(k, os.O_RDONLY)
	if err != nil {
		return c, err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return c, err
	}
	c.PackFile = PackFile{Key: k, Grows: strings.HasSuffix(src.Name(), openSuffix), Size: st.Size(), Modified: st.ModTime()}
	if time.Since(c.Modified) < 2*time.Second {
		c.Modified = time.Time{} // the clock of files is coarse: another change may not show
	}
	dst, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return c, err
	}
	defer dst.Close()
	if err := copySparse(ctx, dst, io.NewSectionReader(src, 0, st.Size())); err != nil {
		return c, err
	}
	if c.Length, err = settle(src, dst, st.Size(), c.Grows); err != nil {
		return c, err
	}
	sum := sha256.New()
	if err := sumFile(sum, dst); err != nil {
		return c, err
	}
	sum.Sum(c.SHA256[:0])
	return c, dst.Sync()
}

// copySparse copies and leaves holes where there is nothing but zeros.
func copySparse(ctx context.Context, dst *os.File, src io.Reader) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var at int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(src, *buf)
		if n > 0 && !zero((*buf)[:n]) {
			if _, err := dst.WriteAt((*buf)[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return dst.Truncate(at)
		}
		if err != nil {
			return err
		}
	}
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// settle erases in the copy what is not in the source any more: its bytes may have gone while they
// were copied. A pack that grows is cut behind its last record, which may have been caught half
// written.
func settle(src, dst *os.File, size int64, grows bool) (length int64, err error) {
	salt, err := readPackHeader(dst)
	if errors.Is(err, errUnwritten) && grows {
		return size, nil // nothing in it yet: the next start removes it
	}
	if err != nil {
		return size, keepDamage(err)
	}
	var last recordHeader
	var failed error
	end, err := scan(dst, salt, headerSize, size, func(r recordHeader) bool {
		if r.state == stateLive {
			now, err := readRecord(src, salt, r.offset)
			if errors.Is(err, errNoRecord) || err == nil && now.state != stateLive {
				r, err = eraseCopy(dst, salt, r)
			}
			failed = err
		}
		last = r
		return failed == nil
	})
	if err = errors.Join(err, failed); err != nil || !grows {
		return size, err
	}
	if last.state == stateLive {
		if err := verify(dst, last); errs.Is(err, errs.Invalid) {
			end = last.offset
		} else if err != nil {
			return size, err
		}
	}
	return end, dst.Truncate(end)
}

// eraseCopy erases a record as Erase does.
func eraseCopy(f *os.File, s salt, r recordHeader) (recordHeader, error) {
	gone := recordHeader{state: stateErased, span: r.span, offset: r.offset}
	b := make([]byte, headerSize)
	gone.put(b, s)
	if _, err := f.WriteAt(b, r.offset); err != nil {
		return gone, err
	}
	zeros := make([]byte, bufferSize)
	for at, end := r.content(), r.content()+r.length; at < end; {
		n, err := f.WriteAt(zeros[:min(end-at, bufferSize)], at)
		if err != nil {
			return gone, err
		}
		at += int64(n)
	}
	return gone, nil
}

// keepDamage: a pack that is damaged is copied as it is.
func keepDamage(err error) error {
	if errors.Is(err, errNoPack) || errors.Is(err, errUnwritten) {
		return nil
	}
	return err
}

func sumFile(sum hash.Hash, f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	_, err := io.CopyBuffer(onlyWriter{sum}, onlyReader{f}, *buf)
	return err
}

// Copies answers what is in copies of packs. It is not safe for concurrent use.
type Copies struct {
	// Path returns where the copy of an object is; false: there is none.
	Path func(storage.Key) (string, bool)

	key  storage.Key
	f    *os.File
	salt salt
}

// Has reports whether the record is in its pack's copy.
func (c *Copies) Has(l blob.Location) (bool, error) {
	if l.Object != c.key || c.f == nil {
		c.Close()
		path, ok := c.Path(l.Object)
		if !ok {
			return false, nil
		}
		f, err := os.Open(path)
		if err != nil {
			return false, fail("fs.Copies", err)
		}
		c.f, c.key = f, l.Object
		if c.salt, err = readPackHeader(f); err != nil {
			c.Close()
			return false, keepDamage(err)
		}
	}
	r, err := readRecord(c.f, c.salt, l.Offset-headerSize)
	if errors.Is(err, errNoRecord) {
		return false, nil
	}
	return err == nil && r.state == stateLive && r.length == l.Length, fail("fs.Copies", err)
}

// Close closes the file that was looked at last.
func (c *Copies) Close() {
	if c.f != nil {
		_ = c.f.Close()
		c.f = nil
	}
}
