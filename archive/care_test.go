package archive_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// memLedger is an archive.Ledger that outlives the archive.
type memLedger struct {
	mu      sync.Mutex
	marks   map[string]string
	damaged map[blob.Location]bool
}

func newMemLedger() *memLedger {
	return &memLedger{marks: map[string]string{}, damaged: map[blob.Location]bool{}}
}

func (l *memLedger) Mark(_ context.Context, name string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks[name], nil
}

func (l *memLedger) SetMark(_ context.Context, name, value string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks[name] = value
	return nil
}

func (l *memLedger) Damaged(context.Context) (out []blob.Location, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := range l.damaged {
		out = append(out, at)
	}
	return out, nil
}

func (l *memLedger) SetDamaged(_ context.Context, at blob.Location, damaged bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.damaged, at)
	if damaged {
		l.damaged[at] = true
	}
	return nil
}

func TestTrash(t *testing.T) {
	t.Parallel()
	a := archivetest.NewWith(t, archive.Config{Trash: time.Hour})
	study := index.Ref{StudyInstanceUID: "1.2.3"}
	for _, sop := range []string{"1.2.3.1", "1.2.3.2"} {
		if _, err := a.Store(t.Context(), tenant, sample{sop: sop}.incoming()); err != nil {
			t.Fatal(err)
		}
	}
	clean := func(objects, rows int) {
		t.Helper()
		if n, err := a.Recover(t.Context()); n != 0 || err != nil {
			t.Errorf("Recover adopted %d, %v", n, err)
		}
		r, err := a.Fsck(t.Context(), archive.FsckOptions{Verify: true})
		if err != nil || !r.Clean() || r.Objects != objects || r.Rows != rows || r.Orphans != 0 {
			t.Errorf("Fsck: %+v, %v, want %d objects, %d rows", r, err, objects, rows)
		}
	}
	if err := a.Delete(t.Context(), tenant, study); err != nil {
		t.Fatal(err)
	}
	_, err := a.Select(t.Context(), tenant, study)
	wantKind(t, err, errs.NotFound)
	clean(2, 0)
	if n, err := a.Undelete(t.Context(), tenant, study); n != 2 || err != nil {
		t.Fatalf("Undelete: %d, %v", n, err)
	}
	es, err := a.Select(t.Context(), tenant, study)
	if err != nil || len(es) != 2 {
		t.Fatalf("Select: %v, %v", es, err)
	}
	o, err := a.OpenDataset(t.Context(), tenant, es[0])
	read(t, o, err)
	clean(2, 2)

	// One in the trash, one not: Purge takes both, PurgeTrash only the former.
	if err := a.Delete(t.Context(), tenant, es[0].Ref); err != nil {
		t.Fatal(err)
	}
	if ds, err := a.Discarded(t.Context(), tenant, study, 10); err != nil || len(ds) != 1 || ds[0].SOPInstanceUID != es[0].SOPInstanceUID {
		t.Errorf("Discarded: %+v, %v", ds, err)
	}
	if err := a.PurgeTrash(t.Context(), tenant, study); err != nil {
		t.Error(err)
	}
	wantKind(t, a.PurgeTrash(t.Context(), tenant, study), errs.NotFound)
	clean(1, 1)
	if _, err := a.Store(t.Context(), tenant, sample{sop: es[0].SOPInstanceUID}.incoming()); err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(t.Context(), tenant, es[0].Ref); err != nil {
		t.Fatal(err)
	}
	if err := a.Purge(t.Context(), tenant, study); err != nil {
		t.Error(err)
	}
	wantKind(t, a.Purge(t.Context(), tenant, study), errs.NotFound)
	clean(0, 0)
}

