package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestGeneratedFilesAreCurrent runs the generator beside the repository and compares.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	standard := filepath.Join(testkit.Shared(t), "standard")
	out := t.TempDir()
	for _, dir := range []string{"dicom/tag", "dicom/uid"} {
		if err := os.MkdirAll(filepath.Join(out, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(standard, out); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"dicom/tag/tag_gen.go", "dicom/uid/uid_gen.go"} {
		want, err := os.ReadFile(filepath.Join(out, file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(testkit.Root(), file))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not current: make generate", file)
		}
	}
}
