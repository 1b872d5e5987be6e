package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestKillImport kills an import at a random moment and runs it again until one comes to its end:
// every instance is there then, once, and the last run did not read again what the journal had.
func TestKillImport(t *testing.T) {
	t.Parallel()
	const n = 1500
	from, data := t.TempDir(), t.TempDir()
	b, err := os.ReadFile(testkit.Testdata("first", "1.dcm"))
	if err != nil {
		t.Fatal(err)
	}
	const sop = "2.25.311111111111111111111111111111111111.1.1.1"
	for i := range n {
		other := fmt.Sprintf("%s%06d", sop[:len(sop)-6], 100000+i)
		if err := os.WriteFile(filepath.Join(from, fmt.Sprint(i)), bytes.ReplaceAll(b, []byte(sop), []byte(other)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range rounds(t) {
		killed := command(t, "import", "--data", data, from)
		if err := killed.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = killed.Wait(); close(ended) }()
		select {
		case <-time.After(time.Duration(20+rand.IntN(250)) * time.Millisecond): // a moment, not a signal
		case <-ended:
		}
		_ = killed.Process.Kill()
		<-ended // and with it the lock of the directory
	}
	known := journalled(t, data)
	var out, complaints bytes.Buffer
	last := command(t, "import", "--data", data, from)
	last.Stdout, last.Stderr = &out, &complaints
	if err := last.Run(); err != nil {
		t.Fatalf("the last run: %v\n%s%s", err, out.String(), complaints.String())
	}
	sum := 0
	for line := range strings.Lines(out.String()) {
		fields := strings.Split(line, "\t")
		var count int
		fmt.Sscan(fields[1], &count)
		sum += count
		if fields[0] == "before" && count != known {
			t.Errorf("%d were stored before, the journal had %d", count, known)
		}
	}
	if sum != n {
		t.Errorf("told of %d of %d:\n%s", sum, n, out.String())
	}
	t.Logf("%d known to the journal; %s", known, out.String())
	check, err := command(t, "fsck", "--data", data, "--verify").CombinedOutput()
	if err != nil || !strings.Contains(string(check), fmt.Sprintf("objects %d, rows %d, orphans 0", n, n)) {
		t.Errorf("fsck: %v\n%s", err, check)
	}
}

// journalled counts what the journal has.
func journalled(t *testing.T, data string) int {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(data, "import", "*.journal"))
	var size int64
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return int(size / 16)
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(built(t), args...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// TestImportBesideServer: the data directory is the server's, so the import goes through it.
func TestImportBesideServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	refused, err := command(t, "import", "--data", s.data, "--url", "http://127.0.0.1:1", testkit.Testdata("first")).CombinedOutput()
	if err == nil || !strings.Contains(string(refused), "does not answer") {
		t.Errorf("another address: %v\n%s", err, refused)
	}
	out, err := command(t, "import", "--data", s.data, "--url", "http://"+s.http, testkit.Testdata("first")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "stored\t5\t") {
		t.Errorf("%v\n%s", err, out)
	}
}
