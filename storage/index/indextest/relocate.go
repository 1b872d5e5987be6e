package indextest

import (
	"bytes"
	"context"
	"testing"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// testRelocate: another form takes an instance's place, but only where it was expected, and what
// was there is to be erased.
func testRelocate(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx := context.Background()
	g := New(46, Shape{Series: 1, Instances: 3})
	f.add(take(g, 3)...)
	before := f.locate(instanceRef(f.all[1]), index.WithHeader|index.WithFrames)[0]
	changes := len(f.changes(0))
	states, err := f.Series(ctx, tenant, index.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	used, err := f.Usage(ctx, tenant)
	if err != nil {
		t.Fatal(err)
	}

	to := f.all[1]
	to.TransferSyntaxUID, to.DatasetOffset, to.DatasetCRC = "1.2.840.10008.1.2.4.80", 777, 12345
	to.Frames = []byte{2, 9, 1, 5}
	to.Blob = g.Record(500)
	to.Blob.Location.Object = "other/" + to.Blob.Location.Object
	relocate := func(what string, tn storage.TenantID, want bool) {
		t.Helper()
		moved, err := f.Relocate(ctx, tn, before.Location, to)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, what, moved, want)
	}
	relocate("for another tenant", "other", false)
	relocate("relocated", tenant, true)
	relocate("tried again", tenant, true)
	further := to
	further.Blob = g.Record(400)
	if moved, err := f.Relocate(ctx, tenant, before.Location, further); err != nil || moved {
		t.Errorf("from where it does not lie: %v, %v", moved, err)
	}
	f.expectPending("after relocating", before.Location)

	check := func() {
		t.Helper()
		got := f.locate(instanceRef(f.all[1]), index.WithHeader|index.WithFrames)
		if len(got) != 1 {
			t.Fatalf("%d entries", len(got))
		}
		e := got[0]
		if e.Location != to.Blob.Location || e.TransferSyntaxUID != to.TransferSyntaxUID || e.DatasetOffset != 777 || e.DatasetCRC != 12345 ||
			!bytes.Equal(e.Frames, to.Frames) || !e.Received.Equal(before.Received) || e.SOPClassUID != before.SOPClassUID {
			t.Errorf("it is %+v, was %+v", e, before)
		}
		equal(t, "the new location is known", f.has(to.Blob.Location), true)
		equal(t, "the old one, until it is erased", f.has(before.Location), true)
		equal(t, "changes", len(f.changes(0)), changes)
		now, err := f.Series(ctx, tenant, index.Ref{})
		if err != nil || now[0].Revision != states[0].Revision || now[0].Instances != states[0].Instances {
			t.Errorf("series %+v, was %+v, %v", now, states, err)
		}
		after, err := f.Usage(ctx, tenant)
		used := used
		used.Bytes += to.Blob.Location.Length - before.Location.Length
		if err != nil || after != used {
			t.Errorf("usage %+v, want %+v, %v", after, used, err)
		}
	}
	check()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Index = open(t, f.dir)
	check()
	if _, err := f.Remove(ctx, tenant, instanceRef(f.all[1])); err != nil {
		t.Fatal(err)
	}
	f.expectPending("after removing it", before.Location, to.Blob.Location)
	if moved, err := f.Relocate(ctx, tenant, to.Blob.Location, further); err != nil || moved {
		t.Errorf("after it was removed: %v, %v", moved, err)
	}
}
