package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/jobs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

const tenant = "hospital"

// clock is moved by the test; leases and back-off go by it, polling does not.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.ns.Store(int64(48 * time.Hour))
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// quiet logs of failures the test wants.
var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, db sqldb.SQL, cfg jobs.Config) *jobs.Queue {
	t.Helper()
	cfg.Log, cfg.Poll = quiet, 5*time.Millisecond
	q, err := jobs.Open(t.Context(), db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// start runs a node; stop ends it and waits.
func start(t testing.TB, q *jobs.Queue) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := q.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func enqueue(t testing.TB, q *jobs.Queue, r jobs.Request) string {
	t.Helper()
	if r.Tenant == "" {
		r.Tenant = tenant
	}
	if r.Kind == "" {
		r.Kind = "work"
	}
	id, err := q.Enqueue(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func get(t testing.TB, q *jobs.Queue, id string) jobs.Job {
	t.Helper()
	j, err := q.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// await looks at a job until it is as wanted.
func await(t testing.TB, q *jobs.Queue, id string, wanted func(jobs.Job) bool) jobs.Job {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for {
		j := get(t, q, id)
		if wanted(j) {
			return j
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the job stays as %+v", j)
		}
	}
}

func state(s jobs.State) func(jobs.Job) bool { return func(j jobs.Job) bool { return j.State == s } }

func receive[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
	}
	return v
}

func TestEachJobIsDoneOnce(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		const n = 60
		done := make(chan string, 2*n)
		var nodes []*jobs.Queue
		for _, name := range []string{"a", "b"} {
			q := open(t, db(t), jobs.Config{Node: name, Workers: 4})
			q.Handle("work", func(_ context.Context, j jobs.Job) error {
				done <- j.ID + string(j.Args)
				return nil
			})
			nodes = append(nodes, q)
		}
		want := make(map[string]bool)
		var ids []string
		for i := range n {
			args := fmt.Sprint("/", i)
			id := enqueue(t, nodes[i%2], jobs.Request{Args: []byte(args)})
			want[id+args] = true
			ids = append(ids, id)
		}
		for _, q := range nodes {
			start(t, q)
		}
		for range n {
			got := receive(t, done)
			if !want[got] {
				t.Errorf("%s was done twice or is unknown", got)
			}
			delete(want, got)
		}
		for _, id := range ids {
			if j := await(t, nodes[0], id, state(jobs.Done)); j.Attempt != 1 || j.Percent != 100 || j.Finished.IsZero() || j.Node == "" {
				t.Errorf("done as %+v", j)
			}
		}
		if len(done) > 0 {
			t.Error("some job was done twice")
		}
	})
}

func TestRetryBacksOffUntilDead(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		c := newClock()
		q := open(t, db(t), jobs.Config{Now: c.now, Backoff: func(attempt int) time.Duration { return time.Duration(attempt) * time.Minute }})
		tried := make(chan int, 10)
		q.Handle("work", func(_ context.Context, j jobs.Job) error {
			tried <- j.Attempt
			if j.Attempt == 1 {
				panic("boom") // is a failure like any other
			}
			return errs.E(errs.Unavailable, "test", errors.New("not for a peer's eyes"))
		})
		start(t, q)
		id := enqueue(t, q, jobs.Request{MaxAttempts: 3})
		for attempt := 1; attempt <= 3; attempt++ {
			if got := receive(t, tried); got != attempt {
				t.Fatalf("attempt %d, want %d", got, attempt)
			}
			if attempt == 3 {
				break
			}
			j := await(t, q, id, state(jobs.Waiting))
			if wait := j.RunAt.Sub(c.now()); wait != time.Duration(attempt)*time.Minute {
				t.Errorf("after failure %d it waits %v", attempt, wait)
			}
			c.advance(time.Duration(attempt)*time.Minute - 1)
			if len(tried) > 0 {
				t.Error("it was tried too early")
			}
			c.advance(1)
		}
		if j := await(t, q, id, state(jobs.Dead)); j.Error != "unavailable" || j.Finished.IsZero() {
			t.Errorf("dead as %+v", j)
		}
		dead, err := q.List(t.Context(), tenant, jobs.Filter{State: jobs.Dead})
		if err != nil || len(dead) != 1 || dead[0].ID != id {
			t.Error("dead letters:", dead, err)
		}
		if _, err := q.Retry(t.Context(), tenant, id); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, tried); got != 1 {
			t.Errorf("retried by hand as attempt %d", got)
		}
	})
}

