package indextest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Open opens the engine's index that is kept in dir, new or again.
type Open func(t testing.TB, dir string) index.Index

const tenant = storage.DefaultTenant

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, Open){
		"Oracle":     testOracle,
		"Identifier": testIdentifier,
		"Pages":      testPages,
		"Duplicate":  testDuplicate,
		"Replace":    testReplace,
		"FirstWins":  testFirstWins,
		"Remove":     testRemove,
		"RemoveRef":  testRemoveRef,
		"Changes":    testChanges,
		"Concurrent": testConcurrent,
		"WhileReads": testWhileReads,
		"Tails":      testTails,
		"Erasures":   testErasures,
		"Locate":     testLocate,
		"Relocate":   testRelocate,
		"Tenants":    testTenants,
		"Reopen":     testReopen,
		"Break":      testBreak,
		"Canceled":   testCanceled,
		"AllFields":  testAllFields,
		"Patients":   testPatients,
		"Recent":     testRecent,
		"Closed":     testClosed,

		"OtherLevels":     testSeriesOfTwoStudies,
		"Trash":           testTrash,
		"TrashAgain":      testTrashAgain,
		"Usage":           testUsage,
		"Complete":        testComplete,
		"CompleteOnce":    testCompleteOnce,
		"CompleteTenants": testCompleteTenants,
		"Seal":            testSeal,
		"SealDiscard":     testSealDiscard,
		"SealTenants":     testSealTenants,
		"SealRace":        testSealRace,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

// fixture is an index with what was put in.
type fixture struct {
	index.Index
	t    testing.TB
	open Open
	dir  string
	all  []index.Instance
}

func newFixture(t testing.TB, open Open) *fixture {
	dir := t.TempDir()
	f := &fixture{Index: open(t, dir), t: t, open: open, dir: dir}
	t.Cleanup(func() { f.Index.Close() })
	return f
}

func (f *fixture) add(ins ...index.Instance) {
	f.t.Helper()
	for _, in := range ins {
		got, err := f.Add(context.Background(), tenant, in, false)
		if err != nil || got.Existing != nil || got.Sequence == 0 {
			f.t.Fatalf("Add: %+v, %v", got, err)
		}
		f.all = append(f.all, in)
	}
}

func take(g *Generator, n int) []index.Instance {
	out := make([]index.Instance, n)
	for i := range out {
		out[i] = g.Next()
	}
	return out
}

func (f *fixture) find(q *query.Query) []*dicom.Dataset {
	f.t.Helper()
	var out []*dicom.Dataset
	for d, err := range f.Find(context.Background(), tenant, q) {
		if err != nil {
			f.t.Fatalf("Find: %v", err)
		}
		out = append(out, d)
	}
	return out
}

func (f *fixture) locate(r index.Ref, fields index.Fields) []index.Entry {
	f.t.Helper()
	var out []index.Entry
	for e, err := range f.Locate(context.Background(), tenant, r, fields) {
		if err != nil {
			f.t.Fatalf("Locate: %v", err)
		}
		out = append(out, e)
	}
	return out
}

func (f *fixture) changes(after int64) []index.Change {
	f.t.Helper()
	out, err := f.Changes(context.Background(), tenant, after, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

var uniqueKey = [...]tag.Tag{tag.PatientID, tag.StudyInstanceUID, tag.SeriesInstanceUID, tag.SOPInstanceUID}

func uids(ds []*dicom.Dataset, l query.Level) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = d.UID(uniqueKey[l])
	}
	return out
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func testDuplicate(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(3, Shape{Series: 1, Instances: 3})
	f.add(take(g, 3)...)
	again := f.all[1]
	again.Blob = g.Record(10)
	got, err := f.Add(context.Background(), tenant, again, false)
	if err != nil {
		t.Fatal(err)
	}
	if got.Existing == nil || got.Sequence != 0 || got.NewStudy || got.NewSeries {
		t.Fatalf("duplicate: %+v", got)
	}
	equal(t, "location", got.Existing.Location, f.all[1].Blob.Location)
	equal(t, "CRC", got.Existing.DatasetCRC, f.all[1].DatasetCRC)
	equal(t, "SOP class", got.Existing.SOPClassUID, f.all[1].SOPClassUID)
	equal(t, "changes", len(f.changes(0)), 3)
	// A duplicate under another study must change neither study.
	other := New(4, Shape{Series: 1, Instances: 1}).Next()
	other.SOPInstanceUID, other.StudyInstanceUID, other.SeriesInstanceUID = f.all[0].SOPInstanceUID, "1.2.3", "1.2.3.4"
	if got, err = f.Add(context.Background(), tenant, other, false); err != nil || got.Existing == nil {
		t.Fatalf("duplicate in another study: %+v, %v", got, err)
	}
	equal(t, "studies", len(f.find(&query.Query{Level: query.Study})), 1)
}

func testReplace(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(3, Shape{Series: 1, Instances: 3})
	f.add(take(g, 3)...)
	again := f.all[1]
	again.Blob = g.Record(10)
	again.DatasetCRC++
	again.Header = append([]byte(nil), f.all[2].Header...)
	got, err := f.Add(context.Background(), tenant, again, true)
	if err != nil || got.Replaced == nil || got.Existing != nil {
		t.Fatalf("replace: %+v, %v", got, err)
	}
	equal(t, "replaced", got.Replaced.Location, f.all[1].Blob.Location)
	pending, err := f.PendingErasures(context.Background())
	if err != nil || len(pending) != 1 || pending[0] != f.all[1].Blob.Location {
		t.Fatalf("pending: %v, %v", pending, err)
	}
	es := f.locate(index.Ref{SOPInstanceUID: again.SOPInstanceUID}, index.WithHeader)
	if len(es) != 1 || es[0].Location != again.Blob.Location || !slices.Equal(es[0].Header, again.Header) {
		t.Fatalf("entry: %+v", es)
	}
	d := f.find(&query.Query{Level: query.Study})[0]
	equal(t, "instances", d.Text(tag.NumberOfStudyRelatedInstances), "3")
	cs := f.changes(3)
	if len(cs) != 2 || cs[0].Kind != index.InstanceDeleted || cs[1].Kind != index.InstanceStored {
		t.Fatalf("changes: %+v", cs)
	}
	// Replaced by itself it is there already: its bytes must stay.
	if got, err = f.Add(context.Background(), tenant, again, true); err != nil || got.Replaced != nil || got.Existing == nil {
		t.Fatalf("replaced by itself: %+v, %v", got, err)
	}
	if after, err := f.PendingErasures(context.Background()); err != nil || !slices.Equal(after, pending) {
		t.Fatalf("pending: %v, %v", after, err)
	}
	equal(t, "changes", len(f.changes(3)), 2)
	// Nothing to replace is a plain Add.
	fresh := New(9, Shape{Series: 1, Instances: 1}).Next()
	fresh.StudyInstanceUID, fresh.SOPInstanceUID = "1.2.3", "1.2.3.4.5"
	if got, err = f.Add(context.Background(), tenant, fresh, true); err != nil || got.Replaced != nil || !got.NewStudy {
		t.Fatalf("replace of nothing: %+v, %v", got, err)
	}
}

func testFirstWins(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(5, Shape{Series: 1, Instances: 4})
	ins := take(g, 3)
	ins[0].Dataset.SetText(tag.StudyDescription)
	ins[0].Dataset.SetText(tag.PatientName, "First^Name")
	ins[1].Dataset.SetText(tag.StudyDescription, "Later")
	ins[1].Dataset.SetText(tag.PatientName, "Other^Name")
	ins[1].Dataset.SetText(tag.PatientComments, "größer")
	ins[2].Dataset.SetText(tag.StudyDescription, "Latest")
	f.add(ins...)
	ds := f.find(&query.Query{Level: query.Study})
	if len(ds) != 1 {
		t.Fatalf("%d studies", len(ds))
	}
	equal(t, "description", ds[0].Text(tag.StudyDescription), "Later")
	equal(t, "name", ds[0].Text(tag.PatientName), "First^Name")
	equal(t, "comments", ds[0].Text(tag.PatientComments), "größer")
	for name, want := range map[string]int{"first*": 1, "other*": 0} {
		q := &query.Query{Level: query.Study, Keys: []query.Key{{Path: []tag.Tag{tag.PatientName},
			VR: tag.PatientName.VR(), Kind: query.Wildcard, Values: []string{name}}}}
		equal(t, name, len(f.find(q)), want)
	}
}

func testConcurrent(t *testing.T, open Open) {
	f := newFixture(t, open)
	const workers, each = 32, 8
	g := New(6, Shape{Series: 4, Instances: workers * each / 4})
	ins := take(g, workers*each)
	var wg sync.WaitGroup
	var lock sync.Mutex
	stored, newStudies, newSeries := 0, 0, 0
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				// Every instance twice, from two workers.
				for _, in := range []index.Instance{ins[w*each+i], ins[(w*each+i+each)%len(ins)]} {
					got, err := f.Add(context.Background(), tenant, in, false)
					if err != nil {
						t.Error(err)
						return
					}
					lock.Lock()
					if got.Existing == nil {
						stored++
					}
					if got.NewStudy {
						newStudies++
					}
					if got.NewSeries {
						newSeries++
					}
					lock.Unlock()
				}
			}
		})
	}
	wg.Wait()
	equal(t, "stored", stored, len(ins))
	equal(t, "new studies", newStudies, 1)
	equal(t, "new series", newSeries, 4)
	d := f.find(&query.Query{Level: query.Study})[0]
	equal(t, "instances", d.Text(tag.NumberOfStudyRelatedInstances), fmt.Sprint(len(ins)))
	equal(t, "series", d.Text(tag.NumberOfStudyRelatedSeries), "4")
	for i, c := range f.changes(0) {
		equal(t, "sequence", c.Sequence, int64(i+1))
	}
	ss, err := f.Series(context.Background(), tenant, index.Ref{StudyInstanceUID: ins[0].StudyInstanceUID})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range ss {
		n += s.Instances
	}
	equal(t, "instances of series", n, len(ins))
}

