package indextest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

func (f *fixture) discarded(r index.Ref) []index.Discarded {
	f.t.Helper()
	ds, err := f.Discarded(context.Background(), tenant, r, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	return ds
}

func (f *fixture) has(l blob.Location) bool {
	f.t.Helper()
	has, err := f.Has(context.Background(), l)
	if err != nil {
		f.t.Fatal(err)
	}
	return has
}

func (f *fixture) usage() index.Usage {
	f.t.Helper()
	u, err := f.Usage(context.Background(), tenant)
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

func instanceRef(in index.Instance) index.Ref { return index.Ref{SOPInstanceUID: in.SOPInstanceUID} }
func studyRef(in index.Instance) index.Ref {
	return index.Ref{StudyInstanceUID: in.StudyInstanceUID}
}

// testTrash discards a study, brings it back as it was, and discards it for good.
func testTrash(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx := context.Background()
	f.add(take(New(40, Shape{Series: 2, Instances: 3}), 12)...)
	first, until := f.all[0], time.Now().Add(time.Hour)
	study := studyRef(first)
	before := f.locate(study, index.WithHeader|index.WithFrames)
	found := f.find(&query.Query{Level: query.Study})

	if _, err := f.Discard(ctx, tenant, index.Ref{}, until); !errs.Is(err, errs.Invalid) {
		t.Errorf("discarding nothing in particular: %v", err)
	}
	n, err := f.Discard(ctx, tenant, study, until)
	if err != nil || n != 6 {
		t.Fatalf("Discard: %d, %v", n, err)
	}
	if _, err := f.Discard(ctx, tenant, study, until); !errs.Is(err, errs.NotFound) {
		t.Errorf("discarding twice: %v", err)
	}
	equal(t, "studies", len(f.find(&query.Query{Level: query.Study})), 1)
	equal(t, "entries", len(f.locate(study, 0)), 0)
	equal(t, "discarded record is known", f.has(first.Blob.Location), true)
	if pending, err := f.PendingErasures(ctx); err != nil || len(pending) != 0 {
		t.Errorf("pending erasures: %v, %v", pending, err)
	}
	cs := f.changes(12)
	if len(cs) != 6 || cs[0].Kind != index.InstanceDeleted || cs[0].StudyInstanceUID != first.StudyInstanceUID {
		t.Errorf("changes: %+v", cs)
	}
	ds := f.discarded(study)
	if len(ds) != 6 || ds[0].StudyInstanceUID != first.StudyInstanceUID || ds[0].SeriesInstanceUID == "" ||
		!ds[0].Until.Truncate(time.Millisecond).Equal(until.Truncate(time.Millisecond)) || ds[0].At.IsZero() {
		t.Fatalf("discarded: %+v", ds)
	}
	equal(t, "discarded in all", len(f.discarded(index.Ref{})), 6)
	equal(t, "discarded of a series", len(f.discarded(index.Ref{SeriesInstanceUID: first.SeriesInstanceUID})), 3)
	equal(t, "discarded elsewhere", len(f.discarded(studyRef(f.all[6]))), 0)
	if ds, err := f.Discarded(ctx, "other", study, 0); err != nil || len(ds) != 0 {
		t.Errorf("discarded by another tenant: %v, %v", ds, err)
	}
	if _, err := f.Restore(ctx, "other", study); !errs.Is(err, errs.NotFound) {
		t.Errorf("another tenant restores: %v", err)
	}

	// It survives reopening.
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Index = open(t, f.dir)
	n, err = f.Restore(ctx, tenant, study)
	if err != nil || n != 6 {
		t.Fatalf("Restore: %d, %v", n, err)
	}
	after := f.locate(study, index.WithHeader|index.WithFrames)
	if !slices.EqualFunc(before, after, sameEntry) {
		t.Errorf("restored entries differ:\n%+v\n%+v", before, after)
	}
	again := f.find(&query.Query{Level: query.Study})
	equal(t, "studies", len(again), len(found))
	for i := range again {
		equal(t, "attributes", len(again[i].Elements), len(found[i].Elements))
	}
	cs = f.changes(18)
	if len(cs) != 6 || cs[0].Kind != index.InstanceStored {
		t.Errorf("changes: %+v", cs)
	}
	if _, err := f.Restore(ctx, tenant, study); !errs.Is(err, errs.NotFound) {
		t.Errorf("restoring twice: %v", err)
	}
	f.checkExpiry(study, first)
}

func sameEntry(a, b index.Entry) bool {
	return a.Ref == b.Ref && a.Location == b.Location && a.SOPClassUID == b.SOPClassUID &&
		a.TransferSyntaxUID == b.TransferSyntaxUID && a.DatasetOffset == b.DatasetOffset && a.DatasetCRC == b.DatasetCRC &&
		a.Received.Equal(b.Received) && slices.Equal(a.Header, b.Header) && slices.Equal(a.Frames, b.Frames)
}

func (f *fixture) checkExpiry(study index.Ref, first index.Instance) {
	f.t.Helper()
	ctx, now := context.Background(), time.Now()
	if _, err := f.Discard(ctx, tenant, study, now.Add(time.Hour)); err != nil {
		f.t.Fatal(err)
	}
	if gone, err := f.Expire(ctx, now, 0); err != nil || len(gone) != 0 {
		f.t.Errorf("expired too early: %v, %v", gone, err)
	}
	gone, err := f.Expire(ctx, now.Add(2*time.Hour), 4)
	if err != nil || len(gone) != 4 {
		f.t.Fatalf("Expire: %v, %v", gone, err)
	}
	rest, err := f.Expire(ctx, now.Add(2*time.Hour), 0)
	if err != nil || len(rest) != 2 {
		f.t.Fatalf("Expire: %v, %v", rest, err)
	}
	if pending, err := f.PendingErasures(ctx); err != nil || len(pending) != 6 {
		f.t.Errorf("pending erasures: %v, %v", pending, err)
	}
	equal(f.t, "record to be erased is known", f.has(first.Blob.Location), true)
	if err := f.Erased(ctx, gone); err != nil {
		f.t.Fatal(err)
	}
	equal(f.t, "erased record is known", f.has(gone[0]), false)
	equal(f.t, "discarded", len(f.discarded(study)), 0)
	if _, err := f.Restore(ctx, tenant, study); !errs.Is(err, errs.NotFound) {
		f.t.Errorf("restoring what expired: %v", err)
	}
}

// testTrashAgain: what was discarded may be stored again; then that one counts.
func testTrashAgain(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx, until := context.Background(), time.Now().Add(time.Hour)
	g := New(41, Shape{Series: 1, Instances: 2})
	f.add(take(g, 2)...)
	first := f.all[0]
	discard := func() {
		t.Helper()
		if _, err := f.Discard(ctx, tenant, instanceRef(first), until); err != nil {
			t.Fatal(err)
		}
	}
	discard()
	second := first
	second.Blob = g.Record(1000)
	second.Blob.Received = second.Blob.Received.Add(time.Minute)
	f.add(second)
	if n, err := f.Restore(ctx, tenant, studyRef(first)); !errs.Is(err, errs.NotFound) {
		t.Errorf("restoring over what is there: %d, %v", n, err)
	}
	equal(t, "discarded", len(f.discarded(instanceRef(first))), 1)
	discard()
	equal(t, "discarded twice", len(f.discarded(instanceRef(first))), 2)
	if n, err := f.Restore(ctx, tenant, studyRef(first)); n != 1 || err != nil {
		t.Fatalf("Restore: %d, %v", n, err)
	}
	if es := f.locate(instanceRef(first), 0); len(es) != 1 || es[0].Location != second.Blob.Location {
		t.Errorf("restored: %+v", es)
	}
	// The earlier one is still there, and goes for good; the one that can be found stays.
	gone, err := f.Purge(ctx, tenant, studyRef(first))
	if err != nil || !slices.Equal(gone, []blob.Location{first.Blob.Location}) {
		t.Errorf("Purge: %v, %v", gone, err)
	}
	if pending, err := f.PendingErasures(ctx); err != nil || !slices.Equal(pending, gone) {
		t.Errorf("pending erasures: %v, %v", pending, err)
	}
	if _, err := f.Purge(ctx, tenant, studyRef(first)); !errs.Is(err, errs.NotFound) {
		t.Errorf("purging twice: %v", err)
	}
	equal(t, "instances", len(f.locate(studyRef(first), 0)), 2)
	// Remove leaves the trash alone.
	discard()
	if _, err := f.Remove(ctx, tenant, studyRef(first)); err != nil {
		t.Fatal(err)
	}
	equal(t, "discarded", len(f.discarded(index.Ref{})), 1)
}

func testUsage(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx, until := context.Background(), time.Now().Add(time.Hour)
	equal(t, "at first", f.usage(), index.Usage{})
	g := New(42, Shape{Series: 2, Instances: 3})
	f.add(take(g, 12)...)
	size := f.all[0].Blob.Location.Length
	patients := int64(len(f.find(&query.Query{Level: query.Patient})))
	full := index.Usage{Patients: patients, Studies: 2, Series: 4, Instances: 12, Bytes: 12 * size}
	equal(t, "stored", f.usage(), full)
	if got, err := f.Add(ctx, tenant, f.all[3], false); err != nil || got.Existing == nil {
		t.Fatalf("duplicate: %+v, %v", got, err)
	}
	equal(t, "with a duplicate", f.usage(), full)
	larger := f.all[3]
	larger.Blob = g.Record(size + 8)
	if _, err := f.Add(ctx, tenant, larger, true); err != nil {
		t.Fatal(err)
	}
	full.Bytes += 8
	equal(t, "replaced", f.usage(), full)
	if u, err := f.Usage(ctx, "other"); err != nil || u != (index.Usage{}) {
		t.Errorf("usage of another tenant: %+v, %v", u, err)
	}

	if _, err := f.Discard(ctx, tenant, studyRef(f.all[0]), until); err != nil {
		t.Fatal(err)
	}
	left := index.Usage{Patients: int64(len(f.find(&query.Query{Level: query.Patient}))), Studies: 1, Series: 2, Instances: 12, Bytes: full.Bytes}
	equal(t, "discarded", f.usage(), left)
	if _, err := f.Restore(ctx, tenant, studyRef(f.all[0])); err != nil {
		t.Fatal(err)
	}
	equal(t, "restored", f.usage(), full)
	if _, err := f.Remove(ctx, tenant, index.Ref{SeriesInstanceUID: f.all[0].SeriesInstanceUID}); err != nil {
		t.Fatal(err)
	}
	full.Series, full.Instances, full.Bytes = 3, 9, full.Bytes-3*size
	equal(t, "a series removed", f.usage(), full)
	if _, err := f.Discard(ctx, tenant, studyRef(f.all[6]), until); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Expire(ctx, until, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Index = open(t, f.dir)
	u := f.usage()
	equal(t, "expired", u, index.Usage{Patients: u.Patients, Studies: 1, Series: 1, Instances: 3, Bytes: 3*size + 8})
	if _, err := f.Remove(ctx, tenant, studyRef(f.all[0])); err != nil {
		t.Fatal(err)
	}
	equal(t, "all removed", f.usage(), index.Usage{})
}
