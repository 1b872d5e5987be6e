package fs

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
)

// pack is one that may still grow. Whoever leased it has it alone; in the store's lists it is
// guarded by the store's mutex.
type pack struct {
	s      *Store
	key    storage.Key
	tenant storage.TenantID
	path   string // without suffix
	f      *os.File
	salt   salt

	size    int64 // where the next record begins
	claimed int64 // the file reaches to here; zeros behind size
	named   bool  // its directory entry is durable
	broken  bool  // a write failed in a way that leaves the medium in doubt
	used    time.Time

	committed atomic.Int64 // size, for those who have no lease
}

// newPack begins a pack. It is known to the store before its file is there, so that List never
// takes it for one of the past.
func (s *Store) newPack(t storage.TenantID) (*pack, error) {
	name := newName(time.Now())
	p := &pack{
		s: s, tenant: t,
		key:  storage.Key(string(t) + "/" + name),
		path: filepath.Join(s.packs(), string(t), name),
	}
	_, _ = rand.Read(p.salt[:])
	s.mu.Lock()
	s.byKey[p.key] = p
	s.mu.Unlock()
	err := p.create()
	if err == nil {
		err = p.begin()
	}
	if err != nil {
		p.close()
		_ = os.Remove(p.path + openSuffix)
		s.mu.Lock()
		delete(s.byKey, p.key)
		s.mu.Unlock()
		return nil, fail("fs.Create", err)
	}
	return p, nil
}

func (p *pack) create() (err error) {
	const flag = os.O_RDWR | os.O_CREATE | os.O_EXCL
	p.f, err = os.OpenFile(p.path+openSuffix, flag, 0o640)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// The tenant's first.
	if err = os.MkdirAll(p.dir(), 0o750); err != nil {
		return err
	}
	if err = syncDir(p.s.packs()); err != nil {
		return err
	}
	p.f, err = os.OpenFile(p.path+openSuffix, flag, 0o640)
	return err
}

func (p *pack) begin() error {
	if err := p.claim(headerSize); err != nil {
		return err
	}
	if _, err := p.f.WriteAt(appendPackHeader(nil, p.salt), 0); err != nil {
		return err
	}
	p.setSize(headerSize)
	return nil
}

func (p *pack) setSize(n int64) {
	p.size = n
	p.committed.Store(n)
}

// claim makes sure that the disk has room up to upto. Space is claimed ahead, because a write
// into claimed space makes a cheaper fdatasync than one that grows the file.
func (p *pack) claim(upto int64) error {
	if upto <= p.claimed {
		return nil
	}
	want := (upto - p.claimed + p.s.cfg.Step - 1) / p.s.cfg.Step * p.s.cfg.Step
	err := p.allocate(want)
	if diskFull(err) { // others may sit on claimed space they do not use
		_ = p.s.rest(0)
		if err = p.allocate(want); diskFull(err) {
			err = p.allocate(upto - p.claimed)
		}
	}
	return err
}

func (p *pack) allocate(n int64) error {
	if free, err := p.s.sys.available(p.s.packs()); err == nil && free-n < p.s.cfg.Reserve {
		return syscall.ENOSPC
	}
	err := p.s.sys.allocate(p.f, p.claimed, n)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	p.claimed += n
	return nil
}

// rewind forgets everything behind size.
func (p *pack) rewind() {
	if err := p.f.Truncate(p.size); err != nil {
		p.broken = true
		return
	}
	p.claimed = p.size
}

// rest cuts the pack to size and closes it.
func (p *pack) rest() error {
	err := p.f.Truncate(p.size)
	p.claimed = p.size
	p.close()
	return fail("fs.Close", err)
}

// wake opens a resting pack.
func (p *pack) wake() error {
	f, err := os.OpenFile(p.path+openSuffix, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	p.f = f
	return nil
}

// seal cuts the pack to size and gives it the name of a full one. What fails here is made up
// for by the next start.
func (p *pack) seal() {
	_ = p.rest()
	if p.size == headerSize {
		_ = os.Remove(p.path + openSuffix)
		return
	}
	_ = os.Rename(p.path+openSuffix, p.path+packSuffix)
}

func (p *pack) dir() string { return filepath.Dir(p.path) }

func (p *pack) close() {
	if p.f != nil {
		_ = p.f.Close()
		p.f = nil
	}
}

// recoverPack cuts off what follows the last committed record. A pack that still has claimed
// space behind it was in use when the machine went down, perhaps in the middle of a commit: the
// record is read then, and cut off too if its content is torn. (In a pack that was cut to size
// before, a wrong checksum is damage to an acknowledged record, which is not ours to remove.) A
// pack without any record is removed.
func (s *Store) recoverPack(t storage.TenantID, name string) (*pack, error) {
	path := filepath.Join(s.packs(), string(t), name)
	p := &pack{s: s, key: storage.Key(string(t) + "/" + name), tenant: t, path: path, named: true}
	if err := p.wake(); err != nil {
		return nil, err
	}
	defer p.close()
	st, err := p.f.Stat()
	if err != nil {
		return nil, err
	}
	p.salt, err = readPackHeader(p.f)
	switch {
	case errors.Is(err, errUnwritten):
		return nil, os.Remove(path + openSuffix) // no commit either: that syncs the header too
	case errors.Is(err, errNoPack):
		return nil, nil // damaged: left for fsck to name, nothing is added to it
	}
	if err != nil {
		return nil, err
	}
	var last recordHeader
	end, err := scan(p.f, p.salt, headerSize, st.Size(), func(h recordHeader) bool { last = h; return true })
	if err != nil {
		return nil, err
	}
	if last.state == stateLive && st.Size() > end {
		switch err := verify(p.f, last); {
		case errs.Is(err, errs.Invalid):
			end = last.offset
		case err != nil:
			return nil, err
		}
	}
	if end == headerSize {
		return nil, os.Remove(path + openSuffix)
	}
	p.setSize(end)
	if err := p.rest(); err != nil {
		return nil, err
	}
	if end >= s.cfg.PackSize {
		return nil, os.Rename(path+openSuffix, path+packSuffix)
	}
	return p, nil
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
