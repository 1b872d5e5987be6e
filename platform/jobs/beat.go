package jobs

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// beats keeps the leases of this node's jobs, writes down their progress and hears of
// cancellations. It has a goroutine of its own, so that no slow claim lets a lease run out.
func (q *Queue) beats(ctx context.Context) {
	tick := time.NewTicker(min(q.cfg.Poll, q.cfg.Lease/6))
	defer tick.Stop()
	var clockRead time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		runs := q.local()
		if len(runs) == 0 {
			continue
		}
		// Short enough to try again before the lease is over.
		bounded, cancel := context.WithTimeout(ctx, q.cfg.Lease/3)
		if time.Since(clockRead) > time.Minute && q.readClock(bounded) == nil {
			clockRead = time.Now()
		}
		if err := q.beat(bounded, runs); err != nil && ctx.Err() == nil {
			q.cfg.Log.Warn("jobs: cannot renew leases", "err", err)
		}
		cancel()
		for _, r := range runs {
			// Whoever takes it next must not meet us at work.
			if _, _, until, _ := r.progress(); q.now().After(until) {
				r.stop(ErrLost)
			}
		}
	}
}

func (q *Queue) beat(ctx context.Context, runs []*run) error {
	held := make(map[string]record, len(runs))
	if err := q.db.Read(ctx, func(tx sqldb.Tx) error {
		list, err := all(tx, selectHeld, q.cfg.Node)
		for _, r := range list {
			held[r.ID] = r
		}
		return err
	}); err != nil {
		return err
	}
	now := q.now()
	var renew []*run
	for _, r := range runs {
		j, ours := held[r.job.ID]
		if !ours || j.Attempt != r.job.Attempt {
			r.stop(ErrLost) // or it has just ended, then this changes nothing
			continue
		}
		if j.Cancelling {
			r.stop(ErrCancelled) // it is held until it has stopped
		}
		if _, _, until, dirty := r.progress(); dirty || until.Sub(now) < q.cfg.Lease*2/3 {
			renew = append(renew, r)
		}
	}
	if renew == nil {
		return nil
	}
	until := now.Add(q.cfg.Lease)
	type report struct {
		percent int64
		note    string
	}
	written := make(map[*run]report, len(renew))
	if err := q.db.Write(ctx, func(tx sqldb.Tx) error {
		clear(written)
		for _, r := range renew {
			percent, note, _, _ := r.progress()
			n, err := tx.Exec(`UPDATE job SET lease_until = $4, percent = $5, note = $6
				WHERE id = $1 AND state = 'running' AND node = $2 AND attempt = $3`,
				r.job.ID, q.cfg.Node, int64(r.job.Attempt), until.UnixNano(), percent, note)
			if err != nil {
				return err
			}
			if n == 1 {
				written[r] = report{percent, note}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for r, w := range written {
		r.mu.Lock()
		r.until = until
		r.dirty = int64(r.percent) != w.percent || r.note != w.note
		r.mu.Unlock()
	}
	return nil
}
