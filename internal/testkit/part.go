package testkit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sharedInstance is the one instance of each part that all tests of the machine use. It is left
// running, so that the next package finds it; `make parts-stop` ends it.
const sharedInstance = "aurelius-test"

// Part returns the URL of a peer service (postgres, minio, redis, kafka: a script in the shared
// folder's parts), starting it when no test has yet. Tests share it: each makes a database,
// bucket or topic of its own and takes it away again.
func Part(t testing.TB, name string) string {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "aurelius-part-"+name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() // and with it the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	p := &OwnPart{t: t, script: script(t, name), instance: sharedInstance}
	p.start()
	return p.URL
}

// OwnPart is a peer service that belongs to one test, which may kill it.
type OwnPart struct {
	URL string
	PID int

	t        testing.TB
	script   string
	instance string
	env      []string
}

// NewPart starts an instance for this test alone and cleans it away at the end. Env adds
// variables, PG_DURABLE=1 for example.
func NewPart(t testing.TB, name string, env ...string) *OwnPart {
	t.Helper()
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	p := &OwnPart{t: t, script: script(t, name), instance: "test-" + hex.EncodeToString(b[:]), env: env}
	t.Cleanup(func() { _, _ = p.run("clean") })
	p.start()
	return p
}

// Kill ends it as kill -9 of all its processes does; those of PostgreSQL have sessions of their
// own, so they are found by their parents.
func (p *OwnPart) Kill() {
	p.t.Helper()
	all := append([]int{p.PID}, children(p.PID)...)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL) // one that has just ended by itself is no error
	}
	for _, pid := range all {
		for alive(pid) {
			time.Sleep(5 * time.Millisecond) // until the kernel has taken it away
		}
	}
	// Where nobody reaps orphans PostgreSQL would take its own remains for another one running.
	home := os.Getenv("PARTS_HOME")
	if home == "" {
		home = filepath.Join(os.Getenv("HOME"), ".cache", "parts") // as the script has it
	}
	_ = os.Remove(filepath.Join(home, "run", filepath.Base(p.script)+"."+p.instance, "data", "postmaster.pid"))
}

// Stop ends it in its own way; what it keeps stays.
func (p *OwnPart) Stop() {
	p.t.Helper()
	if _, err := p.run("stop"); err != nil {
		p.t.Fatalf("stop %s: %v", filepath.Base(p.script), err)
	}
}

// alive is false for a zombie too: where nobody reaps orphans they stay for ever. While threads
// of it are still ending, though, its ports and files are still open.
func alive(pid int) bool {
	proc := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(proc + "/stat")
	_, state, found := strings.Cut(string(stat), ") ")
	if err != nil || !found {
		return false
	}
	threads, _ := os.ReadDir(proc + "/task")
	return !strings.HasPrefix(state, "Z") || len(threads) > 1
}

// children lists the processes below pid.
func children(pid int) []int {
	var out []int
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				out = append(append(out, child), children(child)...)
			}
		}
	}
	return out
}

// Restart starts it again on the data it had, at the same address.
func (p *OwnPart) Restart() {
	p.t.Helper()
	at := p.URL[strings.LastIndex(strings.TrimSuffix(p.URL, "/"), ":")+1:]
	port := strings.IndexFunc(at, func(r rune) bool { return r < '0' || r > '9' })
	if port >= 0 {
		at = at[:port]
	}
	p.env = append(p.env, "PORT="+at)
	p.start()
}

func (p *OwnPart) start() {
	p.t.Helper()
	out, err := p.run("start")
	fields := strings.Fields(out)
	if err != nil || len(fields) < 2 {
		p.t.Fatalf("start %s: %v", filepath.Base(p.script), err)
	}
	p.URL = fields[0]
	for _, f := range fields[1:] { // some parts name more addresses before it
		if pid, ok := strings.CutPrefix(f, "pid="); ok {
			p.PID, _ = strconv.Atoi(pid)
		}
	}
}

// run calls the part's script. Exit code 3 means that something it needs is not installed.
func (p *OwnPart) run(verb string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute) // a first build is long
	defer cancel()
	cmd := exec.CommandContext(ctx, p.script, verb)
	cmd.Env = append(append(os.Environ(), "INSTANCE="+p.instance), p.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 3 {
		Missing(p.t, strings.TrimSpace(stderr.String()))
	}
	if err != nil {
		p.t.Logf("%s", stderr.Bytes())
	}
	return string(out), err
}

func script(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(Shared(t), "parts", name)
}
