package events_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

// TestFollows stores from several senders while a consumer listens: it gets what the index says
// happened, all of it, in order, once.
func TestFollows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node, stopFeed := w.node(openSQL(t, filepath.Join(t.TempDir(), "sql")), "a", time.Minute)
	got := newLog()
	stop := testkit.Run(t, func(ctx context.Context) error {
		return node.Run(ctx, events.Consumer{Name: "test", Tenant: tenant, Batch: 7, Deliver: func(_ context.Context, b []events.Event) error {
			got.add(b)
			return nil
		}})
	})
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for range 10 {
				w.store(5)
				w.complete()
			}
		})
	}
	senders.Wait()
	want := w.ids(0)
	same(t, "delivered", got.until(t, len(want)), want)
	stop()
	stopFeed()
	if s, err := node.Status(context.Background(), "test"); err != nil || s.Lag != 0 || s.Owner != "" || s.Succeeded.IsZero() || s.Error != "" {
		t.Errorf("status %+v, %v", s, err)
	}
}

// TestRedelivers breaks off between delivery and cursor: the same comes again, with the same
// ids, and nothing is missing. What is not wanted moves the cursor as well.
func TestRedelivers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(80)
	w.complete()
	w.store(3)
	path := filepath.Join(t.TempDir(), "sql")
	got := newLog()
	var delivered atomic.Int32
	for range 3 { // each life ends like a process that is killed: its lease is not given back
		db := &fragile{SQL: openSQL(t, path)}
		node, stopFeed := w.node(db, "a", 150*time.Millisecond)
		life, kill := context.WithCancel(context.Background())
		stop := testkit.Run(t, func(context.Context) error {
			return node.Run(life, events.Consumer{Name: "test", Tenant: tenant, Batch: 4, Types: events.Types{events.StudyComplete},
				Deliver: func(_ context.Context, b []events.Event) error {
					got.add(b)
					if delivered.Add(1)%2 == 0 {
						db.dead.Store(true)
						kill()
					}
					return nil
				}})
		})
		<-life.Done()
		stop()
		stopFeed()
	}
	node, _ := w.node(openSQL(t, path), "b", time.Second)
	testkit.Run(t, func(ctx context.Context) error {
		return node.Run(ctx, events.Consumer{Name: "test", Tenant: tenant, Types: events.Types{events.StudyComplete},
			Deliver: func(_ context.Context, b []events.Event) error { got.add(b); return nil }})
	})
	want := w.ids(0, index.StudyCompleted)
	all := got.until(t, len(want))
	same(t, "by first appearance", unique(all), want)
	if len(all) == len(want) {
		t.Error("nothing was delivered twice: the test shows nothing")
	}
}

// fragile is a database that can be cut off.
type fragile struct {
	sqldb.SQL
	dead atomic.Bool
}

func (f *fragile) Write(ctx context.Context, fn func(sqldb.Tx) error) error {
	if f.dead.Load() {
		return errors.New("cut off")
	}
	return f.SQL.Write(ctx, fn)
}

func (f *fragile) Read(ctx context.Context, fn func(sqldb.Tx) error) error {
	if f.dead.Load() {
		return errors.New("cut off")
	}
	return f.SQL.Read(ctx, fn)
}

// testNodes runs a consumer on two nodes and takes one after the other away, impolitely and
// politely: one delivers at a time, and together they skip nothing.
func testNodes(t *testing.T, open func() sqldb.SQL) {
	w := newWorld(t)
	all := newLog()
	var active atomic.Int32
	var last atomic.Value // the node that delivered last
	start := func(name string) (cut, stop func()) {
		db := &fragile{SQL: open()}
		node, _ := w.node(db, name, time.Second)
		stop = testkit.Run(t, func(ctx context.Context) error {
			return node.Run(ctx, events.Consumer{Name: "test", Tenant: tenant, Batch: 3, Deliver: func(_ context.Context, b []events.Event) error {
				if active.Add(1) != 1 {
					t.Error("two nodes deliver at one time")
				}
				defer active.Add(-1)
				last.Store(name)
				all.add(b)
				return nil
			}})
		})
		return func() { db.dead.Store(true) }, stop
	}
	// by stores until the node delivers.
	n := 0
	by := func(name string) {
		for last.Load() != name && !t.Failed() {
			w.store(5)
			n += 5
			all.until(t, n)
		}
	}
	cut, _ := start("a")
	by("a")
	_, stop := start("b")
	by("a")
	cut() // a goes on until its lease ends
	by("b")
	start("c")
	stop() // b gives it back
	by("c")
	same(t, "by first appearance", unique(all.got()), w.ids(0))
}

