package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// commands returns the blocks of commands in the README that are marked for the test.
func commands(t *testing.T, test string) []string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(testkit.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, b := range regexp.MustCompile("<!-- e2e: .* by "+test+" -->\n```sh\n(?s:(.*?))```").FindAllSubmatch(readme, -1) {
		blocks = append(blocks, string(b[1]))
	}
	if len(blocks) == 0 {
		t.Fatalf("README.md has no commands marked for %s", test)
	}
	return blocks
}

// TestReadme runs the README's commands as they are written, but for ports and paths.
func TestReadme(t *testing.T) {
	t.Parallel()
	s := start(t)
	out := t.TempDir()
	script := strings.NewReplacer("localhost:4242", s.dimse, "http://localhost:8042", "http://"+s.http,
		"/tmp/aurelius-", out+"/").Replace(strings.Join(commands(t, "TestReadme"), ""))
	cmd := exec.Command("bash", "-euxo", "pipefail", "-c", script)
	cmd.Dir = testkit.Root()
	// What the README leaves to defaults.
	cmd.Env = append(os.Environ(), "AURELIUS_DATA="+s.data, "AURELIUS_URL=http://"+s.http)
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	for _, want := range []string{"FIRST-1", "2.25.311111111111111111111111111111111111", "backup complete: 5 instances"} {
		if !strings.Contains(string(printed), want) {
			t.Errorf("the commands did not show %s:\n%s", want, printed)
		}
	}
	fetched, err := os.ReadDir(filepath.Join(out, "first"))
	if err != nil || len(fetched) != 5 {
		t.Errorf("%d files fetched, want 5: %v", len(fetched), err)
	}
	restored := startOn(t, filepath.Join(out, "restored"))
	if n := len(restored.search(t, "/instances?limit=10")); n != 5 {
		t.Errorf("%d instances restored, want 5", n)
	}
}

// TestReadmeGrow starts the README's nodes as they are written, but for ports and paths.
func TestReadmeGrow(t *testing.T) {
	database, objects := testkit.NewPart(t, "postgres"), testkit.NewPart(t, "minio")
	engines := strings.NewReplacer("postgres://aurelius:secret@localhost:5432/aurelius", database.URL,
		"http://localhost:9000", objects.URL)
	var nodes []*server
	for _, line := range strings.Split(strings.TrimSpace(commands(t, "TestReadmeGrow")[0]), "\n") {
		if settings, ok := strings.CutPrefix(line, "export "); ok {
			for _, s := range strings.Fields(settings) {
				name, value, _ := strings.Cut(s, "=")
				t.Setenv(name, value)
			}
			continue
		}
		args := strings.Fields(engines.Replace(line))
		var flags []string
		for i := 2; i+1 < len(args); i += 2 {
			if !slices.Contains([]string{"--data", "--dimse", "--http"}, args[i]) { // start has its own
				flags = append(flags, args[i], args[i+1])
			}
		}
		nodes = append(nodes, start(t, flags...))
	}
	if len(nodes) != 2 {
		t.Fatalf("the README starts %d nodes, want 2", len(nodes))
	}
	o := ct(1, 1, 1).object()
	if rsp := nodes[0].cstore(t, o); rsp.status != 0 {
		t.Fatalf("C-STORE: %v", rsp)
	}
	nodes[1].holds(t, []object{o})
}

// TestSettings: docs/API_CONTRACTS.md names every setting there is.
func TestSettings(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "API_CONTRACTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Settings\n")
	out, err := runFor(t, time.Minute, built(t), "serve", "--print-config")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if key, _, ok := strings.Cut(line, ":"); ok && !strings.Contains(table, "`"+key+"`") {
			t.Errorf("docs/API_CONTRACTS.md does not have the setting %s", key)
		}
	}
}

// TestDataModel: docs/DATA_MODEL.md names every table of both engines.
func TestDataModel(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "DATA_MODEL.md"))
	if err != nil {
		t.Fatal(err)
	}
	table, n := regexp.MustCompile(`CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(`), 0
	for _, dir := range []string{"storage", "platform"} {
		_ = filepath.WalkDir(filepath.Join(testkit.Root(), dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test"+string(filepath.Separator)) {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range table.FindAllSubmatch(text, -1) {
				n++
				if !strings.Contains(string(page), "`"+string(m[1])) {
					t.Errorf("docs/DATA_MODEL.md does not have the table %s of %s", m[1], path)
				}
			}
			return err
		})
	}
	if n < 30 {
		t.Errorf("%d tables found, want those of two engines", n)
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
