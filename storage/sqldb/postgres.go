package sqldb

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// PostgresConfig says how to reach PostgreSQL; only URL must be set.
type PostgresConfig struct {
	URL      string // postgres://user:password@host:port/database?sslmode=...
	MaxConns int    // default 16
	MinConns int    // kept open; default 0

	ConnectTimeout time.Duration // default 5 s
	// StatementTimeout ends a statement on the server; default 25 s. A call as a whole, waiting
	// for a connection included, ends a little later on our side: see PostgresDB.Bound.
	StatementTimeout time.Duration
	LockTimeout      time.Duration // a wait for a lock; default 10 s
}

func (c PostgresConfig) withDefaults() PostgresConfig {
	if c.MaxConns <= 0 {
		c.MaxConns = 16
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.StatementTimeout <= 0 {
		c.StatementTimeout = 25 * time.Second
	}
	if c.LockTimeout <= 0 {
		c.LockTimeout = 10 * time.Second
	}
	return c
}

// PostgresDB is a pool of connections to one PostgreSQL database. It is safe for concurrent use.
type PostgresDB struct {
	pool *pgxpool.Pool
	cfg  PostgresConfig
}

// maxRetries bounds how often a transaction that lost a deadlock or a serialization is tried.
const maxRetries = 10

// OpenPostgres opens a pool and makes sure that the database answers.
//
// A connection that has gone dead without a word is noticed three times over: TCP keepalive and
// the server's TCP user timeout end it after some 25 s, and every call has a deadline of its own.
func OpenPostgres(ctx context.Context, cfg PostgresConfig) (*PostgresDB, error) {
	const op = "sqldb.OpenPostgres"
	cfg = cfg.withDefaults()
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		// The parser's own text would quote the URL.
		return nil, errs.Errorf(errs.Invalid, op, "the PostgreSQL URL cannot be understood")
	}
	pc.MaxConns, pc.MinConns = int32(cfg.MaxConns), int32(min(cfg.MinConns, cfg.MaxConns))
	pc.PingTimeout = cfg.ConnectTimeout
	conn := pc.ConnConfig
	conn.ConnectTimeout = cfg.ConnectTimeout
	conn.DialFunc = (&net.Dialer{Timeout: cfg.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}).DialContext
	for name, value := range map[string]string{
		"application_name":  "aurelius",
		"statement_timeout": milliseconds(cfg.StatementTimeout),
		"lock_timeout":      milliseconds(cfg.LockTimeout),
		// A node that froze in a transaction holds others up no longer than they wait for it.
		"idle_in_transaction_session_timeout": milliseconds(min(cfg.LockTimeout, 8*time.Second)),
		"synchronous_commit":                  "on", // durable when it returns, whatever the server's default
		"tcp_keepalives_idle":                 "10",
		"tcp_keepalives_interval":             "5",
		"tcp_keepalives_count":                "3",
		"tcp_user_timeout":                    "25000",
		"jit":                                 "off", // a plan of ours is done before it is compiled
		"timezone":                            "UTC",
	} {
		if conn.RuntimeParams[name] == "" { // what the URL says counts
			conn.RuntimeParams[name] = value
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, ClassifyPostgres(ctx, op, err)
	}
	db := &PostgresDB{pool: pool, cfg: cfg}
	bounded, cancel := db.Bound(ctx)
	defer cancel()
	if err := pool.Ping(bounded); err != nil {
		pool.Close()
		return nil, ClassifyPostgres(ctx, op, err)
	}
	return db, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Pool is the pool itself, for those who speak pgx. Its calls want a context of Bound.
func (db *PostgresDB) Pool() *pgxpool.Pool { return db.pool }

// Bound returns ctx with the deadline of one call, so that a server behind a connection that
// swallows everything cannot hold the caller.
func (db *PostgresDB) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, db.cfg.StatementTimeout+db.cfg.ConnectTimeout)
}

// Write runs fn in a transaction and commits it; it runs again, up to a few times, when the
// server chose the transaction as the victim of a deadlock or could not serialize it: fn must
// have no effect outside. The deadline covers all of it.
func (db *PostgresDB) Write(ctx context.Context, op string, fn func(context.Context, pgx.Tx) error) error {
	return db.Retry(ctx, op, func(bounded context.Context) error {
		return pgx.BeginFunc(bounded, db.pool, func(tx pgx.Tx) error { return fn(bounded, tx) })
	})
}

// Retry runs fn with a bounded context, again when the server asks for it, and says what went
// wrong in the words of errs.
func (db *PostgresDB) Retry(ctx context.Context, op string, fn func(context.Context) error) error {
	bounded, cancel := db.Bound(ctx)
	defer cancel()
	for try := 0; ; try++ {
		err := fn(bounded)
		if err == nil {
			return nil
		}
		if try == maxRetries || !mayRetry(err) || ctx.Err() != nil {
			return ClassifyPostgres(ctx, op, err)
		}
	}
}

// mayRetry reports whether the server rolled back and asks to try again (serialization failure,
// deadlock), or was never asked, because the connection had died in the pool.
func mayRetry(err error) bool {
	var pe *pgconn.PgError
	var ce *pgconn.ConnectError
	return errors.As(err, &pe) && (pe.Code == "40001" || pe.Code == "40P01") ||
		pgconn.SafeToRetry(err) && !errors.As(err, &ce)
}

// Close waits for running calls and closes the pool.
func (db *PostgresDB) Close() error {
	db.pool.Close()
	return nil
}

// ClassifyPostgres says in the words of errs what went wrong; ctx is the caller's own, not the
// bounded one. An error that has a Kind already keeps it.
func ClassifyPostgres(ctx context.Context, op string, err error) error {
	var own *errs.Error
	var pe *pgconn.PgError
	var ce *pgconn.ConnectError
	var ne net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case ctx.Err() != nil:
		return errs.E(errs.Canceled, op, ctx.Err())
	case errors.As(err, &pe):
		// Without Detail and Hint, which may quote values of the row.
		return errs.E(postgresKind(pe.Code), op, errors.New(pe.Severity+": "+pe.Message+" (SQLSTATE "+pe.Code+")"))
	case errors.As(err, &ce), errors.As(err, &ne), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, pgx.ErrTxClosed), pgconn.SafeToRetry(err), isClosedPool(err):
		return errs.E(errs.Unavailable, op, err)
	}
	return errs.E(errs.Internal, op, err)
}

// isClosedPool knows puddle.ErrClosedPool by its words: the module is none of ours.
func isClosedPool(err error) bool {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if e.Error() == "closed pool" || e.Error() == "conn closed" {
			return true
		}
	}
	return false
}

// postgresKind sorts SQLSTATEs (PostgreSQL documentation, Appendix A).
func postgresKind(code string) errs.Kind {
	switch code {
	case "53100": // disk_full
		return errs.Exhausted
	case "25006", // read_only_sql_transaction: a standby, or an administrator's hand
		"40001", "40P01", // still losing after every retry
		"55P03", "57014", "25P03", // lock, statement and idle time-outs
		"3D000", "58030": // no such database; io_error
		return errs.Unavailable
	case "22021", "22P05", "22003": // bytes that are no text, a number out of range
		return errs.Invalid
	}
	if len(code) == 5 {
		switch code[:2] {
		case "08", "28", "53", "57": // connection, authorization, resources, operator
			return errs.Unavailable
		}
	}
	return errs.Internal
}
