package e2e

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestSameUIDAgain stores an instance twice, and then other bytes under its UID, by both doors.
func TestSameUIDAgain(t *testing.T) {
	t.Parallel()
	first := ct(1, 1, 1).object()
	m := ct(1, 1, 1)
	m.PatientName = "Somebody^Else"
	other := m.object()
	t.Run("keep-first", func(t *testing.T) {
		t.Parallel()
		s := start(t)
		for range 2 { // the same bytes are a success and change nothing
			if rsp := s.cstore(t, first); rsp.status != 0 {
				t.Errorf("C-STORE: %v", rsp)
			}
			if answer := s.stow(t, first); answer.status != http.StatusOK || !answer.stored[first.SOPInstanceUID] {
				t.Errorf("STOW: status %d: %s", answer.status, answer.body)
			}
		}
		if rsp := s.cstore(t, other); rsp.status != 0x0111 {
			t.Errorf("C-STORE of other bytes: %v, want 0111", rsp)
		}
		answer := s.stow(t, other)
		if answer.status != http.StatusConflict || answer.failed[other.SOPInstanceUID] != 0x0111 {
			t.Errorf("STOW of other bytes: status %d, reason %04X, want 409 and 0111", answer.status, answer.failed[other.SOPInstanceUID])
		}
		// One good and one refused part: accepted in part.
		fresh := ct(1, 1, 2).object()
		answer = s.stow(t, other, fresh)
		if answer.status != http.StatusAccepted || !answer.stored[fresh.SOPInstanceUID] || answer.failed[other.SOPInstanceUID] != 0x0111 {
			t.Errorf("STOW of both: status %d: %s", answer.status, answer.body)
		}
		s.holds(t, []object{first, fresh})
		s.stop(t)
		s.fsck(t)
	})
	t.Run("replace", func(t *testing.T) {
		t.Parallel()
		s := start(t, "--duplicates", "replace")
		for _, o := range []object{first, other, first, other} {
			if rsp := s.cstore(t, o); rsp.status != 0 {
				t.Errorf("C-STORE: %v", rsp)
			}
			s.holds(t, []object{o})
			if found := s.search(t, "/instances?limit=10"); len(found) != 1 {
				t.Errorf("%d instances", len(found))
			}
		}
		if found := s.search(t, "/studies?PatientName=Somebody%5EElse"); len(found) != 1 {
			t.Errorf("the new name finds %d studies", len(found))
		}
		if found := s.search(t, "/studies?PatientName=E2E*"); len(found) != 0 {
			t.Errorf("the old name finds %d studies", len(found))
		}
		s.stop(t)
		s.fsck(t)
	})
}

// TestDeletedBytesAreGone looks for what was deleted in every file of the data directory: while
// the server runs, and after it ended. Its UIDs stay: the change feed says what was deleted.
func TestDeletedBytesAreGone(t *testing.T) {
	t.Parallel()
	s := start(t)
	m := slice(1, 1, 1)
	m.PatientName = "Vanishing^Patient"
	gone := m.object()
	stay := slice(2, 1, 1).object()
	for _, o := range []object{stay, gone, slice(2, 1, 2).object()} {
		if rsp := s.cstore(t, o); rsp.status != 0 {
			t.Fatal(rsp)
		}
	}
	secrets := map[string][]byte{"name": []byte("Vanishing^Patient"), "pixels": pixels(gone)}
	for what, secret := range secrets {
		if onDisk(t, s.data, secret) == "" {
			t.Errorf("%s is nowhere on the disk: the test looks wrongly", what)
		}
	}
	if status, _, _ := s.request(t, http.MethodDelete, "/studies/"+gone.StudyInstanceUID, nil); status/100 != 2 {
		t.Fatalf("DELETE: status %d", status)
	}
	for what, secret := range secrets {
		where := ""
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) { // erased behind the answer
			if where = onDisk(t, s.data, secret); where == "" || time.Now().After(deadline) {
				break
			}
		}
		if where != "" {
			t.Errorf("the %s is still in %s", what, where)
		}
	}
	s.stop(t)
	for what, secret := range secrets {
		if where := onDisk(t, s.data, secret); where != "" {
			t.Errorf("after the end the %s is in %s", what, where)
		}
	}
	s.fsck(t)
	s.run(t)
	s.holds(t, []object{stay})
}

// onDisk returns a file that contains the bytes.
func onDisk(t *testing.T, dir string, secret []byte) (where string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || where != "" {
			return nil
		}
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, secret) {
			where = path
		}
		return nil
	})
	return where
}

// TestShutdownDrains ends the server as a service manager does while four senders are busy. It
// ends in order and soon; what it acknowledged is there when it starts again.
func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	s := start(t)
	const most = 4
	var n atomic.Int32
	enough := make(chan struct{})
	acknowledged := make([][]object, most)
	var group sync.WaitGroup
	for sender := range most {
		group.Go(func() {
			w, err := dialWire(s.dimse, ctStorage, explicitLE, time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.conn.Close()
			for i := range 2000 {
				o := ct(1, 1, sender*10_000+i).object()
				rsp, err := w.store(o.SOPInstanceUID, o.dataset())
				if err != nil {
					return // the association ended
				}
				if rsp.status == 0 {
					acknowledged[sender] = append(acknowledged[sender], o)
				}
				if n.Add(1) == 200 {
					close(enough)
				}
			}
		})
	}
	<-enough
	began := time.Now()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.exited
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v to end", took)
	}
	group.Wait()
	s.fsck(t)
	s.run(t)
	there, found := s.study(t, uidOf(1, 1)), s.uids(t, 1)
	for _, objects := range acknowledged {
		for _, o := range objects {
			if file, ok := there[o.SOPInstanceUID]; !ok || !found[o.SOPInstanceUID] || !o.same(t, "WADO", file) {
				t.Errorf("%s was acknowledged and is lost", o.name)
			}
		}
	}
}
