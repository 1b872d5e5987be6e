package indextest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

func testRemove(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx := context.Background()
	g := New(20, Shape{Series: 2, Instances: 3})
	f.add(take(g, 12)...)
	first := f.all[0]
	study := index.Ref{StudyInstanceUID: first.StudyInstanceUID}
	before, err := f.Series(ctx, tenant, study)
	if err != nil || len(before) != 2 {
		t.Fatalf("series: %+v, %v", before, err)
	}

	gone, err := f.Remove(ctx, tenant, index.Ref{SOPInstanceUID: first.SOPInstanceUID})
	if err != nil || !slices.Equal(gone, []blob.Location{first.Blob.Location}) {
		t.Fatalf("Remove: %v, %v", gone, err)
	}
	after, err := f.Series(ctx, tenant, study)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range after {
		changed := s.SeriesInstanceUID == first.SeriesInstanceUID
		if changed != (s.Revision > before[i].Revision) || s.Instances != before[i].Instances-map[bool]int{true: 1}[changed] {
			t.Errorf("series %d: %+v, before %+v", i, s, before[i])
		}
	}
	d := f.find(f.params(query.Study, "StudyInstanceUID", first.StudyInstanceUID))[0]
	equal(t, "instances", d.Text(tag.NumberOfStudyRelatedInstances), "5")

	if _, err := f.Remove(ctx, tenant, index.Ref{SeriesInstanceUID: first.SeriesInstanceUID}); err != nil {
		t.Fatal(err)
	}
	d = f.find(f.params(query.Study, "StudyInstanceUID", first.StudyInstanceUID))[0]
	equal(t, "instances", d.Text(tag.NumberOfStudyRelatedInstances), "3")
	equal(t, "series", d.Text(tag.NumberOfStudyRelatedSeries), "1")
	equal(t, "modalities", d.Text(tag.ModalitiesInStudy), f.all[3].Dataset.Text(tag.Modality))
	equal(t, "classes", d.Text(tag.SOPClassesInStudy), f.all[3].SOPClassUID)

	if _, err := f.Remove(ctx, tenant, study); err != nil {
		t.Fatal(err)
	}
	equal(t, "studies", len(f.find(&query.Query{Level: query.Study})), 1)
	equal(t, "by name", len(f.find(f.params(query.Study, "PatientName", first.Dataset.Text(tag.PatientName), "PatientID", first.Dataset.Text(tag.PatientID)))), f.expectStudies(first))
	equal(t, "patients", len(f.find(&query.Query{Level: query.Patient})), 1)

	pending, err := f.PendingErasures(ctx)
	if err != nil || len(pending) != 6 {
		t.Fatalf("pending: %v, %v", pending, err)
	}
	if err := f.Erased(ctx, pending[:4]); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Index = open(t, f.dir)
	left, err := f.PendingErasures(ctx)
	if err != nil || !slices.Equal(left, pending[4:]) {
		t.Errorf("pending after reopening: %v, %v", left, err)
	}

	// What was removed can come again.
	again := first
	again.Blob = g.Record(100)
	if got, err := f.Add(ctx, tenant, again, false); err != nil || !got.NewStudy || got.Sequence != 19 {
		t.Errorf("adding again: %+v, %v", got, err)
	}
}

// expectStudies counts the studies that are left and answer to the patient of in.
func (f *fixture) expectStudies(in index.Instance) int {
	other := f.all[6].Dataset
	if other.Text(tag.PatientName) == in.Dataset.Text(tag.PatientName) && other.Text(tag.PatientID) == in.Dataset.Text(tag.PatientID) {
		return 1
	}
	return 0
}

func testRemoveRef(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx := context.Background()
	f.add(take(New(21, Shape{Series: 1, Instances: 2}), 4)...)
	if _, err := f.Remove(ctx, tenant, index.Ref{}); !errs.Is(err, errs.Invalid) {
		t.Errorf("zero Ref: %v", err)
	}
	for _, r := range []index.Ref{
		{StudyInstanceUID: "9.9"}, {SOPInstanceUID: "9.9"}, {SeriesInstanceUID: "9"},
		{StudyInstanceUID: f.all[2].StudyInstanceUID, SOPInstanceUID: f.all[0].SOPInstanceUID},
		{StudyInstanceUID: f.all[2].StudyInstanceUID, SeriesInstanceUID: f.all[0].SeriesInstanceUID},
		{SeriesInstanceUID: f.all[2].SeriesInstanceUID, SOPInstanceUID: f.all[0].SOPInstanceUID},
	} {
		if _, err := f.Remove(ctx, tenant, r); !errs.Is(err, errs.NotFound) {
			t.Errorf("Remove(%+v): %v", r, err)
		}
		if es := f.locate(r, 0); len(es) != 0 {
			t.Errorf("Locate(%+v): %d entries", r, len(es))
		}
	}
	equal(t, "instances", len(f.locate(index.Ref{}, 0)), 4)
}

