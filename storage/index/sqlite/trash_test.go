package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

const (
	trashDir     = "AURELIUS_TEST_TRASH" // says to the test binary that it is the one to be killed
	trashStudies = 6
)

func trashFixture() []index.Instance {
	g := indextest.New(50, indextest.Shape{Series: 2, Instances: 3})
	out := make([]index.Instance, trashStudies*6)
	for i := range out {
		out[i] = g.Next()
	}
	return out
}

// TestTrashKilled kills a process in the middle of discarding, restoring and expiring: every
// instance is then found, in the trash, or noted for erasure, and counted as such.
func TestTrashKilled(t *testing.T) {
	if dir := os.Getenv(trashDir); dir != "" {
		churnTrash(t, dir)
		return
	}
	t.Parallel()
	for round := range 5 {
		dir := t.TempDir()
		child := exec.Command(os.Args[0], "-test.run=^TestTrashKilled$")
		child.Env = append(os.Environ(), trashDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// So many steps were answered, and some further one is on its way.
		lines := bufio.NewScanner(out)
		for n := 0; n < 20+37*round && lines.Scan(); n++ {
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
		checkTrash(t, dir)
	}
}

// churnTrash works until it is killed.
func churnTrash(t *testing.T, dir string) {
	ctx, ix := context.Background(), open(t, dir)
	all := trashFixture()
	must := func(err error) {
		if err != nil && !errs.Is(err, errs.NotFound) {
			t.Fatal(err)
		}
	}
	for _, in := range all {
		_, err := ix.Add(ctx, storage.DefaultTenant, in, false)
		must(err)
	}
	for n := 0; time.Since(startOfTest) < time.Minute; n++ {
		study := index.Ref{StudyInstanceUID: all[n*7%len(all)].StudyInstanceUID}
		var err error
		switch n % 4 {
		case 0:
			_, err = ix.Discard(ctx, storage.DefaultTenant, study, time.Unix(int64(n), 0))
		case 1:
			_, err = ix.Restore(ctx, storage.DefaultTenant, study)
		case 2:
			_, err = ix.Discard(ctx, storage.DefaultTenant, index.Ref{SOPInstanceUID: all[n%len(all)].SOPInstanceUID}, time.Unix(int64(n), 0))
		case 3:
			_, err = ix.Expire(ctx, time.Unix(int64(n)-40, 0), 1)
		}
		must(err)
		fmt.Println(n)
	}
}

var startOfTest = time.Now()

func checkTrash(t *testing.T, dir string) {
	t.Helper()
	ctx, ix := context.Background(), open(t, dir)
	defer ix.Close()
	live := map[string]bool{}
	for e, err := range ix.Locate(ctx, storage.DefaultTenant, index.Ref{}, index.WithHeader) {
		if err != nil {
			t.Fatal(err)
		}
		live[e.SOPInstanceUID] = true
	}
	trash := map[string]bool{}
	ds, err := ix.Discarded(ctx, storage.DefaultTenant, index.Ref{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range ds {
		trash[d.SOPInstanceUID] = true
	}
	pending, err := ix.PendingErasures(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all := trashFixture()
	if len(live)+len(trash)+len(pending) != len(all) {
		t.Errorf("%d found, %d in the trash, %d to be erased, of %d", len(live), len(trash), len(pending), len(all))
	}
	for _, in := range all {
		if live[in.SOPInstanceUID] && trash[in.SOPInstanceUID] {
			t.Error("an instance is in both places")
		}
		has, err := ix.Has(ctx, in.Blob.Location)
		if err != nil || has != (live[in.SOPInstanceUID] || trash[in.SOPInstanceUID]) {
			t.Errorf("Has: %v, %v", has, err)
		}
	}
	u, err := ix.Usage(ctx, storage.DefaultTenant)
	kept := int64(len(live) + len(trash))
	if err != nil || u.Instances != kept || u.Bytes != kept*all[0].Blob.Location.Length {
		t.Errorf("Usage: %+v, %v, want %d instances", u, err, kept)
	}
	// And it goes on.
	for _, d := range ds {
		if _, err := ix.Restore(ctx, storage.DefaultTenant, d.Ref); err != nil {
			t.Errorf("Restore: %v", err)
		}
	}
}

// TestDiscardedIsGone: what has expired is not in the files any more.
func TestDiscardedIsGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ix := open(t, dir)
	defer ix.Close()
	const name = "Unforgettable^Berta"
	g := indextest.New(8, indextest.Shape{Series: 1, Instances: 4})
	for range 8 {
		in := g.Next()
		in.Header = []byte(name)
		if _, err := ix.Add(t.Context(), storage.DefaultTenant, in, false); err != nil {
			t.Fatal(err)
		}
		r := index.Ref{SOPInstanceUID: in.SOPInstanceUID}
		if _, err := ix.Discard(t.Context(), storage.DefaultTenant, r, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ix.Expire(t.Context(), time.Now(), 0); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); kept(t, dir, name); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what has expired is still in the index's files")
		}
	}
}

// TestUsageOfOld: an index of before usage was counted gets it counted.
func TestUsageOfOld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ix := open(t, dir)
	g := indextest.New(51, indextest.Shape{Series: 2, Instances: 3})
	for i := range 20 {
		if _, err := ix.Add(t.Context(), []storage.TenantID{"default", "other"}[i%2], g.Next(), false); err != nil {
			t.Fatal(err)
		}
	}
	counted := func() (out [2]index.Usage) {
		for i, id := range []storage.TenantID{"default", "other"} {
			u, err := ix.Usage(t.Context(), id)
			if err != nil || u.Instances != 10 {
				t.Fatalf("Usage: %+v, %v", u, err)
			}
			out[i] = u
		}
		return out
	}
	want := counted()
	if err := ix.(*sqlite.Index).Uncount(); err != nil {
		t.Fatal(err)
	}
	if got := counted(); got != want {
		t.Errorf("usage %+v, want %+v", got, want)
	}
	if err := ix.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "index.db")); err != nil {
		t.Error(err)
	}
}
