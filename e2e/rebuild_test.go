package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRebuildFromBucket loses the database: the index is made anew from the objects alone. What
// was there is found, byte for byte, and what was deleted stays deleted.
func TestRebuildFromBucket(t *testing.T) {
	t.Parallel()
	c := newArchive(t, 2)
	var live []object
	deleted := map[string]bool{}
	for i := range 30 {
		m := slice(1, i%3, i)
		m.series = 1 + i%2
		o := m.object()
		s := c.nodes[i%2]
		if rsp := s.cstore(t, o); rsp.status != 0 {
			t.Fatalf("C-STORE: %v", rsp)
		}
		if i%5 == 4 {
			resource, _ := s.find(t, o.SOPInstanceUID)
			c.remove(t, c.nodes[1-i%2], resource)
			deleted[o.SOPInstanceUID] = true
			continue
		}
		live = append(live, o)
	}
	replaced := live[0] // deleted, and stored once more
	resource, _ := c.nodes[0].find(t, replaced.SOPInstanceUID)
	c.remove(t, c.nodes[0], resource)
	if rsp := c.nodes[1].cstore(t, replaced); rsp.status != 0 {
		t.Fatalf("C-STORE after a deletion: %v", rsp)
	}
	for _, s := range c.nodes {
		s.stop(t)
	}

	// Into the database in use it does not go.
	rebuild := func(flags []string) (string, error) {
		return runFor(t, 2*time.Minute, built(t), append([]string{"fsck", "--rebuild", "--verify", "--data", t.TempDir()}, flags[:10]...)...)
	}
	if out, err := rebuild(c.flags); err == nil || !strings.Contains(out, "new database") {
		t.Errorf("rebuilt into a database in use: %v\n%s", err, out)
	}
	fresh := append([]string{"--database", database(t)}, c.flags[2:]...)
	out, err := rebuild(fresh)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if want := fmt.Sprintf("objects %d, rows %d, orphans 0", len(live), len(live)); !strings.Contains(out, want) {
		t.Errorf("%s\nwant %s", out, want)
	}
	c = &cluster{flags: fresh, nodes: []*server{start(t, fresh...), start(t, fresh...)}}
	for _, s := range c.nodes {
		s.holds(t, live)
		found := s.uids(t, 1)
		if len(found) != len(live) {
			t.Errorf("%d instances are found, want %d", len(found), len(live))
		}
		for uid := range deleted {
			if found[uid] {
				t.Error("a deleted instance is back")
			}
		}
	}
	// It goes on as any other.
	o := slice(1, 1, 100).object()
	if rsp := c.nodes[0].cstore(t, o); rsp.status != 0 {
		t.Errorf("C-STORE: %v", rsp)
	}
	c.nodes[1].holds(t, []object{o})
}

// TestImportIntoNodes imports beside two running nodes: straight into the engines, and through
// one of them.
func TestImportIntoNodes(t *testing.T) {
	t.Parallel()
	c := newArchive(t, 2)
	folder := func(patient int) (dir string, objects []object) {
		dir = t.TempDir()
		for i := range 40 {
			o := ct(patient, i%3, i).object()
			objects = append(objects, o)
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), o.file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir, objects
	}
	for i, how := range [][]string{c.flags, {"--url", "http://" + c.nodes[0].http}} {
		again := []string{"identical", "stored"}[i] // a server does not say which it is
		dir, objects := folder(i)
		args := append([]string{"import", "--data", t.TempDir()}, how...)
		for _, want := range []string{"stored\t40\t", again + "\t40\t"} {
			out, err := command(t, append(args, "--no-resume", dir)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v: %v\n%s\nwant %q", how[:1], err, out, want)
			}
		}
		for _, s := range c.nodes {
			if found := s.uids(t, i); len(found) != len(objects) {
				t.Errorf("%v: %d instances are found, want %d", how[:1], len(found), len(objects))
			}
			s.holds(t, objects)
		}
	}
	for _, s := range c.nodes {
		s.stop(t)
	}
	c.whole(t)
}

// TestBackupUnderLoad backs a directory up while the server receives and deletes. A server on
// what is restored has all that was acknowledged before, and nothing that was deleted before.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t)
	to := filepath.Join(t.TempDir(), "backup")
	c := &cluster{nodes: []*server{s, s}}
	load := c.load(t, 0)
	gone := map[string]bool{}
	for round := range 2 {
		load.goesOn(t)
		for i := 0; len(gone) < 10*(round+1); i++ { // of those that no sender sends any more
			uid := mixedUID(0, i)
			if gone[uid] || !load.acknowledged[i].Load() {
				continue
			}
			resource, _ := s.find(t, uid)
			c.remove(t, s, resource)
			gone[uid] = true
		}
		before := map[int]bool{}
		for i := range load.acknowledged {
			if load.acknowledged[i].Load() && !gone[mixedUID(0, i)] {
				before[i] = true
			}
		}
		if out, err := runFor(t, 2*time.Minute, built(t), "backup", "--data", s.data, to); err != nil {
			t.Fatalf("backup: %v\n%s", err, out)
		}
		load.goesOn(t)
		data := filepath.Join(t.TempDir(), "restored")
		if out, err := runFor(t, 2*time.Minute, built(t), "restore", "--data", data, to); err != nil {
			t.Fatalf("restore: %v\n%s", err, out)
		}
		restored := startOn(t, data)
		there := map[string][]byte{}
		for study := range senders {
			for uid, file := range restored.study(t, uidOf(0, study)) {
				there[uid] = file
				if mixed(0, numberOf(uid)).same(t, "WADO from the backup", file); gone[uid] {
					t.Errorf("round %d: a deleted instance is in the backup", round)
				}
			}
		}
		found := restored.uids(t, 0)
		for i := range before {
			if uid := mixedUID(0, i); there[uid] == nil || !found[uid] {
				t.Errorf("round %d: instance %d was acknowledged before the backup and is not in it", round, i)
			}
		}
		if len(found) != len(there) {
			t.Errorf("round %d: %d instances are found, %d retrieved", round, len(found), len(there))
		}
		t.Logf("round %d: %d before the backup, %d in it", round, len(before), len(there))
		if status, _, _ := restored.request(t, http.MethodDelete, "/studies/"+uidOf(0, 0), nil); status != http.StatusNoContent {
			t.Errorf("DELETE in what was restored: status %d", status)
		}
		restored.stop(t)
		restored.fsck(t)
	}
	load.end()
}
