package e2e

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestLostIndexLog takes away what a power cut may take and kill -9 cannot: the part of the
// index's log that was never synchronised. A store synchronises its object and not the index, so
// that all of the log since a clean start may go; what was acknowledged is there again.
func TestLostIndexLog(t *testing.T) {
	t.Parallel()
	s := start(t)
	const total, gone = 60, 20
	for round := range 3 {
		var objects []object
		for i := range total {
			objects = append(objects, ct(round, 1, i).object())
			if rsp := s.cstore(t, objects[i]); rsp.status != 0 {
				t.Fatal(rsp)
			}
		}
		s.kill(t)
		log := filepath.Join(s.data, "index.sqlite-wal")
		// Were the log so long that it is being copied into the index, taking it would take more
		// than a power cut can.
		if st, err := os.Stat(log); err != nil || st.Size() > 6<<20 {
			t.Fatalf("the index's log: %v, %v", st, err)
		}
		for _, path := range []string{log, filepath.Join(s.data, "index.sqlite-shm")} {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		s.run(t)
		s.has(t, round, objects, nil)

		// A deletion synchronises the index: it survives as it is.
		for i, o := range objects[:gone] {
			path := "/studies/" + o.StudyInstanceUID + "/series/" + uidOf(round, 1, 1) + "/instances/" + o.SOPInstanceUID
			if status, _, body := s.request(t, http.MethodDelete, path, nil); status/100 != 2 {
				t.Fatalf("DELETE %d: status %d: %s", i, status, tail(string(body), 300))
			}
		}
		s.kill(t)
		s.run(t)
		s.has(t, round, objects[gone:], objects[:gone])
		s.stop(t)
		s.fsck(t)
		s.run(t)
	}
}

// has demands that a patient's instances are there, and no other.
func (s *server) has(t *testing.T, patient int, there, gone []object) {
	t.Helper()
	files, found := s.study(t, uidOf(patient, 1)), s.uids(t, patient)
	for _, o := range there {
		if file, ok := files[o.SOPInstanceUID]; !ok || !found[o.SOPInstanceUID] {
			t.Errorf("%s was acknowledged; retrieved %v, found %v", o.name, ok, found[o.SOPInstanceUID])
		} else {
			o.same(t, "WADO", file)
		}
	}
	for _, o := range gone {
		if _, ok := files[o.SOPInstanceUID]; ok || found[o.SOPInstanceUID] {
			t.Errorf("%s was deleted and is back", o.name)
		}
	}
}

// TestSyncedBeforeReply watches the server's system calls: no success is said, to a C-STORE, a
// STOW or a DELETE, before the file it stands on was synchronised since the request before.
func TestSyncedBeforeReply(t *testing.T) {
	t.Parallel()
	strace := testkit.Tool(t, "strace")
	trace := filepath.Join(t.TempDir(), "trace")
	s := &server{dimse: freePort(t), http: freePort(t), data: t.TempDir(), log: &syncBuffer{}, exited: make(chan struct{})}
	s.cmd = exec.Command(strace, "-f", "-yy", "-s", "64", "-o", trace, "-e", "trace=fsync,fdatasync,write,writev,sendto",
		built(t), "serve", "--data", s.data, "--dimse", s.dimse, "--http", s.http)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.cmd.Wait(); close(s.exited) }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.exited })
	for deadline := time.Now().Add(time.Minute); !s.answers(); time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.exited:
			testkit.Missing(t, "the right to trace a process")
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the traced server does not answer")
		}
	}
	const each = 10
	w, err := dialWire(s.dimse, ctStorage, explicitLE, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for i := range each {
		o := ct(1, 1, i).object()
		if rsp, err := w.store(o.SOPInstanceUID, o.dataset()); err != nil || rsp.status != 0 {
			t.Fatal(rsp, err)
		}
	}
	_ = w.release()
	for i := range each {
		if answer := s.stow(t, ct(1, 2, i).object()); answer.status != http.StatusOK {
			t.Fatalf("status %d: %s", answer.status, tail(answer.body, 300))
		}
	}
	for i := range each {
		path := "/studies/" + uidOf(1, 2) + "/series/" + uidOf(1, 2, 1) + "/instances/" + uidOf(1, 2, 1, i)
		if status, _, _ := s.request(t, http.MethodDelete, path, nil); status/100 != 2 {
			t.Fatalf("DELETE: status %d", status)
		}
	}
	s.stopTraced(t)
	replies := checkTrace(t, trace, s)
	if replies["C-STORE"] != each || replies["STOW"] != each || replies["DELETE"] != each {
		t.Errorf("replies seen in the trace: %v, want %d each", replies, each)
	}
}

// stopTraced ends the traced process; strace ends with it.
func (s *server) stopTraced(t *testing.T) {
	t.Helper()
	children, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/task/" + strconv.Itoa(s.cmd.Process.Pid) + "/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	<-s.exited
}

var (
	syncCall  = regexp.MustCompile(`(?:fsync|fdatasync)\(\d+<([^>]*)>\) += 0`)
	syncBegun = regexp.MustCompile(`(\d+) +(?:fsync|fdatasync)\(\d+<([^>]*)> <unfinished`)
	syncDone  = regexp.MustCompile(`(\d+) +<\.\.\. (?:fsync|fdatasync) resumed>\) += 0`)
	reply     = regexp.MustCompile(`(?:write|writev|sendto)\(\d+<TCP:\[([^\]]*)->[^\]]*\]>, (.*)`)
)

// checkTrace returns how many successes were said, and reports those that came too early.
func checkTrace(t *testing.T, trace string, s *server) map[string]int {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	replies := map[string]int{}
	var synced []string // since the reply before
	begun := map[string]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := syncCall.FindStringSubmatch(line); m != nil {
			synced = append(synced, strings.TrimPrefix(m[1], s.data))
			continue
		}
		if m := syncBegun.FindStringSubmatch(line); m != nil {
			begun[m[1]] = m[2]
			continue
		}
		if m := syncDone.FindStringSubmatch(line); m != nil {
			synced = append(synced, strings.TrimPrefix(begun[m[1]], s.data))
			continue
		}
		m := reply.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		kind := ""
		switch sent := m[2]; {
		case m[1] == s.dimse && strings.HasPrefix(sent, `"\4\0`): // P-DATA-TF
			kind = "C-STORE"
		case m[1] == s.http && strings.Contains(sent, "HTTP/1.1 204"):
			kind = "DELETE"
		case m[1] == s.http && strings.Contains(sent, "HTTP/1.1 200 OK"):
			kind = "STOW"
		}
		if kind == "" || kind == "STOW" && replies["C-STORE"] == 0 { // a question for its health
			continue
		}
		replies[kind]++
		if len(synced) == 0 {
			t.Errorf("%s %d: nothing was synchronised before the reply", kind, replies[kind])
		} else if kind != "DELETE" && !strings.Contains(strings.Join(synced, " "), "/packs/") {
			t.Errorf("%s %d: synchronised %v, no object among them", kind, replies[kind], synced)
		}
		synced = nil
	}
	return replies
}
