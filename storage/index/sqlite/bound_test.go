package sqlite_test

import (
	"fmt"
	"testing"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// TestRecordAnObject: a store that keeps each record in an object of its own does not make the
// writer remember all of them, nor lose a tail.
func TestRecordAnObject(t *testing.T) {
	t.Parallel()
	ix := open(t, t.TempDir()).(*sqlite.Index)
	defer ix.Close()
	const n = 3000
	g := indextest.New(1, indextest.Shape{Series: 1, Instances: 500})
	for i := range n {
		in := g.Next()
		in.Blob.Location.Object, in.Blob.Location.Offset = storage.Key(fmt.Sprintf("default/%08d", i)), 0
		in.Blob.End = in.Blob.Location.Length
		if _, err := ix.Add(t.Context(), storage.DefaultTenant, in, false); err != nil {
			t.Fatal(err)
		}
	}
	if kept := ix.Remembered(); kept > 1100 {
		t.Errorf("remembers %d objects", kept)
	}
	tails, err := ix.Tails(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if key := storage.Key(fmt.Sprintf("default/%08d", i)); tails[key] == 0 {
			t.Fatalf("the tail of %s is lost", key)
		}
	}
}
