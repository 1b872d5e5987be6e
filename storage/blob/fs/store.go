// Package fs keeps blobs in a local directory: append-only packs that are at once the store and
// its write-ahead log.
//
// A Writer leases one open pack, streams the record into it and commits with a single
// fdatasync; concurrent writers have packs of their own, so their syncs run side by side. What
// Commit acknowledged is on the medium, and the packs alone are enough to rebuild an index
// (List). Erase punches holes, so removed bytes are gone from the disk at once; a pack of which
// nothing is left is unlinked.
//
//	<dir>/packs/<tenant>/<key>.open   may still grow
//	<dir>/packs/<tenant>/<key>.pack   full
//
// It leaves out: compression, encryption, replicas and repair of damaged records.
package fs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// Config of a Store; all but Dir have defaults.
type Config struct {
	Dir      string        // directory of the store; made when missing
	PackSize int64         // a pack this large takes no further record; default 64 MiB
	Step     int64         // disk space is claimed in steps of this; default 16 MiB
	Reserve  int64         // space left free on the disk, so that removing still works; default 32 MiB, negative none
	Idle     time.Duration // an unused open pack gives back what it claimed after this; default 5 s
}

func (c Config) withDefaults() Config {
	if c.PackSize <= 0 {
		c.PackSize = 64 << 20
	}
	if c.Step <= 0 {
		c.Step = 16 << 20
	}
	switch {
	case c.Reserve == 0:
		c.Reserve = 32 << 20
	case c.Reserve < 0:
		c.Reserve = 0
	}
	if c.Idle <= 0 {
		c.Idle = 5 * time.Second
	}
	return c
}

// maxIdle bounds the packs of a tenant that stay open between records; each holds a descriptor
// and up to Config.Step of claimed disk space.
const maxIdle = 8

// Store is a blob.Store on a directory. It is safe for concurrent use by one process: a second
// one on the same directory is refused. Memory is one buffer of 256 KiB per open Writer.
type Store struct {
	cfg     Config
	sys     system
	lock    *os.File
	handles handles

	mu     sync.Mutex
	closed bool
	open   map[storage.TenantID]*openPacks
	byKey  map[storage.Key]*pack // every pack that may still grow, leased or not

	stop chan struct{}
	done chan struct{}
}

var _ blob.Store = (*Store)(nil)

// openPacks are a tenant's packs that may still grow and that no Writer has leased.
type openPacks struct {
	idle    []*pack // open, last used on top
	resting []*pack // closed, cut to size
}

// Open opens the store in cfg.Dir and cuts off what a crash left behind unfinished.
func Open(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	s := &Store{
		cfg: cfg, sys: host(),
		open:  map[storage.TenantID]*openPacks{},
		byKey: map[storage.Key]*pack{},
		stop:  make(chan struct{}), done: make(chan struct{}),
	}
	s.handles.init(s)
	if err := os.MkdirAll(s.packs(), 0o750); err != nil {
		return nil, fail("fs.Open", err)
	}
	f, err := os.OpenFile(filepath.Join(cfg.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fail("fs.Open", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, &errs.Error{Kind: errs.Unavailable, Op: "fs.Open",
			Msg: "the store is in use by another process", Err: err}
	}
	s.lock = f
	if err := s.recover(); err != nil {
		f.Close()
		return nil, fail("fs.Open", err)
	}
	go s.tidy()
	return s, nil
}

// Close cuts open packs to size. Writers must have ended.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	<-s.done
	err := s.rest(0)
	s.handles.close()
	return errors.Join(err, s.lock.Close())
}

// tidy rests packs that were not used for a while.
func (s *Store) tidy() {
	defer close(s.done)
	tick := time.NewTicker(max(s.cfg.Idle/4, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			_ = s.rest(s.cfg.Idle) // a pack that cannot be cut keeps its space until the next start
		}
	}
}

// rest closes idle packs unused for at least d and gives back the space they claimed.
func (s *Store) rest(d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all error
	limit := time.Now().Add(-d)
	for _, o := range s.open {
		n := 0
		for n < len(o.idle) && (d == 0 || o.idle[n].used.Before(limit)) {
			n++ // the oldest are at the bottom
		}
		for _, p := range o.idle[:n] {
			all = errors.Join(all, p.rest())
			o.resting = append(o.resting, p)
		}
		o.idle = append(o.idle[:0], o.idle[n:]...)
	}
	return all
}

// lease gives the caller a pack of its own to append to.
func (s *Store) lease(t storage.TenantID) (*pack, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errs.Errorf(errs.Unavailable, "fs.Create", "the store is closed")
	}
	o := s.open[t]
	if o == nil {
		o = &openPacks{}
		s.open[t] = o
	}
	if n := len(o.idle); n > 0 {
		p := o.idle[n-1]
		o.idle = o.idle[:n-1]
		s.mu.Unlock()
		return p, nil
	}
	for len(o.resting) > 0 {
		p := o.resting[len(o.resting)-1]
		o.resting = o.resting[:len(o.resting)-1]
		if p.wake() == nil {
			s.mu.Unlock()
			return p, nil
		}
		delete(s.byKey, p.key) // it stays readable; only nothing is added to it any more
	}
	s.mu.Unlock()

	return s.newPack(t)
}

