package fs

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// Erase removes records pack by pack with one sync each. Of records that are being read only the
// headers go, so that no rebuild brings them back; their bytes are reported as errs.Unavailable
// after all others are done.
func (s *Store) Erase(ctx context.Context, ls ...blob.Location) error {
	byPack := map[storage.Key][]blob.Location{}
	var keys []storage.Key
	for _, l := range ls {
		if _, seen := byPack[l.Object]; !seen {
			keys = append(keys, l.Object)
		}
		byPack[l.Object] = append(byPack[l.Object], l)
	}
	var all error
	for _, k := range keys {
		if err := ctx.Err(); err != nil {
			return errors.Join(errs.E(errs.Canceled, "fs.Erase", err), all)
		}
		if err := s.erasePack(k, byPack[k]); err != nil && !errs.Is(err, errs.NotFound) {
			all = errors.Join(all, err)
		}
	}
	return all
}

func (s *Store) erasePack(k storage.Key, ls []blob.Location) error {
	h, err := s.handles.get(k)
	if err != nil {
		return err
	}
	defer s.handles.put(h)
	h.erase.Lock()
	defer h.erase.Unlock()
	f, err := s.openPack(k, os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()

	runs, busy, err := h.mark(f, ls)
	if err != nil {
		return fail("fs.Erase", err)
	}
	if len(runs) > 0 || busy {
		unlinked, err := s.unlinkIfDead(h)
		if err != nil {
			return fail("fs.Erase", err)
		}
		if !unlinked {
			for _, r := range runs {
				if err := s.clear(f, r.content(), r.end()-r.content()); err != nil {
					return fail("fs.Erase", err)
				}
			}
			if err := s.sys.datasync(f); err != nil {
				return fail("fs.Erase", err)
			}
		}
	}
	if busy {
		return errs.Errorf(errs.Unavailable, "fs.Erase", "the object is being read")
	}
	return nil
}

// mark writes erased headers, so that no reader gets in any more, and returns what is to be
// cleared: neighbours joined into one run whose first header spans them all.
func (h *handle) mark(f *os.File, ls []blob.Location) (runs []recordHeader, busy bool, err error) {
	slices.SortFunc(ls, func(a, b blob.Location) int { return cmp.Compare(a.Offset, b.Offset) })
	st, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var b [headerSize]byte
	for _, l := range ls {
		r, err := h.lookUp(l, st.Size())
		if errors.Is(err, errNoRecord) {
			continue
		}
		if err != nil {
			return runs, busy, err
		}
		// What could tell one object from another goes too.
		r = recordHeader{state: stateErased, span: r.span, offset: r.offset}
		if h.readers[l.Offset] > 0 {
			busy = true
			r.put(b[:], h.salt)
			if _, err := f.WriteAt(b[:], r.offset); err != nil {
				return runs, busy, err
			}
			continue
		}
		if n := len(runs); n > 0 && runs[n-1].end() == r.offset {
			runs[n-1].span += r.span
		} else {
			runs = append(runs, r)
		}
	}
	for i := range runs {
		// The hole that may follow from an earlier Erase is joined too.
		if next, err := readRecord(h.f, h.salt, runs[i].end()); err == nil && next.state == stateErased &&
			h.readers[next.content()] == 0 {
			runs[i].span += next.span
		}
		runs[i].put(b[:], h.salt)
		if _, err := f.WriteAt(b[:], runs[i].offset); err != nil {
			return runs, busy, err
		}
	}
	return runs, busy, nil
}

// lookUp finds what is to be erased at l. A record erased before is errNoRecord. A header that
// is damaged must not keep the content alive: the caller's location is believed then.
func (h *handle) lookUp(l blob.Location, size int64) (recordHeader, error) {
	offset := l.Offset - headerSize
	if offset < headerSize || l.Length < 0 || l.Offset > size {
		return recordHeader{}, errNoRecord
	}
	var b [headerSize]byte
	if _, err := h.f.ReadAt(b[:], offset); err != nil && !errors.Is(err, io.EOF) {
		return recordHeader{}, err
	}
	if b == ([headerSize]byte{}) {
		return recordHeader{}, errNoRecord // within a hole
	}
	r, err := parseRecord(b[:], h.salt, offset)
	if errors.Is(err, errNoRecord) {
		return recordHeader{state: stateLive, length: l.Length, span: spanOf(l.Length), offset: offset}, nil
	}
	// An erased header again: perhaps the crash came before the hole.
	return r, nil
}

// clear gives the bytes back to the disk, or writes zeros where holes cannot be.
func (s *Store) clear(f *os.File, off, n int64) error {
	err := s.sys.punch(f, off, n)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	zeros := make([]byte, bufferSize)
	for n > 0 {
		k := min(n, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:k], off); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

// unlinkIfDead removes the pack when it holds no record any more and nobody adds to it.
func (s *Store) unlinkIfDead(h *handle) (bool, error) {
	limit, grows := s.committed(h.key)
	if !grows {
		st, err := h.f.Stat()
		if err != nil {
			return false, err
		}
		limit = st.Size()
	}
	live := false
	end, err := scan(h.f, h.salt, headerSize, limit, func(r recordHeader) bool {
		live = r.state == stateLive
		return !live
	})
	if err != nil || live || end < limit { // end < limit: damaged, who knows what follows
		return false, err
	}
	if !s.take(h.key, grows, limit) {
		return false, nil
	}
	path, err := s.path(h.key)
	if err != nil {
		return false, err
	}
	for _, suffix := range []string{packSuffix, openSuffix} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
	}
	s.handles.drop(h)
	return true, syncDir(filepath.Dir(path))
}
