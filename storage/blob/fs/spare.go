package fs

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// spares are files of zeros that new packs are made of. A commit into blocks that were written
// before needs no entry in the file system's journal and takes about half as long as one into
// blocks that are only claimed (decision 2). Zeros written while records come in would cost as
// much disk time as they save, so spares are made while nobody stores, for the next burst: as
// much as came since the start is expected to come again, up to Config.Spare.
//
// What a pack that rests has of them behind its last record is kept too, within the same bound.
type spares struct {
	dir   string
	fill  sync.Mutex // one at a time makes them
	list  []spare    // the ones below are guarded by Store.mu too
	kept  int64      // bytes of the list and of written zeros behind packs that may grow
	limit int64      // of kept
	last  time.Time  // when a record ended
	wake  chan struct{}
}

// stored notes that a record of so many bytes ended.
func (s *spares) stored(n int64, now time.Time) {
	s.limit += n
	s.last = now
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

type spare struct {
	path string
	size int64
}

const (
	// spareChunk is written and synced at a time: what a record that comes meanwhile waits for.
	spareChunk = 2 << 20
	// sparePause without a record says that the burst is over.
	sparePause = 20 * time.Millisecond
	// spareShare is how many times Config.Spare must be free: a small disk is left alone.
	spareShare = 16
)

// openSpares removes what an earlier process left: a crash may have brought back a spare that
// was a pack for a moment.
func (s *Store) openSpares() error {
	s.spares.dir = filepath.Join(s.cfg.Dir, "spare")
	if err := os.RemoveAll(s.spares.dir); err != nil {
		return err
	}
	return os.Mkdir(s.spares.dir, 0o750)
}

// takeSpare makes the pack of a spare; false when there is none.
func (p *pack) takeSpare() (bool, error) {
	s := p.s
	s.mu.Lock()
	n := len(s.spares.list)
	if n == 0 {
		s.mu.Unlock()
		return false, nil
	}
	sp := s.spares.list[n-1]
	err := os.Rename(sp.path, p.path+openSuffix)
	if errors.Is(err, os.ErrNotExist) { // no directory of the tenant yet
		s.mu.Unlock()
		return false, err
	}
	s.spares.list = s.spares.list[:n-1]
	p.tail = sp.size
	s.mu.Unlock()
	if err == nil {
		err = p.wake()
	}
	if err != nil {
		_ = os.Remove(sp.path)
		return false, err
	}
	p.claimed, p.written = sp.size, sp.size
	return true, nil
}

// dropSpares gives their space back.
func (s *Store) dropSpares() error {
	s.mu.Lock()
	list := s.spares.list
	s.spares.list = nil
	for _, sp := range list {
		s.spares.kept -= sp.size
	}
	s.mu.Unlock()
	var all error
	for _, sp := range list {
		all = errors.Join(all, os.Remove(sp.path))
	}
	return all
}

// quiet reports whether no record is being written and none was for sparePause.
func (s *Store) quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leased == 0 && time.Since(s.spares.last) >= sparePause
}

// wantsSpare reports whether another spare may be made.
func (s *Store) wantsSpare() bool {
	s.mu.Lock()
	wants := !s.closed && s.spares.kept+s.cfg.PackSize <= min(s.spares.limit, s.cfg.Spare)
	s.mu.Unlock()
	if !wants {
		return false
	}
	free, err := s.sys.available(s.spares.dir)
	return err == nil && free-s.cfg.Reserve >= spareShare*s.cfg.Spare
}

// prepare makes spares after each burst, until the store closes.
func (s *Store) prepare() {
	defer close(s.prepared)
	for {
		select {
		case <-s.stop:
			return
		case <-s.spares.wake:
		}
		if s.awaitQuiet() == nil {
			_ = s.fill() // a full disk: the packs do without
		}
	}
}

// fill makes the spares that may be kept.
func (s *Store) fill() error {
	s.spares.fill.Lock()
	defer s.spares.fill.Unlock()
	for s.wantsSpare() {
		if err := s.makeSpare(); err != nil {
			return err
		}
	}
	return nil
}

var errStopped = errors.New("the store is closing")

func (s *Store) makeSpare() (err error) {
	path := filepath.Join(s.spares.dir, newName(time.Now()))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	size := s.cfg.PackSize
	if err := s.sys.allocate(f, 0, size); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err // in one piece, if the file system has one
	}
	zeros := make([]byte, min(size, spareChunk))
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if err := s.awaitQuiet(); err != nil {
			return err
		}
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
		if err := s.sys.datasync(f); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errStopped
	}
	s.spares.list = append(s.spares.list, spare{path, size})
	s.spares.kept += size
	return nil
}

func (s *Store) awaitQuiet() error {
	for !s.quiet() {
		select {
		case <-s.stop:
			return errStopped
		case <-time.After(sparePause):
		}
	}
	return nil
}

// account counts the zeros that are left behind the pack's last record, none when the pack is not
// to grow any more. Store.mu is held.
func (p *pack) account(grows bool) {
	var tail int64
	if grows && p.claimed == p.written {
		tail = max(0, p.written-p.size)
	}
	p.s.spares.kept += tail - p.tail
	p.tail = tail
}

// keepsTail reports whether a pack that rests may keep its zeros. Store.mu is held.
func (s *Store) keepsTail(p *pack) bool {
	return p.tail > 0 && s.spares.kept <= min(s.spares.limit, s.cfg.Spare)
}