// testWhileReads lets readers page while the writer adds and removes: nothing may fail, and
// what was there from beginning to end must be found.
func testWhileReads(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(7, Shape{Series: 1, Instances: 2})
	f.add(take(g, 100)...)
	more := take(g, 100)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := 0
				for _, err := range f.Find(context.Background(), tenant, &query.Query{Level: query.Study}) {
					if err != nil {
						t.Error(err)
						return
					}
					n++
				}
				if n < 50 {
					t.Errorf("%d studies found, 50 were there all the time", n)
					return
				}
			}
		})
	}
	for i := 0; i < len(more); i += 2 {
		f.add(more[i], more[i+1])
		if _, err := f.Remove(ctx, tenant, index.Ref{StudyInstanceUID: more[i].StudyInstanceUID}); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
}

func testTails(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(8, Shape{Series: 1, Instances: 10})
	ins := take(g, 4)
	object := ins[0].Blob.Location.Object
	tail := func() int64 {
		tails, err := f.Tails(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return tails[object]
	}
	f.add(ins[0])
	equal(t, "tail", tail(), ins[0].Blob.End)
	f.add(ins[1])
	equal(t, "tail", tail(), ins[1].Blob.End)
	if got, err := f.Add(context.Background(), tenant, ins[0], false); err != nil || got.Existing == nil {
		t.Fatalf("replay: %+v, %v", got, err)
	}
	equal(t, "tail after a replay", tail(), ins[1].Blob.End)
	f.add(ins[2])
	if _, err := f.Remove(context.Background(), tenant, index.Ref{SOPInstanceUID: ins[2].SOPInstanceUID}); err != nil {
		t.Fatal(err)
	}
	f.add(ins[3])
	equal(t, "tail after Remove", tail(), ins[3].Blob.End)
	again := ins[1]
	again.Blob = g.Record(1000)
	if got, err := f.Add(context.Background(), tenant, again, false); err != nil || got.Existing == nil {
		t.Fatalf("duplicate: %+v, %v", got, err)
	}
	equal(t, "tail after a duplicate", tail(), again.Blob.End)
	for _, in := range ins {
		has, err := f.Has(context.Background(), in.Blob.Location)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "Has", has, true) // the one that was removed is still to be erased
	}
}

