package indextest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// derived makes up the place of a derived object.
func derived(n int) blob.Location {
	return blob.Location{Object: storage.Key(fmt.Sprintf("default/derived%d", n/10)), Offset: int64(100 + n%10*1000), Length: 900}
}

// unsealed lists what is quiet by now.
func (f *fixture) unsealed(limit int) []index.SeriesState {
	f.t.Helper()
	all, err := f.Unsealed(context.Background(), now(), limit)
	if err != nil {
		f.t.Fatal(err)
	}
	return all[tenant]
}

// seal seals the series as it is in the state given.
func (f *fixture) seal(s index.SeriesState, l blob.Location) bool {
	f.t.Helper()
	done, err := f.Seal(context.Background(), tenant, s, index.Seal{Revision: s.Revision, Metadata: l, ETag: `"` + string(l.Object) + `"`})
	if err != nil {
		f.t.Fatal(err)
	}
	return done
}

func (f *fixture) expectStale(what string, want ...blob.Location) {
	f.t.Helper()
	got, err := f.StaleSeals(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b blob.Location) int {
		if a.Object != b.Object {
			return len(a.Object) - len(b.Object)
		}
		return int(a.Offset - b.Offset)
	})
	if !slices.Equal(got, want) {
		f.t.Errorf("stale seals %s: %v, want %v", what, got, want)
	}
}

func (f *fixture) series(r index.Ref) []index.SeriesState {
	f.t.Helper()
	out, err := f.Series(context.Background(), tenant, r)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func testSeal(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx := context.Background()
	g := New(70, Shape{Series: 2, Instances: 3})
	ins := take(g, 6)
	f.add(ins[:5]...)
	if early, err := f.Unsealed(ctx, time.Now().Add(-time.Hour), 10); err != nil || len(early[tenant]) != 0 {
		t.Fatalf("series that have just changed: %v, %v", early, err)
	}
	equal(t, "no more than asked", len(f.unsealed(1)), 1)
	open2 := f.unsealed(10)
	if want := f.series(index.Ref{StudyInstanceUID: ins[0].StudyInstanceUID}); len(open2) != 2 || len(want) != 2 {
		t.Fatalf("unsealed: %+v of %+v", open2, want)
	}
	at := slices.IndexFunc(open2, func(s index.SeriesState) bool { return s.SeriesInstanceUID == ins[0].SeriesInstanceUID })
	first, second := open2[at], open2[1-at]
	equal(t, "revision", first.Revision, int64(3))
	equal(t, "instances", second.Instances, 2)

	equal(t, "sealing", f.seal(first, derived(1)), true)
	equal(t, "sealing", f.seal(second, derived(2)), true)
	equal(t, "left to seal", len(f.unsealed(10)), 0)
	got := f.series(index.Ref{StudyInstanceUID: first.StudyInstanceUID, SeriesInstanceUID: first.SeriesInstanceUID})
	if len(got) != 1 || got[0].Sealed == nil || *got[0].Sealed != (index.Seal{Revision: 3, Metadata: derived(1), ETag: `"default/derived0"`}) {
		t.Fatalf("sealed: %+v", got)
	}
	equal(t, "by instance", f.series(index.Ref{SOPInstanceUID: ins[4].SOPInstanceUID})[0].Sealed.Metadata, derived(2))
	f.expectStale("at first")

	// A late arrival and a duplicate: only the first changes anything.
	f.add(ins[5])
	if _, err := f.Add(ctx, tenant, ins[0], false); err != nil {
		t.Fatal(err)
	}
	f.expectStale("after a late arrival", derived(2))
	equal(t, "seal of the series it came to", f.series(index.Ref{SeriesInstanceUID: second.SeriesInstanceUID})[0].Sealed, nil)
	equal(t, "seal with an old revision", f.seal(second, derived(3)), false)
	f.expectStale("after a seal in vain", derived(2))
	equal(t, "to be sealed again", len(f.unsealed(10)), 1)
	equal(t, "sealing again", f.seal(f.unsealed(10)[0], derived(4)), true)

	// A second seal of the same state takes the place of the first.
	again := f.series(index.Ref{SeriesInstanceUID: first.SeriesInstanceUID})[0]
	equal(t, "second seal", f.seal(again, derived(5)), true)
	f.expectStale("after a second seal", derived(1), derived(2))
	for _, l := range []blob.Location{derived(1), derived(4), derived(5), derived(9)} {
		has, err := f.HasSeal(ctx, l)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "HasSeal", has, l != derived(9))
	}
	if err := f.SealsErased(ctx, []blob.Location{derived(1), derived(2), derived(8)}); err != nil {
		t.Fatal(err)
	}
	f.expectStale("when they are erased")

	// What is removed leaves no seal behind: an instance, a replaced one, the last of a series.
	if _, err := f.Remove(ctx, tenant, index.Ref{SOPInstanceUID: ins[0].SOPInstanceUID}); err != nil {
		t.Fatal(err)
	}
	f.expectStale("after a removal", derived(5))
	replacing := ins[4]
	replacing.Blob = g.Record(10)
	if _, err := f.Add(ctx, tenant, replacing, true); err != nil {
		t.Fatal(err)
	}
	f.expectStale("after a replacement", derived(4), derived(5))
	equal(t, "sealing what changed", f.seal(f.unsealed(1)[0], derived(6)), true)
	equal(t, "sealing what changed", f.seal(f.unsealed(1)[0], derived(7)), true)
	if _, err := f.Remove(ctx, tenant, index.Ref{StudyInstanceUID: ins[0].StudyInstanceUID}); err != nil {
		t.Fatal(err)
	}
	equal(t, "nothing left to seal", len(f.unsealed(10)), 0)
	f.Index.Close()
	f.Index = f.open(t, f.dir)
	f.expectStale("of a study that is gone, reopened", derived(4), derived(5), derived(6), derived(7))
	equal(t, "seal of what is gone", f.seal(again, derived(9)), false)
}

