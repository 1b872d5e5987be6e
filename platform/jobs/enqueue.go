package jobs

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// maxArgs bounds what a job carries: it names its work, it does not contain it.
const maxArgs = 64 << 10

// Request is a job to be.
type Request struct {
	Tenant storage.TenantID
	Kind   string
	// Unique names the work, so that it is not queued twice: while a job of this tenant and kind
	// with this name waits, Enqueue returns that one; while it runs, it will run once more, for
	// what may have come too late for the run that is under way. Empty: always a new job.
	Unique string
	// Args are for the handler: a small JSON of keys. Lists show them, so they hold no patient data.
	Args        []byte
	Priority    int       // higher runs first; default 0
	RunAt       time.Time // not before; default now
	MaxAttempts int       // default 10
}

// Enqueue makes the job durable and returns its id.
func (q *Queue) Enqueue(ctx context.Context, r Request) (id string, err error) {
	err = q.db.Write(ctx, func(tx sqldb.Tx) error {
		id, err = q.EnqueueTx(tx, r)
		return err
	})
	if err != nil {
		return "", err
	}
	q.Wake()
	return id, nil
}

// EnqueueTx enqueues as part of a transaction: the job is there if and only if what caused it is.
func (q *Queue) EnqueueTx(tx sqldb.Tx, r Request) (id string, err error) {
	const op = "jobs.Enqueue"
	if r.Tenant == "" || r.Kind == "" {
		return "", errs.Errorf(errs.Invalid, op, "a job has a tenant and a kind")
	}
	if len(r.Args) > maxArgs {
		return "", errs.Errorf(errs.Invalid, op, "the arguments are %d bytes, %d are allowed", len(r.Args), maxArgs)
	}
	if r.MaxAttempts <= 0 {
		r.MaxAttempts = 10
	}
	now := q.now()
	if r.RunAt.IsZero() {
		r.RunAt = now
	}
	id = newID(now)
	n, err := tx.Exec(`INSERT INTO job (id, tenant, kind, unique_key, args, state, priority, attempt, max_attempts,
			percent, note, error, node, cancel, again, lease_until, run_at, created, started, finished)
		VALUES ($1, $2, $3, $4, $5, 'waiting', $6, 0, $7, 0, '', '', '', FALSE, FALSE, 0, $8, $9, 0, 0)
		ON CONFLICT DO NOTHING`,
		id, string(r.Tenant), r.Kind, r.Unique, r.Args, int64(r.Priority), int64(r.MaxAttempts),
		r.RunAt.UnixNano(), now.UnixNano())
	if err != nil || n == 1 {
		return id, err
	}
	known, err := all(tx, selectUnique, string(r.Tenant), r.Kind, r.Unique)
	if err != nil {
		return "", err
	}
	if len(known) == 0 {
		return "", errs.Errorf(errs.Internal, op, "a job that is in the way is not there")
	}
	if known[0].State == Running {
		_, err = tx.Exec(`UPDATE job SET again = TRUE WHERE id = $1`, known[0].ID)
	}
	return known[0].ID, err
}

// period is a job that comes again and again.
type period struct {
	every time.Duration
	req   Request
	began int64 // the last one this node knows to be dealt with
}

// Periodic enqueues r once in each period on one node, whichever is first; before Run. Periods
// are counted from 1970 in UTC, so "every 24 h" is midnight. The period in which the job is seen for the
// first time is skipped; those that passed while no node was up are made good by one job.
// A job that still runs when its next comes is run once more after it ends.
func (q *Queue) Periodic(every time.Duration, r Request) {
	if r.Unique == "" {
		r.Unique = "periodic"
	}
	q.periods = append(q.periods, &period{every: every, req: r})
}

func (q *Queue) schedule(ctx context.Context) error {
	for _, p := range q.periods {
		began := q.now().UnixNano() / int64(p.every) * int64(p.every)
		if began <= p.began {
			continue
		}
		if err := q.db.Write(ctx, func(tx sqldb.Tx) error {
			n, err := tx.Exec(`INSERT INTO job_period (tenant, kind, unique_key, began) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
				string(p.req.Tenant), p.req.Kind, p.req.Unique, began)
			if err != nil || n == 1 {
				return err
			}
			n, err = tx.Exec(`UPDATE job_period SET began = $4
				WHERE tenant = $1 AND kind = $2 AND unique_key = $3 AND began < $4`,
				string(p.req.Tenant), p.req.Kind, p.req.Unique, began)
			if err != nil || n == 0 {
				return err // another node was here
			}
			_, err = q.EnqueueTx(tx, p.req)
			return err
		}); err != nil {
			return err
		}
		p.began = began
	}
	return nil
}
