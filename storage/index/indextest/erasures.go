package indextest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

func (f *fixture) noteErasure(t storage.TenantID, l blob.Location) bool {
	f.t.Helper()
	noted, err := f.NoteErasure(context.Background(), t, l)
	if err != nil {
		f.t.Fatal(err)
	}
	return noted
}

func (f *fixture) expectPending(what string, want ...blob.Location) {
	f.t.Helper()
	got, err := f.PendingErasures(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	slices.SortFunc(want, func(a, b blob.Location) int { return int(a.Offset - b.Offset) })
	if !slices.Equal(got, want) {
		f.t.Errorf("pending erasures %s: %v, want %v", what, got, want)
	}
}

// testErasures: a record that is to be erased is known until it is gone, so that nobody takes it
// for an orphan; a record that is an instance is not to be erased.
func testErasures(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx := context.Background()
	g := New(45, Shape{Series: 1, Instances: 3})
	f.add(take(g, 3)...)
	removed, discarded, found := f.all[0].Blob.Location, f.all[1].Blob.Location, f.all[2].Blob.Location
	if _, err := f.Remove(ctx, tenant, instanceRef(f.all[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Discard(ctx, tenant, instanceRef(f.all[1]), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	duplicate := g.Record(1000).Location
	equal(t, "unknown record is known", f.has(duplicate), false)
	equal(t, "noted", f.noteErasure(tenant, duplicate), true)
	equal(t, "noted twice", f.noteErasure(tenant, duplicate), true)
	equal(t, "an instance noted", f.noteErasure(tenant, found), false)
	equal(t, "a discarded one noted", f.noteErasure(tenant, discarded), false)
	f.expectPending("when noted", removed, duplicate)

	// For a tenant that has stored nothing yet.
	refused := g.Record(1000).Location
	equal(t, "noted for another tenant", f.noteErasure("other", refused), true)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Index = open(t, f.dir)
	f.expectPending("after reopening", removed, duplicate, refused)
	for _, l := range []blob.Location{removed, discarded, found, duplicate, refused} {
		equal(t, "Has", f.has(l), true)
	}
	if err := f.Erased(ctx, []blob.Location{removed, duplicate, refused}); err != nil {
		t.Fatal(err)
	}
	for _, l := range []blob.Location{removed, duplicate, refused} {
		equal(t, "Has, erased", f.has(l), false)
	}
	equal(t, "changes", len(f.changes(0)), 5)
	equal(t, "location of what is discarded", f.discarded(instanceRef(f.all[1]))[0].Location, discarded)
}
