package archive_test

import (
	"context"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// outage is a store, written to by other nodes as well, that can be made to fail.
type outage struct {
	shared
	erase error  // the answer of Erase
	reads error  // the answer of Open
	open  func() // called once, before the next Open

	backwards bool // how List goes
}

func (o *outage) List(ctx context.Context, from func(storage.Key) int64) iter.Seq2[blob.Record, error] {
	if !o.backwards {
		return o.shared.List(ctx, from)
	}
	return func(yield func(blob.Record, error) bool) {
		var all []blob.Record
		for rec, err := range o.shared.List(ctx, from) {
			if err != nil {
				yield(rec, err)
				return
			}
			all = append(all, rec)
		}
		for _, rec := range slices.Backward(all) {
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func (o *outage) Erase(ctx context.Context, ls ...blob.Location) error {
	if o.erase != nil {
		return o.erase
	}
	return o.shared.Erase(ctx, ls...)
}

func (o *outage) Open(ctx context.Context, l blob.Location, off, n int64) (io.ReadCloser, error) {
	if f := o.open; f != nil {
		o.open = nil
		f()
	}
	if o.reads != nil {
		return nil, o.reads
	}
	return o.shared.Open(ctx, l, off, n)
}

var errDown = errs.Errorf(errs.Unavailable, "test", "the store is away")

// site is an installation of two nodes, one of which sees outages, over an index in a file.
type site struct {
	*archive.Archive
	t     *testing.T
	other *archive.Archive
	blobs *outage
	index index.Index
	dir   string
}

func openIndex(t *testing.T, path string) index.Index {
	t.Helper()
	ix, err := sqlite.Open(path, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix
}

func newSite(t *testing.T, cfg archive.Config) *site {
	s := &site{t: t, blobs: &outage{shared: shared{mem.New()}}, dir: t.TempDir()}
	s.index = openIndex(t, filepath.Join(s.dir, "index"))
	s.Archive, s.other = archive.New(cfg, s.blobs, s.index), archive.New(cfg, s.blobs.shared, s.index)
	return s
}

func (s *site) store(x sample) archive.Stored {
	s.t.Helper()
	stored, err := s.Store(s.t.Context(), tenant, x.incoming())
	if err != nil {
		s.t.Fatal(err)
	}
	return stored
}

func (s *site) delete(a *archive.Archive, r index.Ref) {
	s.t.Helper()
	if err := a.Delete(s.t.Context(), tenant, r); err != nil {
		s.t.Error(err)
	}
}

// sweep looks for orphans of any age.
func (s *site) sweep() int {
	s.t.Helper()
	n, err := s.SweepOrphans(s.t.Context(), time.Time{}, 0)
	if err != nil {
		s.t.Error(err)
	}
	return n
}

// expect holds what can be found, and what lies in the store, against what should be.
func (s *site) expect(when string, found, stored int) {
	s.t.Helper()
	es, err := s.Select(s.t.Context(), tenant, index.Ref{})
	if err != nil && !errs.Is(err, errs.NotFound) {
		s.t.Fatal(err)
	}
	if n := records(s.t, s.blobs); len(es) != found || n != stored {
		s.t.Errorf("%s: %d found in %d records, want %d in %d", when, len(es), n, found, stored)
	}
	for _, e := range es {
		o, err := s.OpenDataset(s.t.Context(), tenant, e)
		read(s.t, o, err)
	}
}

// Bytes that could not be erased are no orphan: what was deleted does not come back.
func TestDeletedInAnOutage(t *testing.T) {
	t.Parallel()
	s := newSite(t, archive.Config{})
	stored := s.store(sample{})
	s.blobs.erase = errDown
	s.delete(s.Archive, stored.Ref)
	if n := s.sweep(); n != 0 {
		t.Errorf("%d adopted", n)
	}
	r, err := s.Fsck(t.Context(), archive.FsckOptions{Repair: true, Grace: -1})
	if err != nil || !r.Clean() || r.Rows != 0 {
		t.Errorf("Fsck: %+v, %v", r, err)
	}
	s.expect("in the outage", 0, 1)
	s.blobs.erase = nil
	if _, err := s.Recover(t.Context()); err != nil {
		t.Error(err)
	}
	s.expect("after it", 0, 0)
}

// The bytes of a duplicate, or of an object that is refused, cannot be erased: the answer is that
// of other days, and they do not take the place of the original when it is deleted.
func TestDuplicateInAnOutage(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]sample{"duplicate": {}, "refused": {pixels: []byte{4, 3, 2, 1}}} {
		s := newSite(t, archive.Config{})
		original := s.store(sample{})
		s.blobs.erase = errDown
		stored, err := s.Store(t.Context(), tenant, again.incoming())
		if name == "duplicate" && (err != nil || !stored.Duplicate) || name == "refused" && !errs.Is(err, errs.Conflict) {
			t.Errorf("%s: %+v, %v", name, stored, err)
		}
		s.delete(s.other, original.Ref)
		if n := s.sweep(); n != 0 {
			t.Errorf("%s: %d adopted", name, n)
		}
		s.expect(name, 0, 1)
		s.blobs.erase = nil
		if _, err := s.Recover(t.Context()); err != nil {
			t.Error(err)
		}
		s.expect(name+", after the outage", 0, 0)
	}
}

// What is stored cannot be read, so nobody knows whether this is a duplicate: it is refused for
// now, and does not stay.
func TestNotComparedInAnOutage(t *testing.T) {
	t.Parallel()
	s := newSite(t, archive.Config{})
	original := s.store(sample{})
	s.blobs.erase, s.blobs.reads = errDown, errDown
	_, err := s.Store(t.Context(), tenant, sample{}.incoming())
	wantKind(t, err, errs.Unavailable)
	s.blobs.erase, s.blobs.reads = nil, nil
	s.delete(s.other, original.Ref)
	if n := s.sweep(); n != 0 {
		t.Errorf("%d adopted", n)
	}
	if _, err := s.Recover(t.Context()); err != nil {
		t.Error(err)
	}
	s.expect("after it", 0, 0)
}

// Another node deletes the object that a duplicate is being compared with: then it is none.
func TestDuplicateOfWhatIsDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t, archive.Config{})
	original := s.store(sample{})
	s.blobs.open = func() { s.delete(s.other, original.Ref) }
	if again := s.store(sample{}); again.Duplicate {
		t.Error("a duplicate of what is gone")
	}
	s.expect("stored again", 1, 1)

	// The same while an orphan is adopted.
	s.index = openIndex(t, filepath.Join(s.dir, "empty"))
	s.other = archive.New(archive.Config{}, s.blobs.shared, s.index)
	s.Archive = archive.New(archive.Config{}, s.blobs, s.index)
	if _, err := s.other.Store(t.Context(), tenant, sample{}.incoming()); err != nil {
		t.Fatal(err)
	}
	opened := 0
	s.blobs.open = func() { // the first is to read the orphan, the second to compare
		opened++
		s.blobs.open = func() { opened++; s.delete(s.other, original.Ref) }
	}
	if n := s.sweep(); n != 1 || opened != 2 {
		t.Errorf("%d adopted, %d opened", n, opened)
	}
	s.expect("adopted", 1, 1)
}

// What is stored lost its bytes: the same object, sent again, puts that right.
func TestLostBytesHeal(t *testing.T) {
	t.Parallel()
	s := newSite(t, archive.Config{})
	s.store(sample{})
	es, err := s.Select(t.Context(), tenant, index.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.blobs.Erase(t.Context(), es[0].Location); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store(t.Context(), tenant, sample{pixels: []byte{4, 3, 2, 1}}.incoming()); !errs.Is(err, errs.Conflict) {
		t.Errorf("another object: %v", err)
	}
	if again := s.store(sample{}); !again.Replaced {
		t.Errorf("the same object: %+v", again)
	}
	s.expect("sent again", 1, 1)
}

// A UID was discarded and stored again with other bytes, then the index is lost. Which of the two
// counted is lost with it: both stay, and the later is found, in whichever order they are listed.
func TestRebuildErasesNothingThatDiffers(t *testing.T) {
	t.Parallel()
	for _, rebuild := range []string{"Rebuild", "Recover"} {
		for _, backwards := range []bool{false, true} {
			s := newSite(t, archive.Config{Trash: time.Hour, Grace: -1})
			first := s.store(sample{})
			s.delete(s.Archive, first.Ref)
			later := s.store(sample{pixels: []byte{4, 3, 2, 1}})
			before, err := s.Select(t.Context(), tenant, later.Ref)
			if err != nil {
				t.Fatal(err)
			}
			s.blobs.backwards = backwards
			s.index = openIndex(t, filepath.Join(s.dir, "rebuilt"))
			s.Archive = archive.New(archive.Config{Grace: -1}, s.blobs, s.index)
			if rebuild == "Rebuild" {
				_, err = s.Rebuild(t.Context())
			} else {
				_, err = s.Recover(t.Context())
			}
			if err != nil {
				t.Error(err)
			}
			s.expect(rebuild, 1, 2)
			if _, err := s.Recover(t.Context()); err != nil {
				t.Error(err)
			}
			s.sweep()
			r, err := s.Fsck(t.Context(), archive.FsckOptions{Repair: true, Grace: -1})
			if err != nil || r.Orphans != 1 || r.Adopted != 0 || r.Clean() {
				t.Errorf("Fsck: %+v, %v", r, err)
			}
			s.expect(rebuild+", and all that comes after it", 1, 2)
			after, err := s.Select(t.Context(), tenant, index.Ref{})
			if err != nil || after[0].Location != before[0].Location {
				t.Errorf("%s: %+v is found, want %+v", rebuild, after, before)
			}
		}
	}
}

func TestFsckLooksAtTrashAndDerived(t *testing.T) {
	t.Parallel()
	derived := mem.New()
	s := newSite(t, archive.Config{Trash: time.Hour, Derived: derived, Grace: -1})
	var all []blob.Location
	for _, sop := range []string{"1.2.3.1", "1.2.3.2"} {
		stored := s.store(sample{sop: sop})
		es, err := s.Select(t.Context(), tenant, stored.Ref)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, es[0].Location)
		s.delete(s.Archive, stored.Ref)
	}
	w, err := derived.Create(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write([]byte("left behind")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	fsck := func(repair bool, want archive.FsckReport) {
		t.Helper()
		r, err := s.Fsck(t.Context(), archive.FsckOptions{Repair: repair})
		if err != nil || r.Trash != want.Trash || r.Missing != want.Missing || r.Derived != want.Derived || r.Clean() != (want.Missing == 0) {
			t.Errorf("Fsck: %+v, %v, want %+v", r, err, want)
		}
	}
	fsck(false, archive.FsckReport{Trash: 2, Derived: 1})
	fsck(true, archive.FsckReport{Trash: 2, Derived: 1})
	if err := s.blobs.Erase(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	fsck(false, archive.FsckReport{Trash: 2, Missing: 1})
}

// Whoever waits for changes is told of each.
func TestChanged(t *testing.T) {
	t.Parallel()
	var told []string
	doing := ""
	s := newSite(t, archive.Config{Trash: time.Hour, Changed: func() { told = append(told, doing) }})
	do := func(what string, f func() error) {
		doing = what
		if err := f(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	var ref index.Ref
	do("store", func() error { ref = s.store(sample{}).Ref; return nil })
	do("duplicate", func() error { s.store(sample{}); return nil })
	do("delete", func() error { return s.Delete(t.Context(), tenant, ref) })
	do("undelete", func() error { _, err := s.Undelete(t.Context(), tenant, ref); return err })
	do("purge", func() error { return s.Purge(t.Context(), tenant, ref) })
	if want := []string{"store", "delete", "undelete", "purge"}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}