func TestPermanentFailure(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		q := open(t, db(t), jobs.Config{})
		q.Handle("work", func(context.Context, jobs.Job) error {
			return jobs.Permanent(errs.Errorf(errs.Invalid, "test", "no such file"))
		})
		start(t, q)
		id := enqueue(t, q, jobs.Request{})
		if j := await(t, q, id, state(jobs.Dead)); j.Attempt != 1 || j.Error != "no such file" {
			t.Errorf("dead as %+v", j)
		}
	})
}

func TestSameWorkIsQueuedOnce(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		q := open(t, db(t), jobs.Config{})
		started, free := make(chan struct{}), make(chan struct{})
		q.Handle("work", func(context.Context, jobs.Job) error {
			started <- struct{}{}
			<-free
			return nil
		})
		r := jobs.Request{Unique: "series 1"}
		id := enqueue(t, q, r)
		if again := enqueue(t, q, r); again != id {
			t.Error("it waits twice")
		}
		r.Tenant = "other"
		if other := enqueue(t, q, r); other == id {
			t.Error("another tenant's work is the same")
		}
		r.Tenant = tenant
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if again, err := q.Enqueue(context.Background(), jobs.Request{Tenant: tenant, Kind: "work", Unique: "series 1"}); err != nil || again != id {
					t.Error("at one time:", again, err)
				}
			})
		}
		wg.Wait()
		start(t, q)
		receive(t, started)
		receive(t, started) // the other tenant's
		if again := enqueue(t, q, r); again != id {
			t.Error("it runs and waits")
		}
		close(free)
		receive(t, started) // for what came late
		await(t, q, id, state(jobs.Done))
		if next := enqueue(t, q, r); next == id {
			t.Error("done work cannot be queued anew")
		}
		receive(t, started)
	})
}

func TestEnqueueWithItsCause(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open2 sqltest.Opener) {
		db := open2(t)
		q := open(t, db, jobs.Config{})
		sorry := errors.New("sorry")
		err := db.Write(t.Context(), func(tx sqldb.Tx) error {
			if _, err := q.EnqueueTx(tx, jobs.Request{Tenant: tenant, Kind: "work"}); err != nil {
				return err
			}
			return sorry
		})
		if !errors.Is(err, sorry) {
			t.Fatal(err)
		}
		if list, err := q.List(t.Context(), tenant, jobs.Filter{}); err != nil || len(list) != 0 {
			t.Error("the job outlived its cause:", list, err)
		}
		for name, r := range map[string]jobs.Request{
			"no tenant": {Kind: "work"}, "no kind": {Tenant: tenant},
			"too big": {Tenant: tenant, Kind: "work", Args: make([]byte, 64<<10+1)},
		} {
			if _, err := q.Enqueue(t.Context(), r); !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestOrder(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		c := newClock()
		q := open(t, db(t), jobs.Config{Now: c.now, Workers: 1})
		ran := make(chan string, 10)
		q.Handle("work", func(_ context.Context, j jobs.Job) error { ran <- string(j.Args); return nil })
		for _, r := range []jobs.Request{
			{Args: []byte("low"), Priority: -1},
			{Args: []byte("first")},
			{Args: []byte("later"), Priority: 9, RunAt: c.now().Add(time.Hour)},
			{Args: []byte("second")},
			{Args: []byte("high"), Priority: 1},
		} {
			enqueue(t, q, r)
			c.advance(time.Millisecond)
		}
		enqueue(t, q, jobs.Request{Kind: "nobody's"}) // waits for a node that knows it
		start(t, q)
		var order []string
		for range 4 {
			order = append(order, receive(t, ran))
		}
		c.advance(time.Hour)
		order = append(order, receive(t, ran))
		if want := []string{"high", "first", "second", "low", "later"}; !slices.Equal(order, want) {
			t.Errorf("ran as %v", order)
		}
	})
}

