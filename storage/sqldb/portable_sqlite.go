package sqldb

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// OpenSQL opens a SQLite file of its own for the platform's tables: the index beside it may be
// set aside and rebuilt from blobs, accounts and cursors may not.
func OpenSQL(path string) (SQL, error) {
	db, err := Open(path, Config{Readers: 2, ReaderCache: 512, WriterCache: 2048, Checkpoint: 1 << 20},
		[]string{sqliteMigrations})
	if err != nil {
		return nil, err
	}
	return &sqliteSQL{db: db, turn: make(chan struct{}, 1)}, nil
}

type sqliteSQL struct {
	db   *DB
	turn chan struct{} // who writes; unlike the writer's mutex one can stop waiting for it

	closed atomic.Bool
}

func (s *sqliteSQL) Dialect() Dialect { return SQLite }

func (s *sqliteSQL) Close() error {
	s.closed.Store(true) // who comes now is told so, who is in is waited for
	return s.db.Close()
}

// Read holds a transaction open, so that all statements of fn see one state.
func (s *sqliteSQL) Read(ctx context.Context, fn func(Tx) error) error {
	if err := ctx.Err(); err != nil {
		return errs.E(errs.Canceled, "sqldb.Read", err)
	}
	if s.closed.Load() {
		return errs.Errorf(errs.Unavailable, "sqldb.Read", "the database is closed")
	}
	return s.db.Read(ctx, func(c *Conn) error {
		if err := c.run("BEGIN"); err != nil {
			return classify("sqldb.Read", err)
		}
		tx := &sqliteTx{ctx: ctx, conn: c}
		defer func() {
			tx.closeRows()
			_ = c.run("ROLLBACK") // nothing was written
		}()
		return fn(tx)
	})
}

func (s *sqliteSQL) Write(ctx context.Context, fn func(Tx) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return errs.E(errs.Canceled, "sqldb.Write", ctx.Err())
	}
	defer func() { <-s.turn }()
	return s.db.Write(ctx, Durable, func(c *Conn) error {
		tx := &sqliteTx{ctx: ctx, conn: c}
		defer tx.closeRows()
		if err := fn(tx); err != nil {
			return err
		}
		if tx.failed != nil {
			return tx.failed
		}
		return tx.cancelled() // too late is not written
	})
}