func testSealDiscard(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx := context.Background()
	f.add(take(New(71, Shape{Series: 1, Instances: 2}), 2)...)
	ref := index.Ref{StudyInstanceUID: f.all[0].StudyInstanceUID}
	equal(t, "sealing", f.seal(f.unsealed(1)[0], derived(1)), true)
	if _, err := f.Discard(ctx, tenant, ref, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	f.expectStale("of what was discarded", derived(1))
	if _, err := f.Restore(ctx, tenant, ref); err != nil {
		t.Fatal(err)
	}
	if ss := f.series(ref); len(ss) != 1 || ss[0].Sealed != nil {
		t.Errorf("restored: %+v", ss)
	}
	equal(t, "to be sealed again", len(f.unsealed(10)), 1)
}

func testSealTenants(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx, other := context.Background(), storage.TenantID("other")
	f.add(take(New(72, Shape{Series: 1, Instances: 1}), 1)...)
	if _, err := f.Add(ctx, other, f.all[0], false); err != nil {
		t.Fatal(err)
	}
	all, err := f.Unsealed(ctx, now(), 10)
	if err != nil || len(all[tenant]) != 1 || len(all[other]) != 1 {
		t.Fatalf("unsealed: %+v, %v", all, err)
	}
	equal(t, "sealing", f.seal(all[tenant][0], derived(1)), true)
	ss, err := f.Series(ctx, other, index.Ref{})
	if err != nil || len(ss) != 1 || ss[0].Sealed != nil {
		t.Errorf("the other tenant's series: %+v, %v", ss, err)
	}
}

// testSealRace stores, removes and seals at the same time. A derived object that was recorded is
// the seal of a series or stale, never both and never forgotten, and what is sealed is current.
func testSealRace(t *testing.T, open Open) {
	f := newFixture(t, open)
	ctx := context.Background()
	all := take(New(73, Shape{Series: 2, Instances: 6}), 96)
	var senders, sealers sync.WaitGroup
	var lock sync.Mutex
	recorded, next := map[blob.Location]bool{}, 0
	stop := make(chan struct{})
	round := func() {
		found, err := f.Unsealed(ctx, now(), 5)
		if err != nil {
			t.Error(err)
		}
		for _, s := range found[tenant] {
			lock.Lock()
			next++
			l := derived(next)
			lock.Unlock()
			done, err := f.Seal(ctx, tenant, s, index.Seal{Revision: s.Revision, Metadata: l, ETag: "x"})
			if err != nil {
				t.Error(err)
			}
			lock.Lock()
			recorded[l] = done
			lock.Unlock()
		}
	}
	for sender := range 4 { // each sends a part of every series
		senders.Go(func() {
			for i := sender; i < len(all); i += 4 {
				if _, err := f.Add(ctx, tenant, all[i], false); err != nil {
					t.Error(err)
				}
				if i%9 == 0 {
					r := index.Ref{SOPInstanceUID: all[i].SOPInstanceUID}
					if _, err := f.Remove(ctx, tenant, r); err != nil && !errs.Is(err, errs.NotFound) {
						t.Error(err)
					}
				}
			}
		})
		sealers.Go(func() {
			for {
				round()
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
	sealers.Wait()
	for len(f.unsealed(10)) > 0 {
		round()
	}
	stale, err := f.StaleSeals(ctx)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[blob.Location]int{}
	for _, l := range stale {
		seen[l]++
	}
	for _, s := range f.series(index.Ref{}) {
		if s.Sealed == nil || s.Sealed.Revision != s.Revision {
			t.Errorf("a series is not sealed as it is: %+v", s)
			continue
		}
		seen[s.Sealed.Metadata]++
	}
	for l, done := range recorded {
		if done != (seen[l] == 1) {
			t.Errorf("derived object %v: recorded %v, named %d times", l, done, seen[l])
		}
	}
}
