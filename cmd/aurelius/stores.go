package main

import (
	"errors"
	"os"
	"path/filepath"
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

const indexFile = "index.sqlite"

// openStores opens the blobs first: their lock says that nobody else owns the directory.
func openStores(dir string) (*stores, error) {
	blobs, err := fs.Open(fs.Config{Dir: filepath.Join(dir, "dicom-studies")})
	if err != nil {
		return nil, err
	}
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
