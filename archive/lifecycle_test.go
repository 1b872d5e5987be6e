package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

func TestDeleteUnderAReader(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{})
	h.mustStore(t, sample{}.incoming())
	e := h.mustSelect(t, index.Ref{})[0]
	o, err := h.OpenFile(t.Context(), tenant, e, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Delete(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.4"}); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	_, err = h.Select(t.Context(), tenant, index.Ref{})
	wantKind(t, err, errs.NotFound)
	wantKind(t, h.Delete(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.4"}), errs.NotFound)
	o.Close()
	// The next start erases it.
	again := archive.New(archive.Config{}, h.blobs, h.index)
	if _, err := again.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := records(t, h.blobs); n != 0 || len(h.index.pending) != 0 {
		t.Errorf("%d records, %d erasures due", n, len(h.index.pending))
	}
}

func TestRecover(t *testing.T) {
	t.Parallel()
	sops := []string{"1.2.3.1", "1.2.3.2", "1.2.3.3", "1.2.3.4"}
	for keep := range len(sops) + 1 {
		h := newHouse(archive.Config{})
		for _, sop := range sops {
			h.mustStore(t, sample{sop: sop}.incoming())
		}
		h.index.forget(keep)
		n, err := h.Recover(t.Context())
		if err != nil || n != len(sops)-keep {
			t.Errorf("with %d rows left Recover adopted %d, %v", keep, n, err)
		}
		if got := len(h.mustSelect(t, index.Ref{})); got != len(sops) {
			t.Errorf("with %d rows left %d are found", keep, got)
		}
		if n, err := h.Recover(t.Context()); n != 0 || err != nil {
			t.Errorf("the second Recover adopted %d, %v", n, err)
		}
		report, err := h.Fsck(t.Context(), archive.FsckOptions{Verify: true})
		if err != nil || !report.Clean() || report.Rows != len(sops) || report.Objects != len(sops) {
			t.Errorf("Fsck: %+v, %v", report, err)
		}
	}
}

// Two objects under one UID and no row: the one that was acknowledged must win, in whichever
// order they are found.
func TestRecoverConflict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy archive.Policy
		want   byte
	}{{archive.KeepFirst, 1}, {archive.Replace, 4}} {
		for _, swapped := range []bool{false, true} {
			h := newHouse(archive.Config{Duplicates: tt.policy})
			h.mustStore(t, sample{sop: "1.2.3.9"}.incoming())
			tails := maps.Clone(h.index.tails)
			h.mustStore(t, sample{}.incoming())
			firstRow := h.index.rows[1]
			h.index.forget(1)
			h.mustStore(t, sample{pixels: []byte{4, 3, 2, 1}}.incoming())
			if swapped { // the index knows the second, the first is found behind it
				h.index.tails = tails
			} else {
				h.index.forget(1)
			}
			if _, err := h.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			f, err := h.Frames(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.4"})
			if err != nil {
				t.Fatal(err)
			}
			o, err := h.OpenFrame(t.Context(), tenant, f, 1)
			if got := read(t, o, err)[0]; got != tt.want {
				t.Errorf("policy %d, swapped %v: object %d stays, want %d", tt.policy, swapped, got, tt.want)
			}
			if n := records(t, h.blobs); n != 2 {
				t.Errorf("%d records, want 2 (first was at %+v)", n, firstRow.Location)
			}
		}
	}
}

func TestFsckFindsDamage(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{})
	for _, sop := range []string{"1.2.3.1", "1.2.3.2", "1.2.3.3"} {
		h.mustStore(t, sample{sop: sop}.incoming())
	}
	es := h.mustSelect(t, index.Ref{})
	h.blobs.(*mem.Store).Flip(es[0].Location, es[0].Location.Length-1)
	if err := h.blobs.Erase(t.Context(), es[1].Location); err != nil {
		t.Fatal(err)
	}
	h.index.forget(2)
	report, err := h.Fsck(t.Context(), archive.FsckOptions{Verify: true})
	if err != nil || report.Clean() || report.Damaged != 1 || report.Missing != 1 || report.Orphans != 1 || len(report.Problems) != 3 {
		t.Errorf("Fsck: %+v, %v", report, err)
	}
	report, err = h.Fsck(t.Context(), archive.FsckOptions{Repair: true})
	if err != nil || report.Adopted != 1 || report.Missing != 1 {
		t.Errorf("Fsck with repair: %+v, %v", report, err)
	}
}

func TestRunErasesWhenTheReaderIsDone(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{})
	h.mustStore(t, sample{}.incoming())
	o, err := h.OpenFile(t.Context(), tenant, h.mustSelect(t, index.Ref{})[0], 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Delete(t.Context(), tenant, index.Ref{StudyInstanceUID: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	o.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- h.Run(ctx) }()
	for deadline := time.Now().Add(10 * time.Second); records(t, h.blobs) > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the bytes stay")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A crash at any moment: the directory is copied as it stands while objects stream in. Whatever
// was acknowledged before the copy began is found, whole.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	blobs, err := fs.Open(fs.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	h := house{Archive: archive.New(archive.Config{}, blobs, newMemIndex()), blobs: blobs}
	for _, sop := range []string{"1.2.3.1", "1.2.3.2"} {
		h.mustStore(t, sample{sop: sop, pixels: bytes.Repeat([]byte(sop), 10_000)}.incoming())
	}
	half := make(chan struct{})
	in := sample{sop: "1.2.3.3"}.incoming()
	release := make(chan struct{})
	in.Data = io.MultiReader(io.LimitReader(in.Data, 50), readFunc(func([]byte) (int, error) {
		close(half)
		<-release
		return 0, errors.New("reset")
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := h.Store(context.WithoutCancel(t.Context()), tenant, in)
		wantKind(t, err, errs.Canceled)
	}()
	<-half
	copied := copyDir(t, dir)
	close(release)
	<-done

	again, err := fs.Open(fs.Config{Dir: copied})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	a := archive.New(archive.Config{}, again, newMemIndex())
	if n, err := a.Recover(t.Context()); n != 2 || err != nil {
		t.Errorf("Recover adopted %d, %v; want 2", n, err)
	}
	for _, sop := range []string{"1.2.3.1", "1.2.3.2"} {
		es, err := a.Select(t.Context(), tenant, index.Ref{SOPInstanceUID: sop})
		if err != nil {
			t.Fatal(err)
		}
		o, err := a.OpenDataset(t.Context(), tenant, es[0])
		if !bytes.Equal(read(t, o, err), sample{sop: sop, pixels: bytes.Repeat([]byte(sop), 10_000)}.dataset()) {
			t.Errorf("%s is not as received", sop)
		}
	}
}

func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

type auditor struct{ seen []archive.Access }

func (a *auditor) Audit(_ context.Context, x archive.Access) { a.seen = append(a.seen, x) }

func TestEveryAccessIsAudited(t *testing.T) {
	t.Parallel()
	var log auditor
	h := newHouse(archive.Config{Auditor: &log})
	h.mustStore(t, sample{}.incoming())
	_, err := h.Store(t.Context(), tenant, incoming(nil, "1.2.3.9"))
	wantKind(t, err, errs.Mismatch)
	e := h.mustSelect(t, index.Ref{})[0]
	o, err := h.OpenFile(t.Context(), tenant, e, 0, -1)
	read(t, o, err)
	o, err = h.OpenDataset(t.Context(), tenant, e)
	read(t, o, err)
	o, err = h.OpenBulk(t.Context(), tenant, e.Ref, "7FE00010")
	if got := read(t, o, err); !bytes.Equal(got, []byte{1, 2, 3, 4}) {
		t.Errorf("bulk data is %v", got)
	}
	if _, err := h.Frames(t.Context(), tenant, e.Ref); err != nil {
		t.Fatal(err)
	}
	for range h.Headers(t.Context(), tenant, e.Ref) {
	}
	for range h.Find(t.Context(), tenant, nil) {
	}
	if err := h.Delete(t.Context(), tenant, e.Ref); err != nil {
		t.Fatal(err)
	}
	want := []archive.Action{
		archive.Received, archive.Received, archive.Retrieved, archive.Retrieved, archive.Retrieved, archive.Retrieved,
		archive.Retrieved, archive.Searched, archive.Deleted,
	}
	if len(log.seen) != len(want) {
		t.Fatalf("audited %+v", log.seen)
	}
	for i, x := range log.seen {
		if x.Action != want[i] || x.Tenant != tenant || (x.Err != nil) != (i == 1) || want[i] != archive.Searched && x.Ref.SOPInstanceUID == "" {
			t.Errorf("access %d: %+v, want %s", i, x, want[i])
		}
	}
}

func TestOpenBulkPaths(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{})
	h.mustStore(t, sample{}.incoming())
	r := index.Ref{SOPInstanceUID: "1.2.3.4"}
	o, err := h.OpenBulk(t.Context(), tenant, r, "00100020")
	if got := read(t, o, err); string(got) != "4711" {
		t.Errorf("Patient ID %q", got)
	}
	for path, want := range map[string]errs.Kind{
		"": errs.Invalid, "zz": errs.Invalid, "0010002": errs.Invalid, "00100020/0": errs.Invalid, "/": errs.Invalid,
		"00100020/x/00100020": errs.Invalid, "00100020/-1/00100020": errs.Invalid,
		"00100021": errs.NotFound, "00100020/0/00100020": errs.NotFound,
	} {
		_, err := h.OpenBulk(t.Context(), tenant, r, path)
		wantKind(t, err, want)
	}
}
