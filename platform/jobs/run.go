package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// sweepEvery is how often a node removes what has been kept long enough.
const sweepEvery = time.Hour

// Run runs jobs until ctx ends; then handlers are told to stop and what they leave goes back to
// the queue at once, without counting as a failure. An engine that is down is waited for.
func (q *Queue) Run(ctx context.Context) error {
	// The runs and their leases outlive ctx until they are drained.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var beats, runs sync.WaitGroup
	beats.Go(func() { q.beats(alive) })
	defer beats.Wait()
	defer end()

	tick := time.NewTicker(q.cfg.Poll)
	defer tick.Stop()
	mine := q.candidates()
	healthy, swept := true, time.Time{}
	for ctx.Err() == nil {
		err := q.schedule(ctx)
		if err == nil {
			err = q.claim(ctx, mine, func(r *run) { runs.Go(func() { q.work(alive, r) }) })
		}
		if now := q.now(); err == nil && now.Sub(swept) >= sweepEvery {
			err, swept = q.sweep(ctx, now), now
		}
		if ctx.Err() == nil && (err == nil) != healthy {
			if healthy = err == nil; healthy {
				q.cfg.Log.Info("jobs: the database answers again")
			} else {
				q.cfg.Log.Warn("jobs: cannot look for jobs", "err", err)
			}
		}
		select {
		case <-q.wake:
			if err != nil { // do not hammer an engine that is down
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	for _, r := range q.local() {
		r.stop(ErrShutdown)
	}
	drained := make(chan struct{})
	go func() { runs.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(q.cfg.Drain): // another node takes them when their lease ends
	}
	return nil
}

// run is a job this node holds.
type run struct {
	job  Job
	stop context.CancelCauseFunc
	ctx  context.Context

	mu      sync.Mutex
	until   time.Time // the lease
	percent int
	note    string
	dirty   bool
}

func (r *run) report(percent int, note string) {
	const maxNote = 200
	note = strings.ToValidUTF8(note[:min(len(note), maxNote)], "")
	percent = min(max(percent, 0), 100)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.percent != percent || r.note != note {
		r.percent, r.note, r.dirty = percent, note, true
	}
}

func (r *run) progress() (percent int64, note string, until time.Time, dirty bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(r.percent), r.note, r.until, r.dirty
}

func (q *Queue) holds(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running[id] != nil
}

func (q *Queue) local() []*run {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Collect(maps.Values(q.running))
}

// candidates finds what this node may run: $1 now, $2 how many, then the kinds it has handlers for.
type candidates struct {
	due, lost string
	kinds     []any
}

func (q *Queue) candidates() (c candidates) {
	var in []string
	for _, kind := range slices.Sorted(maps.Keys(q.handlers)) {
		c.kinds = append(c.kinds, kind)
		in = append(in, "$"+strconv.Itoa(2+len(c.kinds)))
	}
	kinds := ` AND kind IN (` + strings.Join(in, ",") + `)`
	c.due = selectJobs + `WHERE state = 'waiting' AND run_at <= $1` + kinds + ` ORDER BY priority DESC, run_at, id LIMIT $2`
	c.lost = selectJobs + `WHERE state = 'running' AND lease_until < $1` + kinds + ` ORDER BY lease_until LIMIT $2`
	return c
}

func (c candidates) find(tx sqldb.Tx, now time.Time, most int, lock string) (found []record, err error) {
	args := append([]any{now.UnixNano(), int64(most)}, c.kinds...)
	if found, err = all(tx, c.lost+lock, args...); err != nil {
		return nil, err
	}
	due, err := all(tx, c.due+lock, args...)
	found = append(found, due...)
	return found[:min(len(found), most)], err
}

// claim takes as many jobs as there are free workers: first those whose node is gone.
func (q *Queue) claim(ctx context.Context, c candidates, start func(*run)) error {
	q.mu.Lock()
	free := q.cfg.Workers - len(q.running)
	q.mu.Unlock()
	if free <= 0 || len(c.kinds) == 0 {
		return nil
	}
	// An idle queue is only read.
	var found []record
	if err := q.db.Read(ctx, func(tx sqldb.Tx) (err error) {
		found, err = c.find(tx, q.now(), free, "")
		return err
	}); err != nil || len(found) == 0 {
		return err
	}
	lock := ""
	if q.db.Dialect() == sqldb.Postgres {
		lock = " FOR UPDATE SKIP LOCKED" // another node is taking it this moment
	}
	var mine []Job
	var until time.Time
	if err := q.db.Write(ctx, func(tx sqldb.Tx) error {
		mine = mine[:0] // fn may run again
		now := q.now()
		until = now.Add(q.cfg.Lease)
		found, err := c.find(tx, now, free, lock)
		if err != nil {
			return err
		}
		for _, r := range found {
			if q.holds(r.ID) {
				continue // our own lease ran out: first its handler has to end
			}
			j, err := q.take(tx, r, now, until)
			if err != nil {
				return err
			}
			if j.State == Running {
				mine = append(mine, j)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, j := range mine {
		r := &run{job: j, until: until}
		r.ctx, r.stop = context.WithCancelCause(context.WithoutCancel(ctx))
		r.job.run = r
		q.mu.Lock()
		q.running[j.ID] = r
		q.mu.Unlock()
		start(r)
	}
	return nil
}

// take makes a waiting or abandoned job ours, or ends it when it may not be tried again.
func (q *Queue) take(tx sqldb.Tx, r record, now, until time.Time) (Job, error) {
	j := r.Job
	if j.State == Running { // its node was lost, which counts as a failure
		switch {
		case j.Cancelling:
			return j, end(tx, &j, Cancelled, "", now)
		case j.Attempt >= j.MaxAttempts && !r.again:
			return j, end(tx, &j, Dead, "the node that ran it was lost", now)
		case r.again:
			j.Attempt = 0
		}
	}
	j.State, j.Node, j.Started, j.Percent, j.Note = Running, q.cfg.Node, now, 0, ""
	j.Attempt++
	_, err := tx.Exec(`UPDATE job SET state = 'running', node = $2, attempt = $3, lease_until = $4, started = $5,
		percent = 0, note = '', cancel = FALSE, again = FALSE WHERE id = $1`,
		j.ID, j.Node, int64(j.Attempt), until.UnixNano(), now.UnixNano())
	return j, err
}

// end closes a job.
func end(tx sqldb.Tx, j *Job, s State, why string, now time.Time) error {
	j.State, j.Error, j.Finished = s, why, now
	_, err := tx.Exec(`UPDATE job SET state = $2, error = $3, finished = $4, cancel = FALSE, again = FALSE WHERE id = $1`,
		j.ID, string(s), why, now.UnixNano())
	return err
}

// work runs one job and writes down how it ended.
func (q *Queue) work(ctx context.Context, r *run) {
	err := q.call(r)
	// As long as the lease holds, somebody has to learn of it.
	bounded, cancel := context.WithTimeout(ctx, q.cfg.Lease)
	defer cancel()
	for {
		werr := q.finish(bounded, r, err)
		if werr == nil {
			break
		}
		select {
		case <-time.After(q.cfg.Poll):
			continue
		case <-bounded.Done():
		}
		q.cfg.Log.Warn("jobs: the end of a job could not be written, it will run again", "job", r.job.ID, "kind", r.job.Kind, "err", werr)
		break
	}
	r.stop(nil)
	q.mu.Lock()
	delete(q.running, r.job.ID)
	q.mu.Unlock()
	q.Wake()
}

// call keeps a handler's panic from taking the node along.
func (q *Queue) call(r *run) (err error) {
	defer func() {
		if p := recover(); p != nil {
			q.cfg.Log.Error("jobs: handler panicked", "job", r.job.ID, "kind", r.job.Kind, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errs.Errorf(errs.Internal, "jobs", "the handler panicked")
		}
	}()
	return q.handlers[r.job.Kind](r.ctx, r.job)
}

// finish moves a job on from running, if it is still ours.
func (q *Queue) finish(ctx context.Context, r *run, failure error) error {
	percent, note, _, _ := r.progress()
	var next State
	err := q.db.Write(ctx, func(tx sqldb.Tx) error {
		next = ""
		held, err := all(tx, selectJobs+`WHERE id = $1 AND state = 'running' AND node = $2 AND attempt = $3`,
			r.job.ID, q.cfg.Node, int64(r.job.Attempt))
		if err != nil || len(held) == 0 {
			return err // lost: what it is now is no longer ours to say
		}
		now, j := q.now(), held[0]
		runAt, attempt, why := now, j.Attempt, ""
		if failure != nil {
			why = errs.Safe(failure)
		}
		spent := j.Attempt >= j.MaxAttempts || errors.As(failure, new(permanent))
		switch {
		case failure == nil && j.again:
			next, attempt = Waiting, 0
		case failure == nil:
			next, percent = Done, 100
		case j.Cancelling:
			next, why = Cancelled, ""
		case errors.Is(context.Cause(r.ctx), ErrShutdown):
			next, attempt, why = Waiting, attempt-1, j.Error
		case spent && !j.again:
			next = Dead
		default:
			next, runAt = Waiting, now.Add(q.cfg.Backoff(j.Attempt))
			if spent { // enqueued anew while it ran
				attempt = 0
			}
		}
		finished := now.UnixNano()
		if next == Waiting {
			finished = 0
		}
		_, err = tx.Exec(`UPDATE job SET state = $2, attempt = $3, run_at = $4, error = $5, percent = $6, note = $7,
			finished = $8, cancel = FALSE, again = FALSE WHERE id = $1`,
			j.ID, string(next), int64(attempt), runAt.UnixNano(), why, percent, note, finished)
		return err
	})
	if err == nil && failure != nil && next != Cancelled {
		q.cfg.Log.Warn("jobs: a job failed", "job", r.job.ID, "kind", r.job.Kind, "attempt", r.job.Attempt, "now", string(next), "err", failure)
	}
	return err
}

const sweepEnded = `DELETE FROM job WHERE finished > 0 AND state = $1 AND finished < $2`

// sweep removes what at now has been kept long enough.
func (q *Queue) sweep(ctx context.Context, now time.Time) error {
	return q.db.Write(ctx, func(tx sqldb.Tx) error {
		for state, keep := range map[State]time.Duration{Done: q.cfg.Keep, Cancelled: q.cfg.Keep, Dead: q.cfg.KeepDead} {
			if _, err := tx.Exec(sweepEnded, string(state), now.Add(-keep).UnixNano()); err != nil {
				return err
			}
		}
		return nil
	})
}
