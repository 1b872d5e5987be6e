package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
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

// TestDictionaryAgainstPydicom: every attribute pydicom knows is there, with the same keyword,
// name, VR and VM. Known to be told otherwise: the VM of LUT data, VRs of items, and micro signs.
func TestDictionaryAgainstPydicom(t *testing.T) {
	t.Parallel()
	tools := filepath.Join(testkit.Shared(t), "parts", "dicom-tools")
	if _, err := os.Stat(tools); err != nil {
		testkit.Missing(t, tools)
	}
	out, err := exec.Command(tools, "py", "-c", `
from pydicom._dicom_dict import DicomDictionary as D
for t, v in D.items():
    if v[4]: print("%08X|%s|%s|%s|%s" % (t, v[4], v[0], v[1], v[2]))`).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 5000 {
		t.Fatalf("only %d lines", len(lines))
	}
	for _, line := range lines {
		f := strings.Split(line, "|")
		number, _ := tag.ParseHex(f[0])
		info, ok := tag.Lookup(number)
		VR := info.VR.String()
		for i, v := range info.VRs {
			if i > 0 {
				VR += " or " + v.String()
			}
		}
		excused := number == tag.LUTData || number == tag.GrayLookupTableData || number.Group() == 0xFFFE
		if !ok || info.Keyword != f[1] || strings.ReplaceAll(info.Name, "µ", "u") != f[4] || !excused && (VR != f[2] || info.VM != f[3]) {
			t.Errorf("%s: have %s %s %s %q", line, info.Keyword, VR, info.VM, info.Name)
		}
	}
}
