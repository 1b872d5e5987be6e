package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurelius-imaging/aurelius/storage/index"
)

const (
	// setWriter is setTenant for a writer, whose statements have one good plan each. Left alone the
	// server would plan anew for each batch: planning was two thirds of what an Add cost it.
	setWriter = setTenant + `, set_config('plan_cache_mode', 'force_generic_plan', true)`

	begin        = `BEGIN ISOLATION LEVEL READ COMMITTED`
	lockTenant   = `SELECT seq, row, latest FROM tenants WHERE id=$1 FOR NO KEY UPDATE`
	updateTenant = `UPDATE tenants SET seq=$2, row=$3, latest=$4, patients=patients+$5, studies=studies+$6,
		series=series+$7, instances=instances+$8, bytes=bytes+$9 WHERE id=$1`
)

// writer is a transaction that holds the row of its tenant. What it looks at comes in round
// trips of its own, the first of which begins the transaction; what it writes is collected and
// goes out with the COMMIT.
type writer struct {
	ix     *Index
	ctx    context.Context
	conn   *pgxpool.Conn
	tenant int64
	now    time.Time

	begun            bool
	before           counters
	seq, row, latest int64
	more             index.Usage
	out              *pgx.Batch
	*state                            // of Add
	learned          map[string]int64 // terms this transaction made
	touched          []*object
	made             map[objectKey]*object // objects this transaction made
	learn            []func()              // what was merged, for known
}

type counters struct{ seq, row, latest int64 }

// write runs fn in a transaction about the tenant and commits what it queued. It runs again
// when the server asks for it, so fn must start from nothing.
func (ix *Index) write(ctx context.Context, op string, tenant int64, fn func(*writer) error) error {
	var w *writer
	err := ix.db.Retry(ctx, op, func(ctx context.Context) error {
		conn, err := ix.db.Pool().Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		w = &writer{ix: ix, ctx: ctx, conn: conn, tenant: tenant, now: ix.now(), learned: make(map[string]int64), out: &pgx.Batch{},
			made: make(map[objectKey]*object)}
		if err = fn(w); err == nil {
			err = w.commit()
		}
		if err != nil && !conn.Conn().IsClosed() {
			// Else Release would throw the connection away.
			_, _ = conn.Exec(ctx, `ROLLBACK`)
		}
		return err
	})
	if err != nil {
		if w != nil {
			ix.objects.forget(w.touched)
		}
		return err
	}
	for term, id := range w.learned {
		ix.names.learn(tenant, id, term)
	}
	for _, o := range w.made {
		ix.objects.put(o)
	}
	for _, learn := range w.learn {
		learn()
	}
	return nil
}

// look runs statements at once, in one round trip.
func (w *writer) look(ss ...statement) error {
	b := &pgx.Batch{}
	if !w.begun {
		w.begun = true
		b.Queue(begin)
		b.Queue(setWriter, strconv.FormatInt(w.tenant, 10))
		b.Queue(lockTenant, w.tenant).QueryRow(func(r pgx.Row) error {
			err := r.Scan(&w.seq, &w.row, &w.latest)
			w.before = counters{w.seq, w.row, w.latest}
			return err
		})
	}
	for _, s := range ss {
		queue := b.Queue(s.sql, s.args...)
		if s.scan != nil {
			queue.Query(s.scan)
		}
	}
	return w.conn.SendBatch(w.ctx, b).Close()
}

// queue notes a statement for the end.
func (w *writer) queue(sql string, args ...any) { w.out.Queue(sql, args...) }

// commit sends what was queued. A transaction that only looked ends without a write.
func (w *writer) commit() error {
	if !w.begun {
		return nil
	}
	if w.before != (counters{w.seq, w.row, w.latest}) || w.more != (index.Usage{}) {
		u := w.more
		w.queue(updateTenant, w.tenant, w.seq, w.row, w.latest, u.Patients, u.Studies, u.Series, u.Instances, u.Bytes)
	}
	w.queue(`COMMIT`)
	return w.send()
}

// send sends what was queued so far.
func (w *writer) send() error {
	out := w.out
	w.out = &pgx.Batch{}
	if out.Len() == 0 {
		return nil
	}
	return w.conn.SendBatch(w.ctx, out).Close()
}

// nextRow is the id of a new row.
func (w *writer) nextRow() int64 {
	w.row++
	return rowID(w.tenant, w.row)
}

// nextChange is the id of the next change.
func (w *writer) nextChange() int64 {
	w.seq++
	return rowID(w.tenant, w.seq)
}