// sqliteMigrations has the shape of the table PostgresDB.Migrate keeps.
const sqliteMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
	component  TEXT NOT NULL,
	version    BIGINT NOT NULL,
	compatible BIGINT NOT NULL,
	PRIMARY KEY (component, version)
) WITHOUT ROWID`

// Migrate is PostgresDB.Migrate for SQLite, "-- compatible with N" included.
func (s *sqliteSQL) Migrate(ctx context.Context, component string, scripts []string) error {
	for done := false; !done; {
		if err := s.Write(ctx, func(tx Tx) (err error) {
			done, err = migrateOneSQLite(tx.(*sqliteTx).conn, component, scripts)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// migrateOneSQLite applies the next script and reports whether it was the last.
func migrateOneSQLite(c *Conn, component string, scripts []string) (done bool, err error) {
	const op = "sqldb.Migrate"
	version, err := c.Int(`SELECT max(version) FROM schema_migrations WHERE component=?1`, component)
	if err != nil {
		return false, err
	}
	floor, err := c.Int(`SELECT max(compatible) FROM schema_migrations WHERE component=?1`, component)
	if err != nil {
		return false, err
	}
	m, err := nextMigration(component, scripts, version, floor)
	if m == nil {
		return true, err
	}
	if err := c.script(m.script); err != nil {
		return false, classify(op+" "+component, err)
	}
	_, err = c.Exec(`INSERT INTO schema_migrations (component, version, compatible) VALUES (?1, ?2, ?3)`, component, m.version, m.floor)
	return m.version == int64(len(scripts)), err
}

// sqliteTx is a transaction on one connection.
type sqliteTx struct {
	ctx  context.Context
	conn *Conn
	rows *sqliteRows // the last answer; one is open at a time
	// failed is the first statement's error: it ends the transaction, as it does in PostgreSQL.
	failed error
}

func (t *sqliteTx) cancelled() error {
	return errs.E(errs.Canceled, "sqldb.Tx", t.ctx.Err())
}

// ready reports why no statement may run now.
func (t *sqliteTx) ready() error {
	if t.rows != nil && !t.rows.done {
		return errs.Errorf(errs.Internal, "sqldb.Tx", "the rows of the last query are still open")
	}
	if t.failed != nil {
		return errs.Errorf(errs.Internal, "sqldb.Tx", "a statement of this transaction has failed")
	}
	return t.cancelled()
}

func (t *sqliteTx) closeRows() {
	if t.rows != nil {
		t.rows.Close()
	}
}

func (t *sqliteTx) Exec(query string, args ...any) (int64, error) {
	if err := t.ready(); err != nil {
		return 0, err
	}
	r, err := t.conn.Exec(placeholders.numbered(query), args...)
	t.failed = constraint(err)
	return r.Changed, t.failed
}

func (t *sqliteTx) Query(query string, args ...any) (RowSet, error) {
	if err := t.ready(); err != nil {
		return nil, err
	}
	rows, err := t.conn.Query(placeholders.numbered(query), args...)
	if err != nil {
		t.failed = constraint(err)
		return nil, t.failed
	}
	t.rows = &sqliteRows{Rows: rows, ctx: t.ctx}
	return t.rows, nil
}

// constraint gives a violated constraint its Kind.
func constraint(err error) error {
	if IsConstraint(err) {
		return errs.E(errs.Conflict, "sqldb.Tx", err)
	}
	return err
}

type sqliteRows struct {
	*Rows
	ctx context.Context
}

func (r *sqliteRows) Next() bool {
	if err := r.ctx.Err(); err != nil && !r.done {
		r.Close()
		r.err = errs.E(errs.Canceled, "sqldb.Next", err)
	}
	return r.Rows.Next()
}

func (r *sqliteRows) Err() error { return constraint(r.Rows.Err()) }

func (r *sqliteRows) Scan(dest ...any) error {
	if len(dest) != len(r.vals) {
		return errs.Errorf(errs.Internal, "sqldb.Scan", "%d columns into %d variables", len(r.vals), len(dest))
	}
	for i, d := range dest {
		if err := r.scan(i, d); err != nil {
			return err
		}
	}
	return nil
}

func (r *sqliteRows) scan(col int, dest any) error {
	switch d := dest.(type) {
	case **int64:
		return scanNull(r, col, d)
	case **string:
		return scanNull(r, col, d)
	case **[]byte:
		return scanNull(r, col, d)
	case **bool:
		return scanNull(r, col, d)
	case **float64:
		return scanNull(r, col, d)
	case *[]byte: // nil is NULL
		*d = r.Blob(col)
		return nil
	}
	if r.Null(col) {
		return errs.Errorf(errs.Internal, "sqldb.Scan", "column %d is NULL", col)
	}
	switch d := dest.(type) {
	case *int64:
		*d = r.Int(col)
	case *string:
		*d = r.Text(col)
	case *bool:
		b, isBool := r.vals[col].(bool) // the driver knows columns declared BOOLEAN
		*d = isBool && b || r.Int(col) != 0
	case *float64:
		f, isFloat := r.vals[col].(float64)
		if !isFloat {
			f = float64(r.Int(col))
		}
		*d = f
	default:
		return errs.Errorf(errs.Internal, "sqldb.Scan", "column %d: cannot scan into %T", col, dest)
	}
	return nil
}

func scanNull[T any](r *sqliteRows, col int, dest **T) error {
	if r.Null(col) {
		*dest = nil
		return nil
	}
	*dest = new(T)
	return r.scan(col, *dest)
}

// placeholders turns $1 into ?1: SQLite reads $1 as a name. Statements are few and constant;
// the map is emptied should somebody compose them.
var placeholders = &rewriter{known: make(map[string]string)}

const maxRewritten = 1024

type rewriter struct {
	mu    sync.Mutex
	known map[string]string
}

func (w *rewriter) numbered(query string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out, ok := w.known[query]
	if !ok {
		if len(w.known) >= maxRewritten {
			clear(w.known)
		}
		out = numbered(query)
		w.known[query] = out
	}
	return out
}

// numbered leaves literals ('$1') alone.
func numbered(query string) string {
	var b strings.Builder
	b.Grow(len(query))
	quoted := false
	for i := range len(query) {
		c := query[i]
		switch {
		case c == '\'':
			quoted = !quoted
		case c == '$' && !quoted && i+1 < len(query) && query[i+1] >= '1' && query[i+1] <= '9':
			c = '?'
		}
		b.WriteByte(c)
	}
	return b.String()
}