// release gives a leased pack back.
func (s *Store) release(p *pack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.broken || p.size >= s.cfg.PackSize {
		p.seal()
		delete(s.byKey, p.key)
		return
	}
	p.used = time.Now()
	o := s.open[p.tenant]
	if s.closed || len(o.idle) >= maxIdle {
		_ = p.rest()
		o.resting = append(o.resting, p)
		return
	}
	o.idle = append(o.idle, p)
}

// take removes the pack from those that may grow, so that it can be unlinked. It reports false
// when a Writer has it, or when it is not any more as the caller saw it.
func (s *Store) take(k storage.Key, grows bool, size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.byKey[k]
	if ok != grows || ok && p.committed.Load() != size { // a Writer may have it: size is not ours to read
		return false
	}
	if !ok {
		return true
	}
	o := s.open[p.tenant]
	for _, list := range []*[]*pack{&o.idle, &o.resting} {
		for i, q := range *list {
			if q == p {
				*list = append((*list)[:i], (*list)[i+1:]...)
				p.close()
				delete(s.byKey, k)
				return true
			}
		}
	}
	return false
}

// committed returns how far the object's committed records reach, and whether it can grow.
func (s *Store) committed(k storage.Key) (int64, bool) {
	s.mu.Lock()
	p := s.byKey[k]
	s.mu.Unlock()
	if p == nil {
		return 0, false
	}
	return p.committed.Load(), true
}

// recover finds the packs that were growing when the last process ended.
func (s *Store) recover() error {
	tenants, err := os.ReadDir(s.packs())
	if err != nil {
		return err
	}
	for _, dir := range tenants {
		t := storage.TenantID(dir.Name())
		if !dir.IsDir() || !tenantID.MatchString(dir.Name()) {
			continue
		}
		o := &openPacks{}
		s.open[t] = o
		files, err := os.ReadDir(filepath.Join(s.packs(), dir.Name()))
		if err != nil {
			return err
		}
		for _, e := range files {
			name, ok := strings.CutSuffix(e.Name(), openSuffix)
			if !ok || !packName.MatchString(name) {
				continue
			}
			p, err := s.recoverPack(t, name)
			if err != nil {
				return err
			}
			if p != nil {
				s.byKey[p.key] = p
				o.resting = append(o.resting, p)
			}
		}
	}
	return nil
}

const (
	openSuffix = ".open"
	packSuffix = ".pack"
)

var (
	tenantID = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	packName = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

func (s *Store) packs() string { return filepath.Join(s.cfg.Dir, "packs") }

// path returns the pack's path without suffix. Keys come from the index; one that this store
// did not make names nothing.
func (s *Store) path(k storage.Key) (string, error) {
	tenant, name, ok := strings.Cut(string(k), "/")
	if !ok || !tenantID.MatchString(tenant) || !packName.MatchString(name) {
		return "", errs.Errorf(errs.NotFound, "fs.Open", "no such object")
	}
	return filepath.Join(s.packs(), tenant, name), nil
}

// newName returns a random name that sorts by time of creation, so that List walks packs in the
// order in which they were begun.
func newName(now time.Time) string {
	var b [16]byte
	ms := now.UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	_, _ = rand.Read(b[6:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}

// fail gives an error of the file system its Kind.
func fail(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *errs.Error
	if errors.As(err, &e) {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errs.E(errs.Canceled, op, err)
	case diskFull(err):
		return &errs.Error{Kind: errs.Exhausted, Op: op, Msg: "out of disk space", Err: err}
	case errors.Is(err, fs.ErrNotExist):
		return errs.E(errs.NotFound, op, err)
	}
	return errs.E(errs.Unavailable, op, fmt.Errorf("disk: %w", err))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
