package sqlite_test

import (
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// An index that takes the place of another gives no sequence number twice.
func TestStartAfter(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g := indextest.New(30, indextest.Shape{Series: 1, Instances: 3})
	old := openOne(t, t.TempDir())
	first := g.Next()
	for _, in := range []index.Instance{first, g.Next(), g.Next()} {
		if _, err := old.Add(ctx, storage.DefaultTenant, in, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := old.Remove(ctx, storage.DefaultTenant, index.Ref{SOPInstanceUID: first.SOPInstanceUID}); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Add(ctx, "other", first, false); err != nil {
		t.Fatal(err)
	}
	last, err := old.Sequences(ctx)
	if want := map[storage.TenantID]int64{storage.DefaultTenant: 4, "other": 1}; err != nil || !maps.Equal(last, want) {
		t.Fatalf("sequences: %v, %v, want %v", last, err, want)
	}

	dir := t.TempDir()
	ix := openOne(t, dir)
	if err := ix.StartAfter(ctx, last); err != nil {
		t.Fatal(err)
	}
	if now, err := ix.Sequences(ctx); err != nil || !maps.Equal(now, last) {
		t.Errorf("sequences: %v, %v", now, err)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	ix = openOne(t, dir)
	if cs, err := ix.Changes(ctx, storage.DefaultTenant, 0, 0); err != nil || len(cs) != 0 {
		t.Errorf("changes of what is empty: %+v, %v", cs, err)
	}
	if got, err := ix.Add(ctx, storage.DefaultTenant, first, false); err != nil || got.Sequence != 5 {
		t.Errorf("first Add: %+v, %v", got, err)
	}
	if _, err := ix.Remove(ctx, storage.DefaultTenant, index.Ref{SOPInstanceUID: first.SOPInstanceUID}); err != nil {
		t.Error(err)
	}
	if got, err := ix.Add(ctx, storage.DefaultTenant, g.Next(), false); err != nil || got.Sequence != 7 {
		t.Errorf("Add after Remove: %+v, %v", got, err)
	}
	if n, err := ix.CompleteStudies(ctx, time.Now().Add(time.Hour), 10); err != nil || n != 1 {
		t.Errorf("completed: %d, %v", n, err)
	}
	cs, err := ix.Changes(ctx, storage.DefaultTenant, 4, 0)
	if err != nil || len(cs) != 4 || cs[3].Sequence != 8 {
		t.Errorf("changes: %+v, %v", cs, err)
	}
}

func openOne(t *testing.T, dir string) *sqlite.Index {
	t.Helper()
	ix, err := sqlite.Open(filepath.Join(dir, "index.db"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix
}
