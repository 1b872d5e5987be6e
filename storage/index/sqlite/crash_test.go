package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
)

// TestKilled copies the files of a running index, as kill -9 leaves them (no checkpoint, no
// Close), and opens the copy: everything that was answered is there.
func TestKilled(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	ix := open(t, dir)
	defer ix.Close()
	g := indextest.New(1, indextest.Shape{Series: 2, Instances: 5})
	var last index.Instance
	for round := range 5 {
		for range 7 {
			last = g.Next()
			if _, err := ix.Add(ctx, storage.DefaultTenant, last, false); err != nil {
				t.Fatal(err)
			}
		}
		killed := t.TempDir()
		for _, name := range []string{"index.db", "index.db-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(killed, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		again := open(t, killed)
		n, err := again.Count(ctx, storage.DefaultTenant, &query.Query{Level: query.Instance})
		if err != nil || n != int64(7*(round+1)) {
			t.Errorf("round %d: %d instances, %v", round, n, err)
		}
		// The tail may lag but must not be ahead, and a replay finds what is there.
		tails, err := again.Tails(ctx)
		if err != nil || tails[last.Blob.Location.Object] > last.Blob.End {
			t.Errorf("tails: %v, %v", tails, err)
		}
		got, err := again.Add(ctx, storage.DefaultTenant, last, false)
		if err != nil || got.Existing == nil {
			t.Errorf("replay: %+v, %v", got, err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}
