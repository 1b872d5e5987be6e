package fs_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
)

const spareTestPack = 1 << 20

// spareFiles lists the spares on the disk.
func spareFiles(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "spare", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// burst stores n records of half a pack and fills the spares that are then due.
func burst(t testing.TB, s *fs.Store, n int) []blob.Record {
	t.Helper()
	var rs []blob.Record
	for i := range n {
		rs = append(rs, blobtest.Put(t, s, tenant, blobtest.Content(uint64(i), spareTestPack/2)))
	}
	if err := fs.Fill(s); err != nil {
		t.Fatal(err)
	}
	return rs
}

// As much as came is kept ready, within the limit, in blocks that are written.
func TestSpares(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{PackSize: spareTestPack, Step: 64 << 10, Spare: 3 * spareTestPack, Idle: time.Hour})
	if err := fs.Fill(s); err != nil || fs.Kept(s) != 0 {
		t.Fatalf("%d bytes kept before anything was stored (%v)", fs.Kept(s), err)
	}
	burst(t, s, 4)
	if got := len(spareFiles(t, fs.Dir(s))); got != 2 {
		t.Errorf("%d spares after two packs were filled, want 2", got)
	}
	burst(t, s, 8)
	files := spareFiles(t, fs.Dir(s))
	if len(files) != 3 {
		t.Errorf("%d spares after six packs were filled, want 3, the limit", len(files))
	}
	for _, f := range files {
		if blocks(t, f) < spareTestPack {
			t.Errorf("a spare of %d bytes on the disk, want %d", blocks(t, f), spareTestPack)
		}
	}
	r := blobtest.Put(t, s, tenant, blobtest.Content(99, 1000))
	if after := spareFiles(t, fs.Dir(s)); len(after) != 2 {
		t.Errorf("%d spares after a pack was begun, want 2", len(after))
	}
	if got := blocks(t, packFile(t, fs.Dir(s), r.Location)); got < spareTestPack {
		t.Errorf("the new pack has %d bytes on the disk, want those of the spare", got)
	}
}

// Zeros behind a resting pack stay when there is room for them, are used again, and are not taken
// for records after a crash.
func TestSpareTails(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{PackSize: spareTestPack, Step: 64 << 10, Spare: 2 * spareTestPack, Idle: time.Hour})
	burst(t, s, 4)
	made := len(spareFiles(t, fs.Dir(s)))
	first := blobtest.Put(t, s, tenant, blobtest.Content(98, 1000)) // in a spare
	if err := fs.Tidy(s); err != nil {
		t.Fatal(err)
	}
	path := packFile(t, fs.Dir(s), first.Location)
	if got := blocks(t, path); got < spareTestPack {
		t.Errorf("a resting pack kept %d bytes, want its tail", got)
	}
	if err := fs.Fill(s); err != nil {
		t.Fatal(err)
	}
	if n := len(spareFiles(t, fs.Dir(s))); n != made-1 {
		t.Errorf("%d spares beside a tail, want %d: a tail counts", n, made-1)
	}
	again, _ := crash(t, s, nil)
	if n := len(blobtest.Records(t, again, nil)); n != 5 {
		t.Errorf("%d records after a crash, want 5", n)
	}
	if n := len(spareFiles(t, fs.Dir(again))); n != 0 {
		t.Errorf("%d spares survive a crash, want none", n)
	}
	second := blobtest.Put(t, s, tenant, blobtest.Content(97, 1000))
	if second.Location.Object != first.Location.Object {
		t.Errorf("the tail was not used")
	}
	if err := fs.Rest(s); err != nil {
		t.Fatal(err)
	}
	if got := blocks(t, path); got > 64<<10 {
		t.Errorf("%d bytes stay with a pack that was cut", got)
	}
}

// On a full disk a record goes before what was kept ready.
func TestSparesGiveWay(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{PackSize: spareTestPack, Step: 64 << 10, Spare: 2 * spareTestPack, Idle: time.Hour})
	burst(t, s, 4)
	if fs.Kept(s) == 0 {
		t.Fatal("nothing is kept ready")
	}
	full := true
	fs.SetAllocate(s, func(*os.File, int64, int64) error {
		if full && len(spareFiles(t, fs.Dir(s))) > 0 {
			return syscall.ENOSPC
		}
		full = false
		return nil
	})
	defer fs.SetAllocate(s, nil)
	blobtest.Put(t, s, tenant, blobtest.Content(1, 3*spareTestPack)) // more than its pack holds
	if full || len(spareFiles(t, fs.Dir(s))) != 0 {
		t.Errorf("%d spares are left on a full disk", len(spareFiles(t, fs.Dir(s))))
	}
}
