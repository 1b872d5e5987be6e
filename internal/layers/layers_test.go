package layers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/layers"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

type listed struct {
	ImportPath string
	Dir        string
	Doc        string
	GoFiles    []string
	Imports    []string
}

const module = "github.com/aurelius-imaging/aurelius/"

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports", "./...")
	cmd.Dir = testkit.Root()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			to, own := strings.CutPrefix(imp, module)
			why := layers.Fenced(from, imp)
			if own {
				why = layers.Violation(from, to)
			}
			if why != "" {
				t.Errorf("%s imports %s: %s", from, imp, why)
			}
		}
	}
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		from, to string
		bad      bool
	}{
		{"dicomweb", "archive", false},
		{"dicomweb", "dimse/scp", true},
		{"dicomweb", "storage/blob/fs", true},
		{"dicom", "storage", true},
		{"storage/index", "storage/blob", false},
		{"storage/blob", "dimse", true},
		{"archive", "storage/index/sqlite", true},
		{"archive/archivetest", "storage/index/sqlite", false},
		{"cmd/aurelius", "storage/index/sqlite", false},
		{"archive", "dicomweb", true},
		{"dimse", "dimse/scp", true},
		{"dimse/scp", "dimse", false},
	} {
		if got := layers.Violation(c.from, c.to); (got != "") != c.bad {
			t.Errorf("%s -> %s: %q", c.from, c.to, got)
		}
	}
	if layers.Fenced("dicom", "github.com/suyashkumar/dicom") == "" {
		t.Error("the oracle may be linked into the product")
	}
}

// TestHouse holds every package to its doc comment and every file to its size.
func TestHouse(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no doc comment", p.ImportPath)
		}
		for _, f := range p.GoFiles {
			if strings.HasSuffix(f, "_gen.go") {
				continue
			}
			b, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(b, []byte{'\n'}); n > 600 {
				t.Errorf("%s/%s has %d lines: split it by what it does", p.ImportPath, f, n)
			}
		}
	}
}

// TestArchitecture holds the table that people read to the one that is enforced.
func TestArchitecture(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d) \| ([^|]*) \|`).FindAllSubmatch(page, -1) {
		layer, _ := strconv.Atoi(string(row[1]))
		for _, pkg := range regexp.MustCompile("`([^`]+)`").FindAllSubmatch(row[2], -1) {
			name := string(pkg[1])
			written[name] = true
			if got, _, ok := layers.Layer(name); !ok || got != layer {
				t.Errorf("docs/ARCHITECTURE.md has %s in layer %d, layers.go in %d", name, layer, got)
			}
		}
	}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if _, family, _ := layers.Layer(name); !written[family] {
			t.Errorf("docs/ARCHITECTURE.md does not have %s (%s)", family, name)
		}
	}
}