func TestExpire(t *testing.T) {
	t.Parallel()
	a := archivetest.NewWith(t, archive.Config{Trash: time.Nanosecond})
	if _, err := a.Store(t.Context(), tenant, sample{}.incoming()); err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(t.Context(), tenant, index.Ref{StudyInstanceUID: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Expire(t.Context()); n != 1 || err != nil {
		t.Errorf("Expire: %d, %v", n, err)
	}
	_, err := a.Undelete(t.Context(), tenant, index.Ref{StudyInstanceUID: "1.2.3"})
	wantKind(t, err, errs.NotFound)
	if r, err := a.Fsck(t.Context(), archive.FsckOptions{}); err != nil || r.Objects != 0 {
		t.Errorf("Fsck: %+v, %v", r, err)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	var bytes, instances int64
	a := archivetest.NewWith(t, archive.Config{Quota: func(storage.TenantID) (int64, int64) { return bytes, instances }})
	store := func(sop string) error {
		_, err := a.Store(t.Context(), tenant, sample{sop: sop}.incoming())
		return err
	}
	instances = 2
	for _, sop := range []string{"1.2.3.1", "1.2.3.1", "1.2.3.2"} { // a duplicate takes nothing
		if err := store(sop); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, store("1.2.3.3"), errs.Exhausted)
	if err := a.Delete(t.Context(), tenant, index.Ref{SOPInstanceUID: "1.2.3.1"}); err != nil {
		t.Fatal(err)
	}
	if err := store("1.2.3.3"); err != nil {
		t.Errorf("after a deletion: %v", err)
	}
	instances, bytes = 0, 1
	wantKind(t, store("1.2.3.4"), errs.Exhausted)
	bytes = 0
	if err := store("1.2.3.4"); err != nil {
		t.Errorf("without a quota: %v", err)
	}
	if u, err := a.Usage(t.Context(), tenant); err != nil || u.Instances != 3 || u.Bytes == 0 {
		t.Errorf("Usage: %+v, %v", u, err)
	}
}

func TestWatermarks(t *testing.T) {
	t.Parallel()
	free := int64(100)
	var failing error
	h := newHouse(archive.Config{
		Space:    func(context.Context) (int64, int64, error) { return free, 1000, failing },
		LowWater: 50, HighWater: 80, Remeasure: -1,
	})
	store := func() error {
		_, err := h.Store(t.Context(), tenant, sample{}.incoming())
		return err
	}
	for _, step := range []struct {
		free int64
		full bool
	}{{100, false}, {50, false}, {49, true}, {79, true}, {80, false}, {50, false}} {
		free = step.free
		if err := store(); errs.Is(err, errs.Exhausted) != step.full {
			t.Errorf("with %d free: %v", free, err)
		}
	}
	failing = errors.New("cannot tell")
	if err := store(); err != nil {
		t.Errorf("a medium that cannot be measured: %v", err)
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	ledger := newMemLedger()
	h := newHouse(archive.Config{Ledger: ledger, ScrubRate: 1 << 30})
	for _, sop := range []string{"1.2.3.1", "1.2.3.2", "1.2.3.3"} {
		h.mustStore(t, sample{sop: sop}.incoming())
	}
	bad := h.mustSelect(t, index.Ref{})[1]
	h.blobs.(*mem.Store).Flip(bad.Location, bad.Location.Length-1)
	r, err := h.ScrubOnce(t.Context())
	if err != nil || !r.Finished || r.Records != 3 || r.Damaged != 1 || r.Bytes == 0 {
		t.Errorf("ScrubOnce: %+v, %v", r, err)
	}
	if r, err := h.ScrubOnce(t.Context()); err != nil || r.Records != 0 || !r.Finished {
		t.Errorf("a round that is not due: %+v, %v", r, err)
	}
	refused := func(a *archive.Archive) {
		t.Helper()
		for _, e := range h.mustSelect(t, index.Ref{}) {
			o, err := a.OpenFile(t.Context(), tenant, e, 0, -1)
			if (err != nil) != (e.Location == bad.Location) {
				t.Errorf("%s: %v", e.SOPInstanceUID, err)
			}
			if err == nil {
				o.Close()
			}
		}
		f, err := a.Frames(t.Context(), tenant, bad.Ref)
		if err == nil {
			_, err = a.OpenFrame(t.Context(), tenant, f, 1)
		}
		wantKind(t, err, errs.Internal)
	}
	refused(h.Archive)
	again := archive.New(archive.Config{Ledger: ledger}, h.blobs, h.index)
	if _, err := again.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(again)

	// Sent once more, it heals.
	s, err := h.Store(t.Context(), tenant, sample{sop: bad.SOPInstanceUID}.incoming())
	if err != nil || !s.Replaced {
		t.Fatalf("storing it again: %+v, %v", s, err)
	}
	o, err := h.OpenDataset(t.Context(), tenant, h.mustSelect(t, bad.Ref)[0])
	read(t, o, err)
	if len(ledger.damaged) != 0 {
		t.Errorf("the ledger keeps %v", ledger.damaged)
	}
}

// A round that is interrupted goes on where it was.
func TestScrubResumes(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{Ledger: newMemLedger(), ScrubRate: 1 << 30})
	tenants := []storage.TenantID{"a", "b", "c"}
	for _, id := range tenants { // an object each
		if _, err := h.Store(t.Context(), id, sample{sop: "1.2.3." + map[storage.TenantID]string{"a": "1", "b": "2", "c": "3"}[id]}.incoming()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	r, err := h.Scrub(ctx, 0, "", func(storage.Key) error {
		if n++; n == 2 {
			cancel()
		}
		return nil
	})
	if err != nil || r.Finished || r.Records != 2 {
		t.Errorf("interrupted: %+v, %v", r, err)
	}
	r, err = h.Scrub(t.Context(), 0, "b/memory", nil)
	if err != nil || !r.Finished || r.Records != 1 {
		t.Errorf("resumed: %+v, %v", r, err)
	}
}

// What is read whole is checked on the way, also where nothing was scrubbed yet.
func TestDamageIsNotPassedOn(t *testing.T) {
	t.Parallel()
	for _, accepted := range []string{"", "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"} { // as stored; converted; encoded
		h := newHouse(archive.Config{Ledger: newMemLedger(), Codecs: codecs})
		h.mustStore(t, sample{}.incoming())
		e := h.mustSelect(t, index.Ref{})[0]
		h.blobs.(*mem.Store).Flip(e.Location, e.Location.Length-1)
		var syntaxes []string
		if accepted != "" {
			syntaxes = []string{accepted}
		}
		o, err := h.OpenDataset(t.Context(), tenant, e, syntaxes...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(o.ReadCloser)
		wantKind(t, err, errs.Internal)
		o.Close()
		_, err = h.OpenFile(t.Context(), tenant, e, 0, -1) // known from now on
		wantKind(t, err, errs.Internal)
	}
}

// shared is a store that other nodes write to as well.
type shared struct{ *mem.Store }

func (s shared) ListSince(ctx context.Context, _ time.Time) iter.Seq2[blob.Record, error] {
	return s.List(ctx, nil)
}

func TestSweepOrphans(t *testing.T) {
	t.Parallel()
	blobs, ix := shared{mem.New()}, newMemIndex()
	h := house{Archive: archive.New(archive.Config{Ledger: newMemLedger()}, blobs, ix), blobs: blobs, index: ix}
	for _, sop := range []string{"1.2.3.1", "1.2.3.2"} {
		h.mustStore(t, sample{sop: sop}.incoming())
	}
	ix.forget(1)
	// Another node may be about to add the row.
	if n, err := h.Recover(t.Context()); n != 0 || err != nil {
		t.Errorf("Recover adopted %d, %v", n, err)
	}
	if n, err := h.SweepOnce(t.Context()); n != 0 || err != nil {
		t.Errorf("SweepOnce adopted %d, %v", n, err)
	}
	if r, err := h.Fsck(t.Context(), archive.FsckOptions{Repair: true}); err != nil || !r.Clean() || r.Orphans != 0 {
		t.Errorf("Fsck: %+v, %v", r, err)
	}
	if n, err := h.SweepOrphans(t.Context(), time.Now().Add(time.Hour), 0); n != 0 || err != nil {
		t.Errorf("what was swept before is looked at again: %d, %v", n, err)
	}
	if n, err := h.SweepOrphans(t.Context(), time.Now(), 0); n != 1 || err != nil {
		t.Errorf("SweepOrphans: %d, %v", n, err)
	}
	if got := len(h.mustSelect(t, index.Ref{})); got != 2 {
		t.Errorf("%d found", got)
	}
}

// Another node adopts the record between its commit and our Add: it is stored, and its bytes stay.
func TestAdoptedByAnother(t *testing.T) {
	t.Parallel()
	blobs, ix := shared{mem.New()}, newMemIndex()
	other := archive.New(archive.Config{}, blobs, ix)
	ix.before = func() {
		ix.before = nil
		if n, err := other.SweepOrphans(t.Context(), time.Time{}, -1); n != 1 || err != nil {
			t.Errorf("the other adopted %d, %v", n, err)
		}
	}
	h := house{Archive: archive.New(archive.Config{}, blobs, ix), blobs: blobs, index: ix}
	if s := h.mustStore(t, sample{}.incoming()); s.Duplicate || s.Replaced {
		t.Errorf("%+v", s)
	}
	o, err := h.OpenDataset(t.Context(), tenant, h.mustSelect(t, index.Ref{})[0])
	read(t, o, err)
}

// The index is lost while it answers: the row may be there, so the bytes must be.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{false, true} {
		h := newHouse(archive.Config{})
		h.index.lost, h.index.lostAfter = errs.Errorf(errs.Unavailable, "index.Add", "connection lost"), written
		_, err := h.Store(t.Context(), tenant, sample{}.incoming())
		wantKind(t, err, errs.Unavailable)
		h.index.lost = nil
		if n := records(t, h.blobs); n != 1 {
			t.Errorf("%d records", n)
		}
		h.mustStore(t, sample{}.incoming()) // the peer tries again
		if _, err := h.SweepOrphans(t.Context(), time.Time{}, 0); err != nil {
			t.Error(err)
		}
		if r, err := h.Fsck(t.Context(), archive.FsckOptions{Verify: true}); err != nil || !r.Clean() || r.Rows != 1 || r.Objects != 1 {
			t.Errorf("Fsck: %+v, %v", r, err)
		}
	}
}
