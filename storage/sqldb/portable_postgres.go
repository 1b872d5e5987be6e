package sqldb

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// SQL is the database as the platform's tables see it. Closing it leaves the pool, which is db's,
// open.
func (db *PostgresDB) SQL() SQL { return &postgresSQL{db: db} }

type postgresSQL struct {
	db     *PostgresDB
	closed atomic.Bool
}

func (s *postgresSQL) Dialect() Dialect { return Postgres }

func (s *postgresSQL) Close() error {
	s.closed.Store(true)
	return nil
}

func (s *postgresSQL) Read(ctx context.Context, fn func(Tx) error) error {
	return s.run(ctx, "sqldb.Read", pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

// Write is serializable, because the same code runs on SQLite, where writers queue up.
func (s *postgresSQL) Write(ctx context.Context, fn func(Tx) error) error {
	return s.run(ctx, "sqldb.Write", pgx.TxOptions{IsoLevel: pgx.Serializable}, fn)
}

// run tries until the call's deadline: whoever lost against another transaction waits a moment,
// so that many who want one row do not trip each other again.
func (s *postgresSQL) run(ctx context.Context, op string, opts pgx.TxOptions, fn func(Tx) error) error {
	if s.closed.Load() {
		return errs.Errorf(errs.Unavailable, op, "the database is closed")
	}
	bounded, cancel := s.db.Bound(ctx)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		var lost bool
		err := pgx.BeginTxFunc(bounded, s.db.pool, opts, func(tx pgx.Tx) error {
			t := &postgresTx{ctx: bounded, caller: ctx, tx: tx}
			err := fn(t)
			t.closeRows()
			lost = t.lost
			if err == nil {
				err = ctx.Err() // too late is not written
			}
			return err
		})
		if err == nil {
			return nil
		}
		if !lost && !mayRetry(err) {
			return postgresError(ctx, op, err)
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-bounded.Done():
			return postgresError(ctx, op, err)
		}
	}
}

var blobType = regexp.MustCompile(`\bBLOB\b`)

func (s *postgresSQL) Migrate(ctx context.Context, component string, scripts []string) error {
	own := make([]string, len(scripts))
	for i, text := range scripts {
		own[i] = blobType.ReplaceAllString(text, "BYTEA")
	}
	return s.db.Migrate(ctx, component, own)
}

// postgresError gives a violated constraint its Kind; the rest is ClassifyPostgres's.
func postgresError(ctx context.Context, op string, err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && len(pe.Code) == 5 && pe.Code[:2] == "23" {
		return errs.E(errs.Conflict, op, errors.New("violates "+pe.ConstraintName))
	}
	return ClassifyPostgres(ctx, op, err)
}

type postgresTx struct {
	ctx    context.Context // with the deadline
	caller context.Context
	tx     pgx.Tx
	rows   *postgresRows // the last answer; one is open at a time
	lost   bool          // the server asks to try again
}

// failed notes what the transaction's end has to know of a statement's error.
func (t *postgresTx) failed(err error) error {
	if err == nil {
		return nil
	}
	t.lost = t.lost || mayRetry(err)
	return postgresError(t.caller, "sqldb.Tx", err)
}

func (t *postgresTx) ready() error {
	if t.rows != nil && !t.rows.done {
		return errs.Errorf(errs.Internal, "sqldb.Tx", "the rows of the last query are still open")
	}
	return nil
}

func (t *postgresTx) closeRows() {
	if t.rows != nil {
		t.rows.Close()
	}
}

func (t *postgresTx) Exec(query string, args ...any) (int64, error) {
	if err := t.ready(); err != nil {
		return 0, err
	}
	tag, err := t.tx.Exec(t.ctx, query, args...)
	return tag.RowsAffected(), t.failed(err)
}

func (t *postgresTx) Query(query string, args ...any) (RowSet, error) {
	if err := t.ready(); err != nil {
		return nil, err
	}
	rows, err := t.tx.Query(t.ctx, query, args...)
	if err != nil {
		return nil, t.failed(err)
	}
	t.rows = &postgresRows{rows: rows, tx: t}
	return t.rows, nil
}

type postgresRows struct {
	rows pgx.Rows
	tx   *postgresTx
	done bool
}

func (r *postgresRows) Next() bool {
	if r.done || !r.rows.Next() {
		r.Close()
		return false
	}
	return true
}

func (r *postgresRows) Scan(dest ...any) error {
	// The driver's text quotes no value: column, type and variable only.
	return errs.E(errs.Internal, "sqldb.Scan", r.rows.Scan(dest...))
}

func (r *postgresRows) Err() error { return r.tx.failed(r.rows.Err()) }

// Close reads to the end: that is where the server reports a lost transaction.
func (r *postgresRows) Close() {
	if r.done {
		return
	}
	r.done = true
	r.rows.Close()
	_ = r.Err() // noted
}
