package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestReadme runs the README's first minute as it is written, but for ports and paths.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(testkit.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- e2e: .*?-->\n```sh\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md has no block of commands marked for this test")
	}
	s := start(t)
	out := t.TempDir()
	script := strings.NewReplacer("localhost:4242", s.dimse, "http://localhost:8042", "http://"+s.http,
		"/tmp/aurelius-first", out).Replace(string(block[1]))
	cmd := exec.Command("bash", "-euxo", "pipefail", "-c", script)
	cmd.Dir = testkit.Root()
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	for _, want := range []string{"FIRST-1", "2.25.311111111111111111111111111111111111"} {
		if !strings.Contains(string(printed), want) {
			t.Errorf("the commands did not show %s:\n%s", want, printed)
		}
	}
	var fetched int
	_ = filepath.WalkDir(out, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			fetched++
		}
		return err
	})
	if fetched != 5 {
		t.Errorf("%d files fetched, want 5", fetched)
	}
}

// TestGuide runs the two uploads that users' scripts contain.
func TestGuide(t *testing.T) {
	t.Parallel()
	s := start(t)
	first := testkit.Testdata("first", "1.dcm")
	tool(t, "dcmsend", "127.0.0.1", s.port(), first)
	tool(t, "curl", "-sSf", "-X", "POST", s.web("/studies"), "-H", "Content-Type: multipart/related; type=application/dicom",
		"--data-binary", "@"+testkit.Testdata("first", "2.dcm"))
	status, _, body := s.get(t, "/instances")
	if status != 200 || strings.Count(string(body), `"00080018"`) != 2 {
		t.Errorf("status %d, instances: %s", status, body)
	}
}
