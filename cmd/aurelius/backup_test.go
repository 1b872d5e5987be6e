package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// restored makes a data directory of the backup and returns the SOP Instance UIDs in it.
func restored(t *testing.T, backup string) map[string]bool {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if code, out := settings(t, "restore", "--data", dir, backup); code != 0 {
		t.Fatalf("restore: exit %d: %s", code, out)
	}
	st, err := (&engineFlags{Data: dir}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	a := archive.New(archive.Config{}, st.blobs, st.index)
	if n, err := a.Recover(t.Context()); n != 0 || err != nil {
		t.Errorf("Recover after restore: %d, %v", n, err)
	}
	out := map[string]bool{}
	for h, err := range a.Headers(t.Context(), storage.DefaultTenant, index.Ref{}) {
		if err != nil {
			t.Fatal(err)
		}
		out[h.Dataset.UID(tag.SOPInstanceUID)] = true
	}
	return out
}

func mustBackup(t *testing.T, dir, to string) string {
	t.Helper()
	code, out := settings(t, "backup", "--data", dir, to)
	if code != 0 {
		t.Fatalf("backup: exit %d: %s", code, out)
	}
	return out
}

// TestBackupInside: a backup in what it is a backup of would be lost with it.
func TestBackupInside(t *testing.T) {
	dir := t.TempDir()
	st, _ := stored(t, dir)
	defer st.Close()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "objects"), link); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "objects"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{dir, filepath.Join(dir, "bk"), filepath.Join(dir, "a", "b"), link, filepath.Join(link, "bk")} {
		if code, out := settings(t, "backup", "--data", dir, to); code != 1 || !strings.Contains(out, "lies in the data directory") {
			t.Errorf("%s: exit %d: %s", to, code, out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bk")); err == nil {
		t.Error("a directory was made")
	}
	mustBackup(t, dir, dir+"-backup") // beside it is well
}

func TestBackup(t *testing.T) {
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	st, a := stored(t, dir)
	defer st.Close() // the server runs all the time
	mustBackup(t, dir, to)
	if got := restored(t, to); len(got) != 5 {
		t.Errorf("%d instances restored", len(got))
	}
	es, err := a.Select(t.Context(), storage.DefaultTenant, index.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(t.Context(), storage.DefaultTenant, es[0].Ref); err != nil {
		t.Fatal(err)
	}
	mustBackup(t, dir, to)
	if got := restored(t, to); len(got) != 4 || got[es[0].SOPInstanceUID] {
		t.Errorf("restored after a deletion: %v", got)
	}
	m, err := readManifest(to)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, sub := range []string{databasesDir, studiesBucket} {
		_ = filepath.WalkDir(filepath.Join(to, sub), func(_ string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				files++
			}
			return err
		})
	}
	if files != len(m.files()) {
		t.Errorf("%d files for %d in the manifest", files, len(m.files()))
	}
}

// TestBackupIsIncremental: what is full and did not change is not copied again, nor what an
// interrupted backup has copied.
func TestBackupIsIncremental(t *testing.T) {
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	st, _ := stored(t, dir)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	packs, err := filepath.Glob(filepath.Join(dir, studiesBucket, "packs", "*", "*"))
	if err != nil || len(packs) == 0 {
		t.Fatal(packs, err)
	}
	for _, p := range packs { // long ago
		if err := os.Chtimes(p, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
	}
	mustBackup(t, dir, to)
	if out := mustBackup(t, dir, to); !strings.Contains(out, "0 copied") {
		t.Errorf("the second backup: %s", out)
	}
	// As if the second had been interrupted before its manifest.
	m, err := readManifest(to)
	if err != nil {
		t.Fatal(err)
	}
	var lines []byte
	for _, p := range m.Packs {
		line, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	lines = append(lines, `{"torn`...)
	if err := os.WriteFile(filepath.Join(to, progressFile), lines, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(to, manifestFile)); err != nil {
		t.Fatal(err)
	}
	if code, out := settings(t, "restore", "--data", filepath.Join(t.TempDir(), "x"), to); code != 1 || !strings.Contains(out, "no complete backup") {
		t.Errorf("restoring an interrupted backup: exit %d: %s", code, out)
	}
	if out := mustBackup(t, dir, to); !strings.Contains(out, "0 copied") || !strings.Contains(out, "going on") {
		t.Errorf("the resumed backup: %s", out)
	}
	if got := restored(t, to); len(got) != 5 {
		t.Errorf("%d instances restored", len(got))
	}
}

func TestRestoreRefuses(t *testing.T) {
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	st, _ := stored(t, dir)
	defer st.Close()
	mustBackup(t, dir, to)
	if code, out := settings(t, "restore", "--data", dir, to); code != 1 || !strings.Contains(out, "not empty") {
		t.Errorf("restoring over data: exit %d: %s", code, out)
	}
	m, err := readManifest(to)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(to, m.Packs[0].File)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "fresh")
	if code, out := settings(t, "restore", "--data", fresh, to); code != 1 || !strings.Contains(out, "damaged") {
		t.Errorf("restoring a damaged backup: exit %d: %s", code, out)
	}
	if _, err := os.Stat(fresh); !os.IsNotExist(err) {
		t.Error("a directory was made of a damaged backup")
	}
}

// TestBackupWhileServing stores and deletes all the time: the backup restores clean, with
// everything that was there before and stayed.
func TestBackupWhileServing(t *testing.T) {
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	st, a := stored(t, dir)
	defer st.Close()
	before, err := a.Select(t.Context(), storage.DefaultTenant, index.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	for worker := range 2 {
		busy.Go(func() { churn(ctx, t, a, before[0].SOPInstanceUID, worker) })
	}
	for range 3 {
		mustBackup(t, dir, to)
		got := restored(t, to)
		for _, e := range before {
			if !got[e.SOPInstanceUID] {
				t.Error("an instance is not in the backup")
			}
		}
	}
	stop()
	busy.Wait()
}

// churn stores copies of an object under other UIDs and deletes them again.
func churn(ctx context.Context, t *testing.T, a *archive.Archive, uid string, worker int) {
	b, err := os.ReadFile(testkit.Testdata("first", "1.dcm"))
	if err != nil {
		t.Error(err)
		return
	}
	var mine []index.Ref
	for n := 0; ctx.Err() == nil; n++ {
		other := fmt.Sprintf("%s%02d%06d", uid[:len(uid)-8], worker+10, n%1_000_000)
		s, err := a.Store(context.Background(), storage.DefaultTenant,
			archive.Incoming{Data: bytes.NewReader(bytes.ReplaceAll(b, []byte(uid), []byte(other)))})
		if err != nil {
			t.Error(err)
			return
		}
		if mine = append(mine, s.Ref); len(mine) > 5 {
			if err := a.Delete(context.Background(), storage.DefaultTenant, mine[0]); err != nil {
				t.Error(err)
			}
			mine = mine[1:]
		}
	}
}
