package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTrash: what is deleted is gone on every node, comes back byte for byte, and is purged for good.
func TestTrash(t *testing.T) {
	t.Parallel()
	c := newArchive(t, 2, "--trash", "1h")
	a, b := c.nodes[0], c.nodes[1]
	var objects []object
	for i := range 6 {
		o := slice(1, 1, i).object()
		if rsp := a.cstore(t, o); rsp.status != 0 {
			t.Fatalf("C-STORE: %v", rsp)
		}
		objects = append(objects, o)
	}
	other := ct(1, 2, 1).object()
	if rsp := b.cstore(t, other); rsp.status != 0 {
		t.Fatalf("C-STORE: %v", rsp)
	}
	study, series := "/studies/"+uidOf(1, 1), "/studies/"+uidOf(1, 1)+"/series/"+uidOf(1, 1, 1)
	c.gone(t, objects, 0)
	for _, s := range c.nodes { // in the caches of both
		if got := len(s.search(t, series+"/metadata")); got != len(objects) {
			t.Errorf("metadata of %d instances", got)
		}
	}
	c.remove(t, a, study)
	c.gone(t, objects, len(objects))
	if status, _, _ := b.get(t, series+"/metadata"); status != http.StatusNotFound {
		t.Errorf("metadata of what was deleted: status %d", status)
	}

	if status, body := b.api(t, http.MethodPost, "/trash/"+uidOf(1, 1)+"/restore", ""); status != http.StatusOK {
		t.Fatalf("restore: status %d: %s", status, body)
	}
	c.gone(t, objects, 0)
	for _, s := range c.nodes {
		s.holds(t, append(objects, other))
		if got := len(s.search(t, series+"/metadata")); got != len(objects) {
			t.Errorf("metadata of %d instances after the restore", got)
		}
	}

	// One instance, and then for good.
	c.remove(t, b, series+"/instances/"+objects[0].SOPInstanceUID)
	c.gone(t, objects, 1)
	if status, body := a.api(t, http.MethodDelete, "/trash/"+uidOf(1, 1), ""); status != http.StatusNoContent {
		t.Fatalf("purge: status %d: %s", status, body)
	}
	for _, s := range c.nodes {
		if n := s.trashed(t); n != 0 {
			t.Errorf("%d in the trash after the purge", n)
		}
		if status, _ := s.api(t, http.MethodPost, "/trash/"+uidOf(1, 1)+"/restore", ""); status != http.StatusNotFound {
			t.Errorf("restore of what was purged: status %d", status)
		}
		s.holds(t, append(objects[1:], other))
		s.stop(t)
	}
	c.whole(t)
}

func (c *cluster) remove(t testing.TB, s *server, resource string) {
	t.Helper()
	if status, _, body := s.request(t, http.MethodDelete, resource, nil); status != http.StatusNoContent {
		t.Errorf("DELETE: status %d: %s", status, body)
	}
}

// gone demands of every node that the first n objects are in the trash and not found, and that
// the others are found.
func (c *cluster) gone(t testing.TB, objects []object, n int) {
	t.Helper()
	for _, s := range c.nodes {
		found := s.uids(t, 1)
		for i, o := range objects {
			status, _, _ := s.get(t, "/studies/"+uidOf(1, 1)+"/series/"+uidOf(1, 1, 1)+"/instances/"+o.SOPInstanceUID, "Accept", asStored)
			if is := i < n; found[o.SOPInstanceUID] == is || (status == http.StatusNotFound) != is || !is && status != http.StatusOK {
				t.Errorf("instance %d: deleted %v, found %v, WADO %d", i, is, found[o.SOPInstanceUID], status)
			}
		}
		if got := s.trashed(t); got != n {
			t.Errorf("%d instances in the trash, want %d", got, n)
		}
	}
}

// trashed counts the instances that the trash lists.
func (s *server) trashed(t testing.TB) (n int) {
	t.Helper()
	status, body := s.api(t, http.MethodGet, "/trash", "")
	var answer struct{ Studies []struct{ Instances int } }
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK {
		t.Errorf("GET /trash: status %d: %s", status, body)
	}
	for _, study := range answer.Studies {
		n += study.Instances
	}
	return n
}

// TestQuota: the sixth instance of five is refused by every node, until one is deleted.
func TestQuota(t *testing.T) {
	t.Parallel()
	c := newArchive(t, 2, "--quota-instances", "5")
	a, b := c.nodes[0], c.nodes[1]
	for i := range 5 {
		if rsp := a.cstore(t, ct(1, 1, i).object()); rsp.status != 0 {
			t.Fatalf("instance %d: %v", i, rsp)
		}
	}
	sixth := ct(1, 1, 5).object()
	for _, s := range c.nodes {
		if rsp := s.cstore(t, sixth); rsp.status != 0xA700 {
			t.Errorf("C-STORE: %v, want A700", rsp)
		}
		if answer := s.stow(t, sixth); answer.status != http.StatusInsufficientStorage {
			t.Errorf("STOW: status %d, want 507: %s", answer.status, answer.body)
		}
	}
	c.remove(t, b, "/studies/"+uidOf(1, 1)+"/series/"+uidOf(1, 1, 1)+"/instances/"+ct(1, 1, 0).uid())
	if answer := b.stow(t, sixth); answer.status != http.StatusOK {
		t.Errorf("STOW after a deletion: status %d: %s", answer.status, answer.body)
	}
	if rsp := a.cstore(t, ct(1, 1, 6).object()); rsp.status != 0xA700 {
		t.Errorf("C-STORE after the place was taken: %v, want A700", rsp)
	}
	if found := b.uids(t, 1); len(found) != 5 || !found[sixth.SOPInstanceUID] {
		t.Errorf("%d instances", len(found))
	}
}

// TestLowWater: objects are refused while there is still room on the disk, and taken again when
// there is more, without a word to the server.
func TestLowWater(t *testing.T) {
	t.Parallel()
	const low = 64 << 20
	disk := smallDisk(t, "size=192m")
	s := startOn(t, filepath.Join(disk, "data"), "--low-water", strconv.Itoa(low))
	n := 0
	next := func() (object, storeRSP) {
		n++
		o := ct(1, 1, n).object()
		return o, s.cstore(t, o)
	}
	until := func(status uint16) object { // the disk is measured now and then
		for deadline := time.Now().Add(eventually); ; {
			o, rsp := next()
			if rsp.status == status {
				return o
			}
			if rsp.status != 0 && rsp.status != 0xA700 || time.Now().After(deadline) {
				t.Fatalf("with %d bytes free: %v, want %04X", freeOn(t, disk), rsp, status)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	first := until(0)
	filler := fill(t, disk, low*3/4)
	refused := until(0xA700)
	if free := freeOn(t, disk); free < low/2 { // the engine's own reserve
		t.Errorf("refused with %d bytes free, and not for the mark", free)
	}
	if answer := s.stow(t, refused); answer.status != http.StatusInsufficientStorage {
		t.Errorf("STOW: status %d, want 507", answer.status)
	}
	s.holds(t, []object{first})
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	again := until(0)
	s.holds(t, []object{first, again})
	s.stop(t)
	s.fsck(t)
}

func freeOn(t testing.TB, disk string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * st.Bsize
}