func testTenants(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(10, Shape{Series: 1, Instances: 2})
	f.add(take(g, 4)...)
	ctx, other := context.Background(), storage.TenantID("other")
	if got, err := f.Add(ctx, other, f.all[0], false); err != nil || got.Existing != nil || got.Sequence != 1 {
		t.Fatalf("the same instance for another tenant: %+v, %v", got, err)
	}
	for _, l := range []query.Level{query.Patient, query.Study, query.Series, query.Instance} {
		n, err := f.Count(ctx, other, &query.Query{Level: l})
		if err != nil || n != 1 {
			t.Errorf("%s: %d, %v", l, n, err)
		}
	}
	if _, err := f.Remove(ctx, other, index.Ref{StudyInstanceUID: f.all[3].StudyInstanceUID}); !errs.Is(err, errs.NotFound) {
		t.Errorf("removing what is another tenant's: %v", err)
	}
	if _, err := f.Remove(ctx, other, index.Ref{StudyInstanceUID: f.all[0].StudyInstanceUID}); err != nil {
		t.Error(err)
	}
	equal(t, "instances of the first tenant", len(f.locate(index.Ref{}, 0)), 4)
	for _, err := range f.Find(ctx, "nobody", &query.Query{}) {
		t.Errorf("tenant without data: %v", err)
	}
	cs, err := f.Changes(ctx, other, 0, 10)
	if err != nil || len(cs) != 2 || cs[1].Sequence != 2 {
		t.Errorf("changes of the other tenant: %+v, %v", cs, err)
	}
}

