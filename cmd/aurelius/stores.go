package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// stores are the engines of one data directory.
type stores struct {
	blobs blob.Store
	index index.Index
}

const (
	indexFile  = "index.sqlite"
	studiesDir = "dicom-studies" // the bucket's name in the platform's contract
)

// openStores opens the blobs first: their lock says that nobody else owns the directory. Files
// are for their owner only, whatever the umask of the session.
func openStores(dir string) (*stores, error) {
	blobs, err := openBlobs(dir)
	if err != nil {
		return nil, err
	}
	return withIndex(dir, blobs)
}

func openBlobs(dir string) (blob.Store, error) {
	syscall.Umask(0o077)
	return fs.Open(fs.Config{Dir: filepath.Join(dir, studiesDir)})
}

func withIndex(dir string, blobs blob.Store) (*stores, error) {
	ix, err := sqlite.Open(filepath.Join(dir, indexFile), sqlite.Config{})
	if err != nil {
		return nil, errors.Join(err, blobs.Close())
	}
	return &stores{blobs, ix}, nil
}

// Close closes the index first, so that it never knows of less than the blobs when they seal.
func (s *stores) Close() error {
	return errors.Join(s.index.Close(), s.blobs.Close())
}

// openEmpty opens the stores with a new index, the old one set aside. What was deleted but not
// yet erased is known to the old index alone: it is erased first, as far as that can be read,
// for otherwise the new index would find it again.
func openEmpty(ctx context.Context, dir string) (*stores, error) {
	blobs, err := openBlobs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, indexFile)); err == nil {
		if old, err := sqlite.Open(filepath.Join(dir, indexFile), sqlite.Config{}); err == nil {
			if due, err := old.PendingErasures(ctx); err == nil {
				err = blobs.Erase(ctx, due...)
				if err != nil {
					return nil, errors.Join(err, old.Close(), blobs.Close())
				}
			}
			_ = old.Close()
		}
	}
	if err := setIndexAside(dir); err != nil {
		return nil, errors.Join(err, blobs.Close())
	}
	return withIndex(dir, blobs)
}

// setIndexAside renames the index and its log, so that a new one can be built beside it.
func setIndexAside(dir string) error {
	suffix := ".aside-" + time.Now().UTC().Format("20060102T150405")
	for _, tail := range []string{"", "-wal", "-shm"} {
		old := filepath.Join(dir, indexFile+tail)
		if err := os.Rename(old, filepath.Join(dir, indexFile+suffix+tail)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
