package jobs

import (
	"context"
	"strconv"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// Filter selects jobs of a tenant; empty fields select all.
type Filter struct {
	State State
	Kind  string
	After string // the last id of the page before
	Limit int    // default 100, at most 1000
}

// List returns jobs, the youngest first.
func (q *Queue) List(ctx context.Context, t storage.TenantID, f Filter) (out []Job, err error) {
	if f.After != "" && !isID(f.After) {
		return nil, errs.Errorf(errs.Invalid, "jobs.List", "after is not the id of a job")
	}
	query, args := f.query(t)
	err = q.db.Read(ctx, func(tx sqldb.Tx) error {
		list, err := all(tx, query, args...)
		out = make([]Job, 0, len(list))
		for _, r := range list {
			out = append(out, r.Job)
		}
		return err
	})
	return out, err
}

func (f Filter) query(t storage.TenantID) (query string, args []any) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	query, args = selectJobs+`WHERE tenant = $1`, []any{string(t)}
	for _, c := range []struct{ condition, value string }{
		{" AND state = $", string(f.State)}, {" AND kind = $", f.Kind}, {" AND id < $", f.After},
	} {
		if c.value != "" {
			args = append(args, c.value)
			query += c.condition + strconv.Itoa(len(args))
		}
	}
	return query + ` ORDER BY id DESC LIMIT ` + strconv.Itoa(min(f.Limit, 1000)), args
}

// Get returns one job.
func (q *Queue) Get(ctx context.Context, t storage.TenantID, id string) (j Job, err error) {
	err = q.db.Read(ctx, func(tx sqldb.Tx) error {
		j, err = get(tx, "jobs.Get", t, id)
		return err
	})
	return j, err
}

func get(tx sqldb.Tx, op string, t storage.TenantID, id string) (Job, error) {
	list, err := all(tx, selectJobs+`WHERE id = $1 AND tenant = $2`, id, string(t))
	if err != nil {
		return Job{}, err
	}
	if len(list) == 0 {
		return Job{}, unknown(op)
	}
	return list[0].Job, nil
}

// Cancel ends a waiting job at once and asks a running one to stop, on whichever node it is. A
// cancelled job stays cancelled; one that has ended otherwise is a Conflict.
func (q *Queue) Cancel(ctx context.Context, t storage.TenantID, id string) (j Job, err error) {
	const op = "jobs.Cancel"
	err = q.db.Write(ctx, func(tx sqldb.Tx) error {
		if j, err = get(tx, op, t, id); err != nil {
			return err
		}
		switch j.State {
		case Waiting:
			return end(tx, &j, Cancelled, j.Error, q.now())
		case Running:
			j.Cancelling = true
			_, err := tx.Exec(`UPDATE job SET cancel = TRUE WHERE id = $1`, id)
			return err
		case Cancelled:
			return nil
		}
		return errs.Errorf(errs.Conflict, op, "the job is %s already", j.State)
	})
	return j, err
}

// Retry has a dead or cancelled job wait again, with all its attempts. It is a Conflict when the
// job is in another state, or the same work (Request.Unique) was queued meanwhile.
func (q *Queue) Retry(ctx context.Context, t storage.TenantID, id string) (j Job, err error) {
	const op = "jobs.Retry"
	err = q.db.Write(ctx, func(tx sqldb.Tx) error {
		if j, err = get(tx, op, t, id); err != nil {
			return err
		}
		if j.State != Dead && j.State != Cancelled {
			return errs.Errorf(errs.Conflict, op, "the job is %s, not dead or cancelled", j.State)
		}
		now := q.now()
		_, err := tx.Exec(`UPDATE job SET state = 'waiting', attempt = 0, run_at = $2, percent = 0, note = '', finished = 0
			WHERE id = $1`, id, now.UnixNano())
		if errs.Is(err, errs.Conflict) {
			return errs.Errorf(errs.Conflict, op, "the same work is queued already")
		}
		j.State, j.Attempt, j.RunAt, j.Percent, j.Note, j.Finished = Waiting, 0, now, 0, "", instant(0)
		return err
	})
	if err == nil {
		q.Wake()
	}
	return j, err
}
