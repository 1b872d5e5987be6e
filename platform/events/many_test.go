package events_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/postgres"
	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

// TestManyNodes has three nodes with everything of their own over one PostgreSQL: all store
// parts of the same studies, announce and consume at the same time, and one goes away in the
// middle. What was delivered is what the index says happened, and what it says is exact.
func TestManyNodes(t *testing.T) {
	t.Parallel()
	_, db := sqltest.PostgresAt(t)
	all := newLog()
	instances := func() (out []index.Instance) {
		gen := indextest.New(9, indextest.Shape{Studies: 100, Series: 1, Instances: 6})
		for range 240 {
			out = append(out, gen.Next())
		}
		return out
	}()
	var senders sync.WaitGroup
	var first *world
	for n := range 3 {
		ix, err := postgres.Open(context.Background(), db, postgres.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ix.Close() })
		w := &world{t: t, index: ix}
		if first == nil {
			first = w
		}
		node, _ := w.node(db.SQL(), string(rune('a'+n)), 3*time.Second)
		stop := testkit.Run(t, func(ctx context.Context) error {
			return node.Run(ctx, events.Consumer{Name: "test", Tenant: tenant, Batch: 10, Deliver: func(_ context.Context, b []events.Event) error {
				all.add(b)
				return nil
			}})
		})
		senders.Go(func() {
			for i := n; i < len(instances); i += 3 {
				if _, err := ix.Add(context.Background(), tenant, instances[i], false); err != nil {
					t.Error(err)
				}
				if i%5 == 0 {
					w.complete()
				}
			}
			if n == 0 {
				stop()
			}
		})
	}
	senders.Wait()
	first.complete()
	want := first.ids(0)
	same(t, "by first appearance", unique(all.until(t, len(want))), want)

	changes, err := first.index.Changes(context.Background(), tenant, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	dirty, stored := map[string]bool{}, 0
	for i, c := range changes {
		if c.Sequence != int64(i+1) {
			t.Fatalf("change %d has the number %d", i+1, c.Sequence)
		}
		if c.Kind == index.StudyCompleted && !dirty[c.StudyInstanceUID] {
			t.Errorf("change %d announces a study that is as it was", c.Sequence)
		}
		dirty[c.StudyInstanceUID] = c.Kind != index.StudyCompleted
		if c.Kind == index.InstanceStored {
			stored++
		}
	}
	if stored != len(instances) {
		t.Errorf("%d stored, want %d", stored, len(instances))
	}
	for uid, d := range dirty {
		if d {
			t.Errorf("study %s was never announced as it is", uid)
		}
	}
}
