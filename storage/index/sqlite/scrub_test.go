package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
)

// TestRemovedIsGone: what was removed is not in the files any more, neither in free pages nor in
// the log, soon after and without the index being closed.
func TestRemovedIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ix := open(t, dir)
	defer ix.Close()
	const name = "Unforgettable^Xaver"
	g := indextest.New(7, indextest.Shape{Studies: 20, Series: 1, Instances: 4})
	first := g.Next()
	for i := range 40 {
		in := g.Next()
		if i%2 == 0 { // those to go, among others that stay
			in.StudyInstanceUID = first.StudyInstanceUID
			in.Dataset.SetText(tag.StudyInstanceUID, first.StudyInstanceUID)
			in.Dataset.SetText(tag.PatientName, name)
			in.Dataset.SetText(tag.PatientID, "GONE")
			in.Header = []byte(name)
		}
		if _, err := ix.Add(t.Context(), storage.DefaultTenant, in, false); err != nil {
			t.Fatal(err)
		}
	}
	if !kept(t, dir, name) {
		t.Fatal("the test looks in the wrong place")
	}
	if _, err := ix.Remove(t.Context(), storage.DefaultTenant, index.Ref{StudyInstanceUID: first.StudyInstanceUID}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); kept(t, dir, name); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a removed patient's name is still in the index's files")
		}
	}
}

func kept(t *testing.T, dir, text string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Contains(bytes.ToLower(b), bytes.ToLower([]byte(text))) {
			return true
		}
	}
	return false
}
