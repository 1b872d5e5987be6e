package jobs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/jobs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

// blocking handles a job until its context ends.
func blocking() (h jobs.Handler, started chan jobs.Job, cause chan error) {
	started, cause = make(chan jobs.Job, 10), make(chan error, 10)
	return func(ctx context.Context, j jobs.Job) error {
		started <- j
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return ctx.Err()
	}, started, cause
}

func TestCancel(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		worker, other := open(t, db(t), jobs.Config{Node: "worker", Workers: 1}), open(t, db(t), jobs.Config{Node: "other"})
		handler, started, cause := blocking()
		worker.Handle("work", handler)
		start(t, worker)
		running := enqueue(t, other, jobs.Request{})
		receive(t, started)
		waiting := enqueue(t, other, jobs.Request{})
		if j, err := other.Cancel(t.Context(), tenant, waiting); err != nil || j.State != jobs.Cancelled {
			t.Errorf("cancelled while waiting: %+v %v", j, err)
		}
		if j, err := other.Cancel(t.Context(), tenant, running); err != nil || j.State != jobs.Running || !j.Cancelling {
			t.Errorf("asked to stop: %+v %v", j, err)
		}
		if err := receive(t, cause); !errors.Is(err, jobs.ErrCancelled) {
			t.Error("the handler's context ended for", err)
		}
		await(t, other, running, state(jobs.Cancelled))
		if _, err := other.Cancel(t.Context(), tenant, running); err != nil {
			t.Error("cancelled twice:", err)
		}
		if _, err := other.Cancel(t.Context(), tenant, "nothing"); !errs.Is(err, errs.NotFound) {
			t.Error("no such job:", err)
		}
		if _, err := other.Retry(t.Context(), tenant, waiting); err != nil {
			t.Fatal(err)
		}
		receive(t, started)
		if _, err := other.Retry(t.Context(), tenant, waiting); !errs.Is(err, errs.Conflict) {
			t.Error("a running job was retried:", err)
		}
	})
}

func TestProgressIsSeenElsewhere(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		worker, other := open(t, db(t), jobs.Config{Node: "worker"}), open(t, db(t), jobs.Config{Node: "other"})
		step := make(chan int)
		worker.Handle("work", func(_ context.Context, j jobs.Job) error {
			for p := range step {
				j.Report(p, fmt.Sprint(p, " of 200"))
			}
			return nil
		})
		start(t, worker)
		id := enqueue(t, other, jobs.Request{})
		for _, p := range []int{10, 70} {
			step <- p
			j := await(t, other, id, func(j jobs.Job) bool { return j.Percent == p })
			if j.State != jobs.Running || j.Note != fmt.Sprint(p, " of 200") {
				t.Errorf("seen as %+v", j)
			}
		}
		step <- 200
		close(step)
		if j := await(t, other, id, state(jobs.Done)); j.Percent != 100 || j.Note != "200 of 200" {
			t.Errorf("done as %+v", j)
		}
	})
}

func TestShutdownGivesBack(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		a, b := open(t, db(t), jobs.Config{Node: "a"}), open(t, db(t), jobs.Config{Node: "b"})
		handler, started, cause := blocking()
		a.Handle("work", handler)
		stop := start(t, a)
		id := enqueue(t, b, jobs.Request{MaxAttempts: 1})
		receive(t, started)
		stop()
		if err := receive(t, cause); !errors.Is(err, jobs.ErrShutdown) {
			t.Error("the handler's context ended for", err)
		}
		if j := get(t, b, id); j.State != jobs.Waiting || j.Attempt != 0 {
			t.Errorf("given back as %+v", j)
		}
		b.Handle("work", func(context.Context, jobs.Job) error { return nil })
		start(t, b)
		await(t, b, id, state(jobs.Done))
	})
}

// cut is a database that can be lost.
type cut struct {
	sqldb.SQL
	off atomic.Bool
}

var errCut = errs.Errorf(errs.Unavailable, "test", "cut off")

func (c *cut) Read(ctx context.Context, fn func(sqldb.Tx) error) error {
	if c.off.Load() {
		return errCut
	}
	return c.SQL.Read(ctx, fn)
}

func (c *cut) Write(ctx context.Context, fn func(sqldb.Tx) error) error {
	if c.off.Load() {
		return errCut
	}
	return c.SQL.Write(ctx, fn)
}

// A node that cannot reach the database stops its job before another takes it, and has no say
// in it when it is back.
func TestLostLease(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		c := newClock()
		line := &cut{SQL: db(t)}
		a := open(t, line, jobs.Config{Node: "a", Now: c.now, Lease: 10 * time.Second})
		b := open(t, db(t), jobs.Config{Node: "b", Now: c.now, Lease: 10 * time.Second, Workers: 1})
		handler, started, cause := blocking()
		a.Handle("work", handler)
		start(t, a)
		id := enqueue(t, b, jobs.Request{})
		receive(t, started)
		line.off.Store(true)
		c.advance(10*time.Second + 1)
		if err := receive(t, cause); !errors.Is(err, jobs.ErrLost) {
			t.Error("the handler's context ended for", err)
		}
		second := make(chan jobs.Job, 1)
		free := make(chan struct{})
		b.Handle("work", func(_ context.Context, j jobs.Job) error {
			second <- j
			<-free
			return nil
		})
		start(t, b)
		if j := receive(t, second); j.ID != id || j.Attempt != 2 {
			t.Errorf("taken over as %+v", j)
		}
		line.off.Store(false)
		// a is back: it works, and leaves b's job alone.
		enqueue(t, a, jobs.Request{})
		receive(t, started)
		close(free)
		if j := await(t, b, id, state(jobs.Done)); j.Attempt != 2 || j.Node != "b" {
			t.Errorf("done as %+v", j)
		}
	})
}