func testReopen(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(11, Shape{Series: 2, Instances: 3})
	f.add(take(g, 12)...)
	before := uids(f.find(&query.Query{Level: query.Instance}), query.Instance)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Index = open(t, f.dir)
	if after := uids(f.find(&query.Query{Level: query.Instance}), query.Instance); !slices.Equal(before, after) {
		t.Errorf("instances changed by reopening: %v, %v", before, after)
	}
	got, err := f.Add(context.Background(), tenant, f.all[0], false)
	if err != nil || got.Existing == nil {
		t.Errorf("replay after reopening: %+v, %v", got, err)
	}
	f.add(g.Next())
	if c := f.changes(12); len(c) != 1 || c[0].Sequence != 13 {
		t.Errorf("changes go on: %+v", c)
	}
}

func testBreak(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(12, Shape{Series: 1, Instances: 1})
	f.add(take(g, 80)...)
	for range 20 { // more often than there are connections
		for range f.Find(context.Background(), tenant, &query.Query{Level: query.Instance}) {
			break
		}
		for range f.Locate(context.Background(), tenant, index.Ref{}, 0) {
			break
		}
	}
	// A consumer that stops in the middle holds nothing: the writer goes on.
	for range f.Find(context.Background(), tenant, &query.Query{Level: query.Study}) {
		f.add(g.Next())
		break
	}
}

func testCanceled(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(13, Shape{Series: 1, Instances: 1})
	f.add(take(g, 200)...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	var last error
	for _, err := range f.Find(ctx, tenant, &query.Query{Level: query.Study}) {
		n, last = n+1, err
		cancel()
	}
	if !errs.Is(last, errs.Canceled) || n > 150 {
		t.Errorf("after cancel: %d answers, %v", n, last)
	}
	if _, err := f.Remove(ctx, tenant, index.Ref{StudyInstanceUID: "1"}); !errs.Is(err, errs.Canceled) {
		t.Errorf("Remove: %v", err)
	}
}

func testRecent(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(14, Shape{Series: 1, Instances: 2})
	f.add(take(g, 10)...)
	late := f.all[0]
	late.SOPInstanceUID += ".77"
	late.Blob = g.Record(10)
	f.add(late)
	ds, err := f.Recent(context.Background(), tenant, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{f.all[0].StudyInstanceUID, f.all[8].StudyInstanceUID, f.all[6].StudyInstanceUID}
	if got := uids(ds, query.Study); !slices.Equal(got, want) {
		t.Errorf("recent: %v, want %v", got, want)
	}
}

func testClosed(t *testing.T, open Open) {
	f := newFixture(t, open)
	in := New(15, Shape{Series: 1, Instances: 1}).Next()
	f.add(in)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	in.SOPInstanceUID += ".1"
	if _, err := f.Add(context.Background(), tenant, in, false); !errs.Is(err, errs.Unavailable) {
		t.Errorf("Add after Close: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
