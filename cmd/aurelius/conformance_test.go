package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestConformanceIsCurrent: the statement in docs is what this binary prints.
func TestConformanceIsCurrent(t *testing.T) {
	var out bytes.Buffer
	if err := (conformanceCmd{}).Run(&out); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "CONFORMANCE.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, out.Bytes()) {
		t.Error("docs/CONFORMANCE.md is not what `aurelius conformance` prints: run `make conformance`")
	}
}