func testChanges(t *testing.T, open Open) {
	f := newFixture(t, open)
	f.add(take(New(22, Shape{Series: 1, Instances: 5}), 10)...)
	if _, err := f.Remove(context.Background(), tenant, index.Ref{StudyInstanceUID: f.all[0].StudyInstanceUID}); err != nil {
		t.Fatal(err)
	}
	var all []index.Change
	for after := int64(0); ; {
		cs, err := f.Changes(context.Background(), tenant, after, 4)
		if err != nil {
			t.Fatal(err)
		}
		if len(cs) == 0 {
			break
		}
		all = append(all, cs...)
		after = cs[len(cs)-1].Sequence
	}
	equal(t, "changes", len(all), 15)
	for i, c := range all {
		equal(t, "sequence", c.Sequence, int64(i+1))
		kind, in := index.InstanceStored, f.all[i%10]
		if i >= 10 {
			kind, in = index.InstanceDeleted, f.all[i-10]
		}
		equal(t, "kind", c.Kind, kind)
		equal(t, "SOP class", c.SOPClassUID, in.SOPClassUID)
		equal(t, "ref", c.Ref, index.Ref{StudyInstanceUID: in.StudyInstanceUID,
			SeriesInstanceUID: in.SeriesInstanceUID, SOPInstanceUID: in.SOPInstanceUID})
		if c.Time.IsZero() {
			t.Error("change without time")
		}
	}
	if cs, err := f.Changes(context.Background(), tenant, 1<<62, 10); err != nil || len(cs) != 0 {
		t.Errorf("behind the end: %v, %v", cs, err)
	}
}

func testLocate(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(23, Shape{Series: 2, Instances: 700})
	ins := take(g, 1400)
	for i := range ins { // arrival is not the order of numbers
		j := (i * 37) % len(ins)
		f.add(ins[j])
	}
	es := f.locate(index.Ref{StudyInstanceUID: ins[0].StudyInstanceUID}, index.WithHeader|index.WithFrames)
	equal(t, "entries", len(es), len(ins))
	byUID := make(map[string]index.Instance)
	for _, in := range ins {
		byUID[in.SOPInstanceUID] = in
	}
	for i, e := range es {
		in := byUID[e.SOPInstanceUID]
		if i > 0 && es[i-1].SeriesInstanceUID == e.SeriesInstanceUID {
			before, _ := byUID[es[i-1].SOPInstanceUID].Dataset.Int(tag.InstanceNumber)
			if n, _ := in.Dataset.Int(tag.InstanceNumber); n <= before {
				t.Fatalf("InstanceNumber %d after %d", n, before)
			}
		}
		if !slices.Equal(e.Header, in.Header) || !slices.Equal(e.Frames, in.Frames) || e.Location != in.Blob.Location ||
			e.DatasetOffset != in.DatasetOffset || e.DatasetCRC != in.DatasetCRC || e.SOPClassUID != in.SOPClassUID ||
			e.TransferSyntaxUID != in.TransferSyntaxUID || !e.Received.Equal(in.Blob.Received) ||
			e.SeriesInstanceUID != in.SeriesInstanceUID || e.StudyInstanceUID != in.StudyInstanceUID {
			t.Fatalf("entry %d: %+v", i, e)
		}
	}
	equal(t, "of a series", len(f.locate(index.Ref{SeriesInstanceUID: ins[0].SeriesInstanceUID}, 0)), 700)
	one := f.locate(index.Ref{SOPInstanceUID: ins[5].SOPInstanceUID, StudyInstanceUID: ins[5].StudyInstanceUID}, index.WithFrames)
	if len(one) != 1 || one[0].Header != nil || !slices.Equal(one[0].Frames, ins[5].Frames) {
		t.Errorf("one: %+v", one)
	}
	equal(t, "nothing", len(f.locate(index.Ref{StudyInstanceUID: "1.2"}, 0)), 0)
}

// testSeriesOfTwoStudies stores a Series Instance UID in two studies, which the standard forbids
// and the field does: each study has its own.
func testSeriesOfTwoStudies(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(24, Shape{Series: 1, Instances: 2})
	ins := take(g, 4)
	for i := 2; i < 4; i++ {
		ins[i].SeriesInstanceUID = ins[0].SeriesInstanceUID
		ins[i].Dataset.SetUID(tag.SeriesInstanceUID, ins[0].SeriesInstanceUID)
	}
	f.add(ins...)
	ds := f.find(f.params(query.Series, "SeriesInstanceUID", ins[0].SeriesInstanceUID))
	equal(t, "series", len(ds), 2)
	equal(t, "located", len(f.locate(index.Ref{SeriesInstanceUID: ins[0].SeriesInstanceUID}, 0)), 4)
	equal(t, "located in one", len(f.locate(index.Ref{StudyInstanceUID: ins[2].StudyInstanceUID, SeriesInstanceUID: ins[0].SeriesInstanceUID}, 0)), 2)
	for _, d := range ds {
		equal(t, "instances", d.Text(tag.NumberOfSeriesRelatedInstances), fmt.Sprint(2))
	}
}