func TestPeriodic(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		c := newClock()
		ran := make(chan string, 100)
		node := func() *jobs.Queue {
			q := open(t, db(t), jobs.Config{Now: c.now})
			q.Periodic(24*time.Hour, jobs.Request{Tenant: tenant, Kind: "scrub"})
			q.Handle("scrub", func(_ context.Context, j jobs.Job) error { ran <- j.ID; return nil })
			return q
		}
		a, b := node(), node()
		stopA, stopB := start(t, a), start(t, b)
		// A job of each node's own shows that both have looked at the clock.
		seen := func() {
			t.Helper()
			for _, q := range []*jobs.Queue{a, b} {
				await(t, q, enqueue(t, q, jobs.Request{Kind: "scrub"}), state(jobs.Done))
				receive(t, ran)
			}
		}
		seen()
		for range 3 {
			c.advance(24 * time.Hour)
			await(t, a, receive(t, ran), state(jobs.Done))
			seen()
		}
		stopA()
		stopB()
		if len(ran) > 0 {
			t.Errorf("%d runs too many", len(ran))
		}
		c.advance(5 * 24 * time.Hour) // nobody is up
		a = node()
		start(t, a)
		await(t, a, receive(t, ran), state(jobs.Done))
		if len(ran) > 0 {
			t.Error("missed periods were made good more than once")
		}
	})
}

func TestListAndKeep(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		c := newClock()
		q := open(t, db(t), jobs.Config{Now: c.now, Keep: 2 * time.Hour})
		var ids []string
		for i := range 7 {
			ids = append(ids, enqueue(t, q, jobs.Request{Kind: []string{"even", "odd"}[i%2]}))
			c.advance(time.Millisecond)
		}
		enqueue(t, q, jobs.Request{Tenant: "other"})
		slices.Reverse(ids)
		var got []string
		for after := ""; ; {
			page, err := q.List(t.Context(), tenant, jobs.Filter{After: after, Limit: 3})
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, j := range page {
				got = append(got, j.ID)
			}
			after = got[len(got)-1]
		}
		if !slices.Equal(got, ids) {
			t.Errorf("pages hold %v, want %v", got, ids)
		}
		if _, err := q.Cancel(t.Context(), tenant, ids[0]); err != nil {
			t.Fatal(err)
		}
		for f, n := range map[jobs.Filter]int{{Kind: "odd"}: 3, {State: jobs.Cancelled}: 1, {State: jobs.Waiting, Kind: "even"}: 3, {State: jobs.Dead}: 0} {
			if list, err := q.List(t.Context(), tenant, f); err != nil || len(list) != n {
				t.Errorf("%+v finds %d, %v", f, len(list), err)
			}
		}
		if _, err := q.Get(t.Context(), "other", ids[0]); !errs.Is(err, errs.NotFound) {
			t.Error("another tenant's job:", err)
		}
		start(t, q)
		c.advance(2*time.Hour + 1)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		late := time.After(30 * time.Second)
		for {
			if _, err := q.Get(t.Context(), tenant, ids[0]); errs.Is(err, errs.NotFound) {
				break
			}
			select {
			case <-tick.C:
			case <-late:
				t.Fatal("it is kept for ever")
			}
		}
		get(t, q, ids[1]) // waits on
	})
}

// Years of done jobs do not slow down those that wait. SQLite, which has no statistics, shows
// whether the statements are worded for the indexes; PostgreSQL has the same ones.
func TestPlans(t *testing.T) {
	t.Parallel()
	db := sqltest.SQLite(t)(t)
	q := open(t, db, jobs.Config{})
	q.Handle("work", nil)
	q.Handle("other", nil)
	for query, index := range q.Plans(tenant) {
		var plan string
		var args []any // the plan does not depend on them
		for strings.Contains(query, fmt.Sprint("$", len(args)+1)) {
			args = append(args, nil)
		}
		if err := db.Read(t.Context(), func(tx sqldb.Tx) error {
			rows, err := tx.Query("EXPLAIN QUERY PLAN "+query, args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id, parent, none int64
				var line string
				if err := rows.Scan(&id, &parent, &none, &line); err != nil {
					return err
				}
				plan += line + "\n"
			}
			return rows.Err()
		}); err != nil {
			t.Fatal(query, err)
		}
		if !strings.Contains(plan, "USING INDEX "+index+" ") && !strings.Contains(plan, "USING INDEX "+index+"\n") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\nis done by\n%s", query, plan)
		}
	}
}
