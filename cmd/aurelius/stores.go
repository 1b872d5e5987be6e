package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// openEmpty opens the stores with a new index. SQLite's old one is set aside; a PostgreSQL
// database must be a new one, because other nodes may be using the old.
func (f *engineFlags) openEmpty(ctx context.Context) (*stores, error) {
	if f.Database != "" {
		return f.openNew(ctx)
	}
	blobs, err := f.openBlobs(ctx, studiesBucket)
	if err != nil {
		return nil, err
	}
	last, err := takeOver(ctx, filepath.Join(f.Data, indexFile), blobs)
	if err := errors.Join(err, blobs.Close()); err != nil {
		return nil, err
	}
	if err := setIndexAside(f.Data); err != nil {
		return nil, err
	}
	st, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	if ix, ok := st.index.(*sqlite.Index); ok {
		if err := ix.StartAfter(ctx, last); err != nil {
			return nil, errors.Join(err, st.Close())
		}
	}
	return st, nil
}

func (f *engineFlags) openNew(ctx context.Context) (*stores, error) {
	st, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	used, err := st.index.Usage(ctx, storage.DefaultTenant)
	if err == nil && used.Instances > 0 {
		err = errors.New("the database holds an index: name a new database, rebuild into it, and give it to the nodes then")
	}
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// takeOver settles what the old index alone knows, as far as it can be read: it erases what was
// deleted but not yet erased, which a new one would find again, and returns how far the feed of
// each tenant has got, so that the new one gives no number twice.
func takeOver(ctx context.Context, path string, blobs blob.Store) (last map[storage.TenantID]int64, err error) {
	if _, err := os.Stat(path); err != nil {
		return nil, nil
	}
	old, err := sqlite.Open(path, sqlite.Config{})
	if err != nil {
		return nil, nil // it is damaged: that is why there is to be a new one
	}
	defer old.Close()
	if last, err = old.Sequences(ctx); err != nil {
		last = nil
	}
	due, err := old.PendingErasures(ctx)
	if err != nil {
		return last, nil
	}
	return last, blobs.Erase(ctx, due...)
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
