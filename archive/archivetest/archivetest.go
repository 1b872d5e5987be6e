// Package archivetest gives the doors a real archive to be tested on: blobs in memory, the index
// in a file of the test's directory.
package archivetest

import (
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// New returns an empty archive of the default configuration. It is closed with the test.
func New(t testing.TB) *archive.Archive { return NewWith(t, archive.Config{}) }

// NewWith returns an empty archive.
func NewWith(t testing.TB, cfg archive.Config) *archive.Archive {
	t.Helper()
	ix, err := sqlite.Open(filepath.Join(t.TempDir(), "index.sqlite"), sqlite.Config{})
	if err != nil {
		t.Fatalf("index: %v", err)
	}
	t.Cleanup(func() {
		if err := ix.Close(); err != nil {
			t.Errorf("closing the index: %v", err)
		}
	})
	return archive.New(cfg, mem.New(), ix)
}
