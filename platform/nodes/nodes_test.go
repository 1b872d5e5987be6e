package nodes_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/nodes"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

// patient nodes are not taken for dead by a slow machine; hasty ones are, soon.
var (
	patient = nodes.Config{Beat: 20 * time.Millisecond, Stale: time.Minute}
	hasty   = nodes.Config{Beat: 20 * time.Millisecond, Stale: 300 * time.Millisecond}
)

func register(t *testing.T, db sqldb.SQL, cfg nodes.Config, info nodes.Info) *nodes.Node {
	t.Helper()
	n, err := nodes.Register(t.Context(), db, info, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// run runs a node until the returned function is called; that gives what Run returned.
func run(n *nodes.Node) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func count(t *testing.T, n *nodes.Node) int {
	t.Helper()
	list, err := n.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestList(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.Opener) {
		one := register(t, open(t), patient, nodes.Info{Host: "a", Roles: []string{"dimse", "web"}, Addresses: []string{":4242"}, Version: "v1"})
		stop := run(one)
		two := register(t, open(t), patient, nodes.Info{Host: "b"})
		list, err := two.List(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatalf("%v, %v", list, err)
		}
		if got := list[0]; got.ID != one.ID() || got.Host != "a" || len(got.Roles) != 2 || got.Addresses[0] != ":4242" ||
			got.Version != "v1" || got.Release != nodes.Release || got.Started.IsZero() {
			t.Errorf("%+v", got)
		}
		first := list[0].Seen
		until(t, "a sign of life", func() bool {
			list, err := two.List(t.Context())
			return err == nil && list[0].Seen.After(first)
		})
		if err := stop(); err != nil {
			t.Error(err)
		}
		if n := count(t, two); n != 1 {
			t.Errorf("%d nodes after one has left", n)
		}
	})
}

func TestStale(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.Opener) {
		dead := register(t, open(t), hasty, nodes.Info{}) // says nothing more
		alive := register(t, open(t), hasty, nodes.Info{})
		defer run(alive)()
		until(t, "the dead node is dropped", func() bool {
			list, err := alive.List(t.Context())
			return err == nil && len(list) == 1 && list[0].ID == alive.ID()
		})
		// It was not dead: it is on the list again.
		defer run(dead)()
		until(t, "it is back", func() bool { return count(t, alive) == 2 })
	})
}

// TestSkew goes through rolling restarts: one release of skew is allowed, two are not.
func TestSkew(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.Opener) {
		release := func(r int) nodes.Info { return nodes.Info{Release: r, Beside: r - 1} }
		refused := func(r int, kind errs.Kind) {
			t.Helper()
			if _, err := nodes.Register(t.Context(), open(t), release(r), patient); !errs.Is(err, kind) {
				t.Errorf("release %d: %v, want %v", r, err, kind)
			}
		}
		stop1 := run(register(t, open(t), patient, release(1)))
		stop2 := run(register(t, open(t), patient, release(2)))
		stopBack := run(register(t, open(t), patient, release(1))) // a node that crashed in the middle of it
		refused(3, errs.Conflict)
		for _, stop := range []func() error{stop1, stopBack} {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		stop3 := run(register(t, open(t), patient, release(3)))
		refused(1, errs.Unsupported)
		for _, stop := range []func() error{stop2, stop3} {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		refused(1, errs.Unsupported) // though nobody is alive: the tables have moved on
	})
}

// TestComeback: a node that was taken for dead while the house moved on ends.
func TestComeback(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.Opener) {
		old := register(t, open(t), hasty, nodes.Info{Release: 1, Beside: 1})
		var next *nodes.Node
		until(t, "release 3 may start", func() (ok bool) {
			var err error
			next, err = nodes.Register(t.Context(), open(t), nodes.Info{Release: 3, Beside: 2}, hasty)
			return err == nil
		})
		defer run(next)()
		if err := old.Run(t.Context()); !errs.Is(err, errs.Unsupported) {
			t.Errorf("goes on: %v", err)
		}
	})
}

// TestSkewRace: of two that do not go together and start at one time, one is refused.
func TestSkewRace(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.Opener) {
		register(t, open(t), patient, nodes.Info{Release: 2, Beside: 1}) // and its tables are there
		var wg sync.WaitGroup
		var started atomic.Int32
		for _, r := range []int{1, 3} {
			db := open(t)
			wg.Go(func() {
				_, err := nodes.Register(t.Context(), db, nodes.Info{Release: r, Beside: r - 1}, patient)
				switch {
				case err == nil:
					started.Add(1)
				case !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.Unsupported):
					t.Errorf("release %d: %v", r, err)
				}
			})
		}
		wg.Wait()
		if n := started.Load(); n != 1 {
			t.Errorf("%d of them started", n)
		}
	})
}