func TestTwoNodes(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.Opener) {
		testNodes(t, func() sqldb.SQL { return open(t) })
	})
}

// TestFence has a node that does not notice that it lost its lease: it cannot move the cursor.
func TestFence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(10)
	path := filepath.Join(t.TempDir(), "sql")
	a, _ := w.node(openSQL(t, path), "a", time.Hour)
	first, second := newLog(), newLog()
	hold, reached := make(chan struct{}), make(chan struct{}, 100)
	testkit.Run(t, func(ctx context.Context) error {
		return a.Run(ctx, events.Consumer{Name: "test", Tenant: tenant, Batch: 4, Deliver: func(_ context.Context, b []events.Event) error {
			first.add(b)
			reached <- struct{}{}
			<-hold // deaf to its context
			return nil
		}})
	})
	<-reached
	b, _ := w.node(openSQL(t, path), "b", time.Hour)
	if err := b.Move(context.Background(), "test", 2); err != nil { // takes the lease away as well
		t.Fatal(err)
	}
	testkit.Run(t, func(ctx context.Context) error {
		return b.Run(ctx, events.Consumer{Name: "test", Tenant: tenant, Deliver: func(_ context.Context, b []events.Event) error {
			second.add(b)
			return nil
		}})
	})
	same(t, "the second", second.until(t, 8), w.ids(2))
	close(hold)
	w.store(1)
	second.until(t, 9)
	if s, err := b.Status(context.Background(), "test"); err != nil || s.Sequence < 10 {
		t.Errorf("status %+v, %v", s, err)
	}
	same(t, "the first", first.got(), w.ids(0)[:4])
}

// TestRetries: an error is no reason to skip, and it can be seen while it lasts.
func TestRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(5)
	node, _ := w.node(openSQL(t, filepath.Join(t.TempDir(), "sql")), "a", time.Minute)
	got := newLog()
	// What is kept of it must be text, wherever it is cut: PostgreSQL would refuse the renewal.
	no := strings.Repeat("n", 299) + "\u00f6\x00"
	refused := 0
	testkit.Run(t, func(ctx context.Context) error {
		return node.Run(ctx, events.Consumer{Name: "test", Tenant: tenant, Batch: 2, Deliver: func(ctx context.Context, b []events.Event) error {
			s, err := node.Status(ctx, "test")
			if err != nil {
				t.Error(err)
			}
			if failing := refused%4 > 0; (s.Error == no[:299]) != failing || s.Failed.IsZero() == failing {
				t.Errorf("after %d failures: %+v", refused, s)
			}
			if refused++; refused%4 > 0 {
				return errors.New(no)
			}
			got.add(b)
			return nil
		}})
	})
	same(t, "delivered", got.until(t, 5), w.ids(0))
}

// TestRebuiltIndex: a cursor behind the end of the feed is said, not waited for.
func TestRebuiltIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(3)
	node, _ := w.node(openSQL(t, filepath.Join(t.TempDir(), "sql")), "a", 90*time.Millisecond)
	got := newLog()
	consumer := events.Consumer{Name: "test", Tenant: tenant, Deliver: func(_ context.Context, b []events.Event) error {
		got.add(b)
		return nil
	}}
	stop := testkit.Run(t, func(ctx context.Context) error { return node.Run(ctx, consumer) })
	got.until(t, 3)
	stop()
	if err := node.Move(context.Background(), "test", 1000); err != nil {
		t.Fatal(err)
	}
	testkit.Run(t, func(ctx context.Context) error { return node.Run(ctx, consumer) })
	for deadline := time.Now().Add(patience); ; {
		s, err := node.Status(context.Background(), "test")
		if err != nil {
			t.Fatal(err)
		}
		if s.Error != "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("status %+v", s)
		}
		time.Sleep(5 * time.Millisecond) // polled as an operator would
	}
	if err := node.Move(context.Background(), "test", 1); err != nil {
		t.Fatal(err)
	}
	w.store(1)
	got.until(t, 4)
	same(t, "after it was moved", got.got(), append(w.ids(0)[:3:3], w.ids(1)...))
}
