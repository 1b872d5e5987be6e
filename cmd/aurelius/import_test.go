package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/gateway"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// reportKinds counts the lines of a report by kind.
func reportKinds(t *testing.T, path string) map[string]int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kinds := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line reportLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		kinds[line.Kind]++
	}
	return kinds
}

func TestImport(t *testing.T) {
	t.Parallel()
	data, report := t.TempDir(), filepath.Join(t.TempDir(), "report")
	first := testkit.Testdata("first")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{first, testkit.Testdata("README.md")}, 0, "stored\t5\t"},
		{[]string{first}, 0, "identical\t5\t"},
		{[]string{"--no-resume", first}, 0, "identical\t5\t"},
		{[]string{"--report", report, first, filepath.Join(data, "none")}, 1, "missing\t1\t"},
		{[]string{}, 2, "nothing to import"},
		{[]string{"--orthanc", data, first}, 2, "not both"},
		{[]string{"--orthanc", data}, 1, "no such file"},
		{[]string{"--orthanc", data, "--orthanc-index", filepath.Join(data, indexFile)}, 1, "index of an Orthanc"},
	} {
		code, stdout, stderr := command(t, append([]string{"import", "--data", data}, c.args...)...)
		got := stdout
		if !strings.Contains(got, c.want) {
			got = stderr
		}
		if code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("import %s: exit %d\n%s%s\nwant %d with %q", strings.Join(c.args, " "), code, stdout, stderr, c.code, c.want)
		}
	}
	if kinds := reportKinds(t, report); len(kinds) != 1 || kinds["missing"] != 1 {
		t.Errorf("report: %v", kinds)
	}
	if journals, _ := filepath.Glob(filepath.Join(data, "import", "*")); len(journals) != 0 {
		t.Errorf("journals of runs that ended stay: %q", journals)
	}
	if code, out, _ := command(t, "fsck", "--data", data); code != 0 || !strings.Contains(out, "objects 5, rows 5") {
		t.Errorf("fsck: exit %d: %s", code, out)
	}
}

// TestImportThroughServer: what a server has is stored through it.
func TestImportThroughServer(t *testing.T) {
	dir, report := t.TempDir(), filepath.Join(t.TempDir(), "report")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	first := testkit.Testdata("first")
	b, err := os.ReadFile(filepath.Join(first, "1.dcm"))
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(b)
	other[len(other)-1] ^= 1
	for name, content := range map[string][]byte{
		"conflict": other, "damaged": b[:2000], "text": []byte("no object"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	routes, err := (&serveCmd{}).routes(archivetest.New(t), gateway.New(gateway.Config{}), nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(routes)
	defer server.Close()
	if code, out, complaints := command(t, "import", "--url", server.URL, first); code != 0 || !strings.Contains(out, "stored\t5\t") {
		t.Errorf("exit %d: %s%s", code, out, complaints)
	}
	code, out, complaints := command(t, "import", "--url", server.URL, dir, "--report", report)
	kinds := reportKinds(t, report)
	if code != 1 || kinds["conflict"] != 1 || kinds["refused"] != 1 || kinds["not DICOM"] != 1 {
		t.Errorf("exit %d: %v: %s%s", code, kinds, out, complaints)
	}
	server.Close()
	if code, _, complaints := command(t, "import", "--url", server.URL, first); code != 1 || !strings.Contains(complaints, "does not answer") {
		t.Errorf("no server: exit %d: %s", code, complaints)
	}
}

// TestImportOfOrthanc imports what a real Orthanc kept, with and without its compression, whole
// and then damaged.
func TestImportOfOrthanc(t *testing.T) {
	t.Parallel()
	shared := filepath.Join(testkit.Shared(t), "data")
	sent := []string{filepath.Join(shared, "mr-series", "brain-16"), filepath.Join(shared, "modalities"), filepath.Join(shared, "charsets"), filepath.Join(shared, "derived", "sr")}
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprintf("compressed=%v", compressed), func(t *testing.T) {
			t.Parallel()
			testOrthanc(t, compressed, sent)
		})
	}
}

func testOrthanc(t *testing.T, compressed bool, sent []string) {
	home := t.TempDir()
	extra := filepath.Join(home, "extra.json")
	if err := os.WriteFile(extra, fmt.Appendf(nil, `{"StorageCompression": %v}`, compressed), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	part := testkit.NewPart(t, "orthanc", "PARTS_RUN="+home, "ORTHANC_EXTRA="+extra, "DICOM_PORT="+port)
	code, out, complaints := command(t, append([]string{"send", "ORTHANC@127.0.0.1:" + port}, sent...)...)
	if !strings.HasPrefix(out, "sent ") {
		t.Fatalf("send: exit %d: %s%s", code, out, complaints)
	}
	dirs, _ := filepath.Glob(filepath.Join(home, "orthanc.*", "db"))
	if len(dirs) != 1 {
		t.Fatalf("storage directories: %q", dirs)
	}
	if code, _, complaints := command(t, "import", "--data", t.TempDir(), "--orthanc", dirs[0]); code != 1 || !strings.Contains(complaints, "stop the program") {
		t.Errorf("while Orthanc runs: exit %d: %s", code, complaints)
	}
	part.Stop()

	report := filepath.Join(home, "report")
	code, out, complaints = command(t, "import", "--data", filepath.Join(home, "whole"), "--orthanc", dirs[0], "--report", report)
	var n int // fewer than were sent: some have one SOP Instance UID, and Orthanc overwrites
	if _, err := fmt.Sscanf(out, "stored\t%d\t", &n); err != nil || n < 50 || code != 0 || !strings.Contains(out, "0 counts differ (0 lower here)") {
		t.Errorf("exit %d: %s%s", code, out, complaints)
	}
	if kinds := reportKinds(t, report); len(kinds) > 1 || len(kinds) == 1 && kinds["difference"] == 0 {
		t.Errorf("report: %v", kinds)
	}

	files, _ := filepath.Glob(filepath.Join(dirs[0], "??", "??", "*"))
	var large []string // the others are summaries that Orthanc keeps beside the objects
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Size() > 32<<10 {
			large = append(large, f)
		}
	}
	if len(large) < 3 {
		t.Fatalf("%d large files of %d", len(large), len(files))
	}
	b, err := os.ReadFile(large[0])
	if err == nil {
		b[len(b)/2] ^= 0x10
		err = os.WriteFile(large[0], b, 0o600)
	}
	if err == nil {
		err = os.Remove(large[1])
	}
	stray := filepath.Join(filepath.Dir(large[2]), filepath.Base(large[2])[:35]+"0")
	if filepath.Base(stray) == filepath.Base(large[2]) {
		stray = stray[:len(stray)-1] + "1"
	}
	if err == nil {
		err = os.WriteFile(stray, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	code, out, _ = command(t, "import", "--data", filepath.Join(home, "damaged"), "--orthanc", dirs[0], "--report", report)
	if code != 1 || !strings.Contains(out, fmt.Sprintf("stored\t%d\t", n-2)) || !strings.Contains(out, "missing\t1\t") || !strings.Contains(out, "damaged\t1\t") {
		t.Errorf("damaged: exit %d: %s", code, out)
	}
	kinds := reportKinds(t, report)
	if kinds["missing"] != 1 || kinds["damaged"] != 1 || kinds["unknown file"] != 1 || kinds["difference"] < 3 {
		t.Errorf("report: %v", kinds)
	}
}
