package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// stored puts the first series into a data directory and returns its archive's stores.
func stored(t *testing.T, dir string) (*stores, *archive.Archive) {
	t.Helper()
	st, err := (&engineFlags{Data: dir}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := archive.New(archive.Config{}, st.blobs, st.index)
	storeFirst(t, a)
	return st, a
}

// storeFirst stores the first series.
func storeFirst(t *testing.T, a *archive.Archive) {
	t.Helper()
	for _, name := range []string{"1.dcm", "2.dcm", "3.dcm", "4.dcm", "5.dcm"} {
		b, err := os.ReadFile(testkit.Testdata("first", name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Store(t.Context(), storage.DefaultTenant, archive.Incoming{Data: bytes.NewReader(b)}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRebuild(t *testing.T) {
	dir := t.TempDir()
	st, _ := stored(t, dir)
	if code, out := settings(t, "fsck", "--data", dir, "--rebuild"); code != 1 || !strings.Contains(out, "in use") {
		t.Errorf("rebuild beside an owner: exit %d: %s", code, out)
	}
	if _, err := os.Stat(filepath.Join(dir, indexFile)); err != nil {
		t.Fatalf("the owner's index is gone: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	code, out := settings(t, "fsck", "--data", dir, "--rebuild", "--verify")
	if code != 0 || !strings.Contains(out, "objects 5, rows 5") {
		t.Errorf("exit %d: %s", code, out)
	}
	// No event gets the number of another.
	st, err := (&engineFlags{Data: dir}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	cs, err := st.index.Changes(t.Context(), storage.DefaultTenant, 0, 0)
	if err != nil || len(cs) != 5 || cs[0].Sequence != 6 {
		t.Errorf("changes: %+v, %v", cs, err)
	}
}

// TestRebuildKeepsDeletions: an object that is deleted while it is read stays deleted, even when
// the process ends before its bytes could go and the index is made anew.
func TestRebuildKeepsDeletions(t *testing.T) {
	dir := t.TempDir()
	st, a := stored(t, dir)
	all, err := a.Select(t.Context(), storage.DefaultTenant, index.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	reading, err := a.OpenFile(t.Context(), storage.DefaultTenant, all[0], 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(t.Context(), storage.DefaultTenant, all[0].Ref); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	reading.Close()
	code, out := settings(t, "fsck", "--data", dir, "--rebuild")
	if code != 0 || !strings.Contains(out, "rows 4") {
		t.Errorf("exit %d: %s", code, out)
	}
}
