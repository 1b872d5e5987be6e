package fs_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
)

// TestCopyPack copies packs while records come and go: whatever a copied pack holds is whole, and
// what was there before and stays is in it.
func TestCopyPack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := fs.Open(fs.Config{Dir: dir, PackSize: 1 << 20, Step: 1 << 18})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(n int) blob.Location {
		w, err := s.Create(context.Background(), storage.DefaultTenant)
		if err != nil {
			t.Error(err)
			return blob.Location{}
		}
		defer w.Abort()
		_, _ = w.Write(bytes.Repeat([]byte{byte(n) | 1}, 1000+n*37%50_000))
		r, err := w.Commit(context.Background())
		if err != nil {
			t.Error(err)
		}
		return r.Location
	}
	var stay []blob.Location
	for i := range 100 {
		stay = append(stay, put(i))
	}
	ctx, stop := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	for worker := range 2 {
		busy.Go(func() {
			r := rand.New(rand.NewPCG(uint64(worker), 1))
			var mine []blob.Location
			for ctx.Err() == nil {
				mine = append(mine, put(r.IntN(1000)))
				if len(mine) > 30 {
					i := r.IntN(len(mine))
					if err := s.Erase(context.Background(), mine[i]); err != nil {
						t.Error(err)
					}
					mine = append(mine[:i], mine[i+1:]...)
				}
			}
		})
	}
	for round := range 3 {
		to := filepath.Join(t.TempDir(), "copy")
		checkCopy(t, dir, to, round, stay)
	}
	stop()
	busy.Wait()
}

// checkCopy makes a store of the copies of all packs and reads everything in it.
func checkCopy(t *testing.T, dir, to string, round int, stay []blob.Location) {
	t.Helper()
	packs, err := fs.Packs(dir)
	if err != nil || len(packs) == 0 {
		t.Fatalf("Packs: %v, %v", packs, err)
	}
	paths := map[storage.Key]string{}
	if err := os.MkdirAll(filepath.Join(to, "packs", "default"), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, p := range packs {
		file := filepath.Join(to, "one")
		c, err := fs.CopyPack(t.Context(), dir, p.Key, file)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		name, err := fs.PackName(p.Key, c.Grows)
		if err != nil {
			t.Fatal(err)
		}
		paths[p.Key] = filepath.Join(to, name)
		if err := os.Rename(file, paths[p.Key]); err != nil {
			t.Fatal(err)
		}
	}
	copies := fs.Copies{Path: func(k storage.Key) (string, bool) { p, ok := paths[k]; return p, ok }}
	defer copies.Close()
	for _, l := range stay {
		if has, err := copies.Has(l); !has || err != nil {
			t.Errorf("round %d: a record is not in the copy: %v", round, err)
		}
	}
	if has, err := copies.Has(blob.Location{Object: stay[0].Object, Offset: stay[0].Offset + 8, Length: 1}); has || err != nil {
		t.Errorf("Has of nothing: %v, %v", has, err)
	}
	again, err := fs.Open(fs.Config{Dir: to})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r, err := range again.List(t.Context(), nil) {
		n++
		if err = errors.Join(err, again.Verify(t.Context(), r.Location)); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
	}
	if n < len(stay) {
		t.Errorf("round %d: %d records, want %d at least", round, n, len(stay))
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
