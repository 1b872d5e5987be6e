package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

func open(t testing.TB, dir string) index.Index {
	t.Helper()
	ix, err := sqlite.Open(filepath.Join(dir, "index.db"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func TestIndex(t *testing.T) { indextest.Run(t, open) }