// A job that takes its node along each time does not do so for ever.
func TestPoisonEndsDead(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		c := newClock()
		var id string
		for attempt := 1; attempt <= 2; attempt++ {
			line := &cut{SQL: db(t)}
			q := open(t, line, jobs.Config{Now: c.now, Drain: time.Millisecond})
			handler, started, _ := blocking()
			q.Handle("work", handler)
			if attempt == 1 {
				id = enqueue(t, q, jobs.Request{MaxAttempts: 2})
			}
			stop := start(t, q)
			if j := receive(t, started); j.Attempt != attempt {
				t.Errorf("attempt %d runs as %d", attempt, j.Attempt)
			}
			line.off.Store(true)
			c.advance(time.Minute)
			stop()
		}
		q := open(t, db(t), jobs.Config{Now: c.now})
		q.Handle("work", func(context.Context, jobs.Job) error { t.Error("it ran a third time"); return nil })
		start(t, q)
		if j := await(t, q, id, state(jobs.Dead)); j.Error == "" {
			t.Errorf("dead as %+v", j)
		}
	})
}

const (
	victimDB     = "AURELIUS_TEST_JOBS_DB"
	victimDriver = "AURELIUS_TEST_JOBS_DRIVER"
	victimLease  = 500 * time.Millisecond
)

// TestVictim is not a test: it is the node that TestKilledNode kills.
func TestVictim(t *testing.T) {
	address := os.Getenv(victimDB)
	if address == "" {
		t.Skip("only as a child of TestKilledNode")
	}
	var db sqldb.SQL
	var err error
	if os.Getenv(victimDriver) == "postgres" {
		var pg *sqldb.PostgresDB
		if pg, err = sqldb.OpenPostgres(t.Context(), sqldb.PostgresConfig{URL: address}); err == nil {
			db = pg.SQL()
		}
	} else {
		db, err = sqldb.OpenSQL(address)
	}
	if err != nil {
		t.Fatal(err)
	}
	q := open(t, db, jobs.Config{Node: "victim", Lease: victimLease})
	q.Handle("work", func(ctx context.Context, _ jobs.Job) error {
		fmt.Println("at work")
		<-ctx.Done()
		return ctx.Err()
	})
	_ = q.Run(t.Context())
}

func TestKilledNode(t *testing.T) {
	t.Parallel()
	for driver, address := range map[string]func(t *testing.T) (string, sqldb.SQL){
		"sqlite": func(t *testing.T) (string, sqldb.SQL) {
			path := filepath.Join(t.TempDir(), "platform.sqlite")
			db, err := sqldb.OpenSQL(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return path, db
		},
		"postgres": func(t *testing.T) (string, sqldb.SQL) {
			url, db := sqltest.PostgresAt(t)
			return url, db.SQL()
		},
	} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			where, db := address(t)
			q := open(t, db, jobs.Config{Node: "heir"})
			id := enqueue(t, q, jobs.Request{})
			for round := range 3 {
				victim := exec.Command(os.Args[0], "-test.run=^TestVictim$", "-test.v")
				victim.Env = append(os.Environ(), victimDB+"="+where, victimDriver+"="+driver)
				out, err := victim.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := victim.Start(); err != nil {
					t.Fatal(err)
				}
				lines := bufio.NewScanner(out)
				for lines.Scan() && lines.Text() != "at work" {
				}
				if err := victim.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = victim.Wait() // it was killed
				if j := get(t, q, id); j.State != jobs.Running || j.Attempt != round+1 {
					t.Fatalf("killed in round %d with the job as %+v", round, j)
				}
			}
			q.Handle("work", func(context.Context, jobs.Job) error { return nil })
			start(t, q)
			if j := await(t, q, id, state(jobs.Done)); j.Attempt != 4 {
				t.Errorf("done as %+v", j)
			}
		})
	}
}

// A node does not take its own job again while the handler that lost it has not ended.
func TestOwnExpiredLease(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db sqltest.Opener) {
		c := newClock()
		line := &cut{SQL: db(t)}
		q := open(t, line, jobs.Config{Now: c.now, Lease: 10 * time.Second, Workers: 3})
		started, lost, free := make(chan string, 10), make(chan error, 10), make(chan struct{})
		q.Handle("work", func(ctx context.Context, j jobs.Job) error {
			started <- string(j.Args)
			if string(j.Args) == "slow" {
				<-ctx.Done()
				lost <- context.Cause(ctx)
				<-free
			}
			return nil
		})
		start(t, q)
		id := enqueue(t, q, jobs.Request{Args: []byte("slow")})
		receive(t, started)
		line.off.Store(true)
		c.advance(10*time.Second + 1)
		if err := receive(t, lost); !errors.Is(err, jobs.ErrLost) {
			t.Error("the handler's context ended for", err)
		}
		line.off.Store(false)
		enqueue(t, q, jobs.Request{Args: []byte("quick")})
		if got := receive(t, started); got != "quick" {
			t.Errorf("%s was started beside itself", got)
		}
		close(free)
		if j := await(t, q, id, state(jobs.Done)); j.Attempt != 1 {
			t.Errorf("done as %+v", j)
		}
	})
}
