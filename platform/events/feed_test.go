package events_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// script is an index whose feed has the given numbers.
type script struct {
	sequences []int64
	syncs     int
	fails     error
}

// Changes implements events.Changes.
func (s *script) Changes(_ context.Context, _ storage.TenantID, after int64, limit int) (out []index.Change, err error) {
	for _, n := range s.sequences {
		if n > after && len(out) < limit {
			out = append(out, index.Change{Sequence: n, Kind: index.InstanceStored})
		}
	}
	return out, nil
}

// Sync is the ability of an index that commits without it.
func (s *script) Sync(context.Context) error {
	s.syncs++
	return s.fails
}

// TestGap: what lies behind a gap waits until the gap is filled.
func TestGap(t *testing.T) {
	t.Parallel()
	ix := &script{sequences: []int64{1, 2, 4, 5}}
	feed := events.NewFeed(events.FeedConfig{}, ix)
	got, err := feed.Read(t.Context(), tenant, 0, 10)
	if err != nil || len(got) != 2 {
		t.Errorf("up to the gap: %v, %v", got, err)
	}
	if got, err := feed.Read(t.Context(), tenant, 2, 10); err == nil {
		t.Errorf("over the gap: %v", got)
	}
	ix.sequences = []int64{1, 2, 3, 4, 5}
	if got, err := feed.Read(t.Context(), tenant, 2, 10); err != nil || len(got) != 3 {
		t.Errorf("once it is filled: %v, %v", got, err)
	}
}

// TestBegin: an index that was made anew goes on behind the old one, and whoever was not there yet
// begins where it begins.
func TestBegin(t *testing.T) {
	t.Parallel()
	feed := events.NewFeed(events.FeedConfig{}, &script{sequences: []int64{41, 42, 43}})
	for after, want := range map[int64]int{0: 3, 17: 3, 40: 3, 41: 2, 43: 0} {
		got, err := feed.Read(t.Context(), tenant, after, 10)
		if err != nil || len(got) != want || want > 0 && got[want-1].Sequence != 43 {
			t.Errorf("after %d: %+v, %v", after, got, err)
		}
	}
	if last, err := feed.Last(t.Context(), tenant); err != nil || last != 43 {
		t.Errorf("last: %d, %v", last, err)
	}
}

// TestDurableBeforeTold: nothing leaves that a power cut could take back.
func TestDurableBeforeTold(t *testing.T) {
	t.Parallel()
	ix := &script{sequences: []int64{1}, fails: errors.New("disk full")}
	feed := events.NewFeed(events.FeedConfig{}, ix)
	if got, err := feed.Read(t.Context(), tenant, 0, 10); !errors.Is(err, ix.fails) || got != nil {
		t.Errorf("not durable: %v, %v", got, err)
	}
	ix.fails = nil
	if got, err := feed.Read(t.Context(), tenant, 0, 10); err != nil || len(got) != 1 || ix.syncs != 2 {
		t.Errorf("durable: %v, %v", got, err)
	}
}

func TestLast(t *testing.T) {
	t.Parallel()
	ix := &script{}
	feed := events.NewFeed(events.FeedConfig{}, ix)
	for n := range int64(70) {
		last, err := feed.Last(t.Context(), tenant)
		if err != nil || last != n {
			t.Fatalf("%d, %v, want %d", last, err, n)
		}
		for _, at := range []int64{0, n - 1, n, n + 1, n + 100} {
			if ok, err := feed.Reaches(t.Context(), tenant, at); err != nil || ok != (at <= n) {
				t.Fatalf("reaches %d of %d: %v, %v", at, n, ok, err)
			}
		}
		ix.sequences = append(ix.sequences, n+1)
	}
}
