// Package e2e runs whole journeys: the built binary as a process, real peers on real sockets.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// server is one run of bin/aurelius on ports of its own.
type server struct {
	dimse, http string // HOST:PORT
	data        string
	args        []string
	program     string // instead of bin/aurelius
	cmd         *exec.Cmd
	log         *syncBuffer
	exited      chan struct{}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func built(t testing.TB) string {
	t.Helper()
	path := filepath.Join(testkit.Root(), "bin", "aurelius")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not built: run `make build` (make e2e does)", path)
	}
	return path
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a server on a fresh data directory until the test ends.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	return startOn(t, t.TempDir(), args...)
}

func startOn(t testing.TB, data string, args ...string) *server {
	t.Helper()
	s := &server{dimse: freePort(t), http: freePort(t), data: data, args: args}
	s.run(t)
	t.Cleanup(func() {
		s.stop(t)
		if t.Failed() {
			t.Logf("server log:\n%s", tail(s.log.String(), 4000))
		}
	})
	return s
}

func tail(s string, n int) string {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}

// run starts the process and waits until both doors answer.
func (s *server) run(t testing.TB) {
	t.Helper()
	s.log = &syncBuffer{}
	args := append([]string{"serve", "--data", s.data, "--dimse", s.dimse, "--http", s.http}, s.args...)
	program := s.program
	if program == "" {
		program = built(t)
	}
	s.cmd = exec.Command(program, args...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) { _ = cmd.Wait(); close(done) }(s.cmd, s.exited)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		if s.answers() {
			return
		}
		select {
		case <-s.exited:
			t.Fatalf("server ended at once:\n%s", tail(s.log.String(), 4000))
		case <-ctx.Done():
			t.Fatalf("server does not answer:\n%s", tail(s.log.String(), 4000))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *server) answers() bool {
	response, err := http.Get("http://" + s.http + "/health")
	if err != nil {
		return false
	}
	response.Body.Close()
	conn, err := net.Dial("tcp", s.dimse)
	if err != nil {
		return false
	}
	conn.Close()
	return response.StatusCode == http.StatusOK
}

// kill is kill -9.
func (s *server) kill(t testing.TB) {
	t.Helper()
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// stop ends the server as a service manager does, and demands a clean exit.
func (s *server) stop(t testing.TB) {
	t.Helper()
	select {
	case <-s.exited:
		return
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		if code := s.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("server exited with %d:\n%s", code, tail(s.log.String(), 4000))
		}
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
		t.Errorf("server did not stop within 30 s of SIGTERM")
	}
}

func (s *server) web(path string) string { return "http://" + s.http + "/dicom-web" + path }

func (s *server) port() (dimse string) {
	_, port, _ := net.SplitHostPort(s.dimse)
	return port
}

// get fetches a DICOMweb resource and returns status, headers and body.
func (s *server) get(t testing.TB, path string, header ...string) (int, http.Header, []byte) {
	t.Helper()
	return s.request(t, http.MethodGet, path, nil, header...)
}

func (s *server) request(t testing.TB, method, path string, body io.Reader, header ...string) (int, http.Header, []byte) {
	t.Helper()
	request, err := http.NewRequest(method, s.web(path), body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, b
}

// tool runs a peer's program and returns its output; a failure ends the test.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := try(t, name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, tail(out, 2000))
	}
	return out
}

func try(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	return runFor(t, 3*time.Minute, testkit.Tool(t, name), args...)
}

// runFor runs a program for a time at most.
func runFor(t testing.TB, most time.Duration, path string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "TCP_NODELAY=1")
	out, err := cmd.CombinedOutput()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%s hung", path)
	}
	return string(out), err
}
