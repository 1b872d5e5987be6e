package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// smallDisk mounts a file system of the size, for root only.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, options); err != nil {
		testkit.Missing(t, "the right to mount a small disk")
	}
	t.Cleanup(func() {
		for range 100 { // the server's last files may close a moment after it ended
			if err := unix.Unmount(dir, 0); !errors.Is(err, syscall.EBUSY) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	})
	return dir
}

// fill takes all space but left bytes, and returns the file to delete.
func fill(t *testing.T, disk string, left int64) string {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(disk, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := int64(st.Bavail)*st.Bsize - left; n > 0 {
		if err := unix.Fallocate(int(f.Fd()), 0, 0, n); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// TestFullDisk sends until the disk is full. Senders are told so (A700, 507), what was
// acknowledged is kept, deleting still works, and space that returns is used.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "size=192m")
	s := startOn(t, filepath.Join(disk, "data"))
	var acknowledged []object
	keep := func(o object) { acknowledged = append(acknowledged, o) }

	// By C-STORE until it is full.
	w, err := dialWire(s.dimse, ctStorage, explicitLE, 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer w.conn.Close()
	full := false
	for i := 0; i < 500 && !full; i++ {
		o := slice(1, 1, i).object()
		switch rsp, err := w.store(o.SOPInstanceUID, o.dataset()); {
		case err != nil:
			t.Fatalf("instance %d: %v", i, err)
		case rsp.status == 0:
			keep(o)
		case rsp.status == 0xA700:
			full = true
		default:
			t.Fatalf("instance %d: %v, want A700", i, rsp)
		}
	}
	if !full || len(acknowledged) < 100 {
		t.Fatalf("full %v after %d instances", full, len(acknowledged))
	}
	t.Logf("full after %d instances of 526 kB on 192 MiB", len(acknowledged))
	// What others take on the same disk must not break us either.
	filler := fill(t, disk, 0)
	for i := range 3 {
		o := slice(1, 2, i).object()
		if rsp, err := w.store(o.SOPInstanceUID, o.dataset()); err != nil || rsp.status != 0xA700 {
			t.Errorf("on a full disk: %v %v, want A700", rsp, err)
		}
		answer := s.stow(t, slice(1, 3, i).object())
		if answer.status != http.StatusInsufficientStorage || len(answer.stored) != 0 {
			t.Errorf("STOW on a full disk: status %d, want 507: %s", answer.status, tail(answer.body, 300))
		}
	}
	check := func(when string) {
		t.Helper()
		there := s.study(t, uidOf(1, 1))
		if len(there) != len(acknowledged) {
			t.Errorf("%s: %d instances, want the %d that were acknowledged", when, len(there), len(acknowledged))
		}
		for _, o := range acknowledged {
			o.same(t, "WADO "+when, there[o.SOPInstanceUID])
		}
		if found := s.uids(t, 1); len(found) != len(acknowledged) {
			t.Errorf("%s: %d instances are found, want %d", when, len(found), len(acknowledged))
		}
	}
	check("on the full disk")

	// It starts on a full disk, too.
	_ = w.release()
	s.stop(t)
	s.run(t)
	check("after a restart on the full disk")

	// Space returns: on the same server, without a word to it.
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	gone := acknowledged[:20]
	acknowledged = acknowledged[20:]
	for _, o := range gone {
		status, _, body := s.request(t, http.MethodDelete, "/studies/"+o.StudyInstanceUID+"/series/"+uidOf(1, 1, 1)+"/instances/"+o.SOPInstanceUID, nil)
		if status/100 != 2 {
			t.Fatalf("DELETE: status %d: %s", status, tail(string(body), 300))
		}
	}
	var rsp storeRSP
	again := slice(1, 1, 1000).object()
	for deadline := time.Now().Add(30 * time.Second); ; { // what was deleted is erased behind the answer
		if rsp = s.cstore(t, again); rsp.status != 0xA700 || time.Now().After(deadline) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if rsp.status != 0 {
		t.Fatalf("space returned, and C-STORE says %v", rsp)
	}
	keep(again)
	check("after space returned")
	s.stop(t)
	s.fsck(t)
}
