package indextest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// complete announces what is quiet by now and returns how many studies that were.
func (f *fixture) complete(limit int) int {
	f.t.Helper()
	n, err := f.CompleteStudies(context.Background(), now(), limit)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// now is later than every change made so far, on engines that count in microseconds too.
func now() time.Time { return time.Now().Add(time.Millisecond) }

// expectFeed looks at the changes after a sequence: gapless, completions naming the study alone.
func (f *fixture) expectFeed(after int64, want ...index.Change) {
	f.t.Helper()
	got := f.changes(after)
	if len(got) != len(want) {
		f.t.Fatalf("%d changes after %d, want %d: %+v", len(got), after, len(want), got)
	}
	for i, c := range got {
		equal(f.t, "sequence", c.Sequence, after+int64(i)+1)
		equal(f.t, "kind", c.Kind, want[i].Kind)
		if want[i].Ref != (index.Ref{}) {
			equal(f.t, "ref", c.Ref, want[i].Ref)
		}
		if c.Kind == index.StudyCompleted {
			equal(f.t, "class", c.SOPClassUID, "")
			if c.Time.IsZero() {
				f.t.Error("change without time")
			}
		}
	}
}

func completed(uid string) index.Change {
	return index.Change{Kind: index.StudyCompleted, Ref: index.Ref{StudyInstanceUID: uid}}
}

func testComplete(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(41, Shape{Series: 1, Instances: 3})
	ins := take(g, 7) // two studies of three, one begun
	f.add(ins...)
	first, second, third := ins[0].StudyInstanceUID, ins[3].StudyInstanceUID, ins[6].StudyInstanceUID

	if n, err := f.CompleteStudies(context.Background(), time.Now().Add(-time.Hour), 10); err != nil || n != 0 {
		t.Fatalf("studies that have just changed: %d, %v", n, err)
	}
	equal(t, "no more than asked", f.complete(2), 2)
	equal(t, "the rest", f.complete(10), 1)
	equal(t, "again", f.complete(10), 0)
	f.expectFeed(7, completed(first), completed(second), completed(third))

	// A duplicate changes nothing; a new instance, a removal and a replacement do.
	if _, err := f.Add(context.Background(), tenant, ins[0], false); err != nil {
		t.Fatal(err)
	}
	equal(t, "after a duplicate", f.complete(10), 0)
	f.add(take(g, 1)...)
	equal(t, "after a late arrival", f.complete(10), 1)
	if _, err := f.Remove(context.Background(), tenant, index.Ref{SOPInstanceUID: ins[0].SOPInstanceUID}); err != nil {
		t.Fatal(err)
	}
	equal(t, "after a removal", f.complete(10), 1)
	again := ins[3]
	again.Blob = g.Record(again.Blob.Location.Length)
	if _, err := f.Add(context.Background(), tenant, again, true); err != nil {
		t.Fatal(err)
	}
	equal(t, "after a replacement", f.complete(10), 1)
	stored, deleted := index.Change{Kind: index.InstanceStored}, index.Change{Kind: index.InstanceDeleted}
	f.expectFeed(10, stored, completed(third), deleted, completed(first), deleted, stored, completed(second))

	// The order of what was stored and announced survives that it is removed.
	f.add(take(g, 1)...)
	if _, err := f.Remove(context.Background(), tenant, index.Ref{StudyInstanceUID: third}); err != nil {
		t.Fatal(err)
	}
	equal(t, "a study that is gone", f.complete(10), 0)
	f.Index.Close()
	f.Index = f.open(t, f.dir)
	equal(t, "reopened", f.complete(10), 0)
	f.expectFeed(17, stored, deleted, deleted, deleted)
	f.add(ins[6])
	equal(t, "stored again", f.complete(10), 1)
	f.expectFeed(21, stored, completed(third))
}

// testCompleteOnce stores, announces and removes at the same time: whatever the order, each
// state of a study is announced once, and the last one of each that is left is.
func testCompleteOnce(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx := context.Background()
	var senders, callers sync.WaitGroup
	stop := make(chan struct{})
	all := take(New(50, Shape{Series: 1, Instances: 8}), 160)
	for sender := range 4 { // each sends a part of every study
		senders.Go(func() {
			for i := sender; i < len(all); i += 4 {
				in := all[i]
				if _, err := f.Add(ctx, tenant, in, false); err != nil {
					t.Error(err)
				}
				if i%24 == 23 {
					_, err := f.Remove(ctx, tenant, index.Ref{StudyInstanceUID: in.StudyInstanceUID})
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
		callers.Go(func() {
			for {
				if _, err := f.CompleteStudies(ctx, now(), 3); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	senders.Wait()
	close(stop)
	callers.Wait()
	for f.complete(100) > 0 {
	}
	dirty, there := map[string]bool{}, map[string]int{} // changed since it was announced; instances
	for i, c := range f.changes(0) {
		equal(t, "sequence", c.Sequence, int64(i+1))
		switch c.Kind {
		case index.InstanceStored:
			there[c.StudyInstanceUID]++
			dirty[c.StudyInstanceUID] = true
		case index.InstanceDeleted:
			there[c.StudyInstanceUID]--
			dirty[c.StudyInstanceUID] = true
		case index.StudyCompleted:
			if !dirty[c.StudyInstanceUID] || there[c.StudyInstanceUID] == 0 {
				t.Errorf("change %d announces a study that is as it was, or gone", c.Sequence)
			}
			dirty[c.StudyInstanceUID] = false
		}
	}
	for uid, open := range dirty {
		if open && there[uid] > 0 {
			t.Errorf("study %s was never announced as it is", uid)
		}
	}
}

func testCompleteTenants(t *testing.T, open Open) {
	f := newFixture(t, open)
	other := storage.TenantID("other")
	in := New(60, Shape{Series: 1, Instances: 1}).Next()
	f.add(in)
	if _, err := f.Add(context.Background(), other, in, false); err != nil {
		t.Fatal(err)
	}
	equal(t, "studies of all tenants", f.complete(10), 2)
	f.expectFeed(1, completed(in.StudyInstanceUID))
	cs, err := f.Changes(context.Background(), other, 1, 0)
	if err != nil || len(cs) != 1 || cs[0].Sequence != 2 || cs[0].Kind != index.StudyCompleted {
		t.Errorf("feed of the other tenant: %+v, %v", cs, err)
	}
}
