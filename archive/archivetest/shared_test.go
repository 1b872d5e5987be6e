package archivetest_test

import (
	"bytes"
	"io"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/platform/cache"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// TestSharedMetadata: of two nodes one makes the metadata of a series; when the series has
// changed both see the change.
func TestSharedMetadata(t *testing.T) {
	t.Parallel()
	ix, err := sqlite.Open(filepath.Join(t.TempDir(), "index.sqlite"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	blobs, shared := mem.New(), cache.NewMemory(8<<20)
	one := archive.New(archive.Config{Shared: shared}, blobs, ix)
	two := archive.New(archive.Config{Shared: shared}, blobs, ix)
	var built atomic.Int32
	form := archive.Form{Name: "count", New: func() func([]byte, *dicom.Header) []byte {
		n := built.Add(1)
		return func(dst []byte, _ *dicom.Header) []byte { return append(dst, byte('0'+n)) }
	}}
	path := fixtures(t)[0]
	s := store(t, one, path)
	get := func(a *archive.Archive) []byte {
		states, err := a.Series(t.Context(), tenant, index.Ref{SeriesInstanceUID: s.SeriesInstanceUID})
		if err != nil || len(states) != 1 {
			t.Fatalf("Series: %v, %v", states, err)
		}
		p, err := a.SeriesMetadata(t.Context(), tenant, states[0], form)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p.Open())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if a, b := get(one), get(two); built.Load() != 1 || !bytes.Equal(a, b) || len(a) == 0 {
		t.Errorf("built %d times; %q and %q", built.Load(), a, b)
	}
	if err := two.Delete(t.Context(), tenant, s.Ref); err != nil {
		t.Fatal(err)
	}
	store(t, two, path)
	if a := get(one); built.Load() != 2 || string(a) == "1" {
		t.Errorf("built %d times, and %q, after the series changed", built.Load(), a)
	}
}
