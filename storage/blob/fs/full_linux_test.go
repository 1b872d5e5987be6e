package fs_test

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
)

// A real disk of 12 MiB is filled, everything acknowledged stays whole, and it goes on as soon
// as something is erased.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small disk")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s := open(t, fs.Config{Dir: dir, Reserve: 1 << 20})

	put := func(i int) (blob.Record, error) {
		w, err := s.Create(t.Context(), tenant)
		if err != nil {
			return blob.Record{}, err
		}
		defer w.Abort()
		if _, err := w.Write(blobtest.Content(uint64(i), 1<<20)); err != nil {
			return blob.Record{}, err
		}
		return w.Commit(t.Context())
	}
	var rs []blob.Record
	for i := 0; ; i++ {
		r, err := put(i)
		if err != nil {
			if !errs.Is(err, errs.Exhausted) {
				t.Fatalf("error %v, want exhausted", err)
			}
			break
		}
		if rs = append(rs, r); i > 20 {
			t.Fatal("the disk does not fill up")
		}
	}
	if len(rs) < 9 {
		t.Errorf("only %d MiB of 12 were used", len(rs))
	}
	if err := os.WriteFile(dir+"/index", make([]byte, 512<<10), 0o600); err != nil {
		t.Errorf("nothing was left for the index: %v", err)
	}
	for range 3 {
		if _, err := put(0); !errs.Is(err, errs.Exhausted) {
			t.Errorf("error %v, want exhausted", err)
		}
	}
	if err := s.Erase(t.Context(), rs[2].Location, rs[3].Location); err != nil {
		t.Fatal(err)
	}
	r, err := put(50)
	if err != nil {
		t.Fatalf("after an erasure: %v", err)
	}
	if !bytes.Equal(blobtest.Get(t, s, r.Location), blobtest.Content(50, 1<<20)) {
		t.Error("content differs")
	}
	for i, r := range rs {
		if i != 2 && i != 3 && !bytes.Equal(blobtest.Get(t, s, r.Location), blobtest.Content(uint64(i), 1<<20)) {
			t.Errorf("record %d differs", i)
		}
	}
}
