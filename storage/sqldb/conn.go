package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// maxStatements bounds the prepared statements a connection keeps: queries are composed, so
// there may be many different ones.
const maxStatements = 128

// Conn is one connection with its prepared statements. It is not safe for concurrent use.
type Conn struct {
	dc    driver.Conn
	stmts map[string]*stmt
	turn  uint64
	args  []driver.NamedValue
}

type stmt struct {
	ds   driver.Stmt
	used uint64
	open bool // rows are being read
	cols int
}

// Result of a statement that changes rows.
type Result struct {
	LastID  int64
	Changed int64
}

func newConn(dc driver.Conn) *Conn {
	return &Conn{dc: dc, stmts: make(map[string]*stmt)}
}

func (c *Conn) close() error {
	for _, s := range c.stmts {
		s.ds.Close()
	}
	c.stmts = nil
	return c.dc.Close()
}

// prepare returns the cached statement, evicting the one that was not used for longest.
func (c *Conn) prepare(query string) (*stmt, error) {
	c.turn++
	if s := c.stmts[query]; s != nil {
		if s.open {
			return nil, errors.New("statement is in use: " + query)
		}
		s.used = c.turn
		return s, nil
	}
	if len(c.stmts) >= maxStatements {
		oldest := ""
		for q, s := range c.stmts {
			if !s.open && (oldest == "" || s.used < c.stmts[oldest].used) {
				oldest = q
			}
		}
		if oldest != "" {
			c.stmts[oldest].ds.Close()
			delete(c.stmts, oldest)
		}
	}
	ds, err := c.dc.Prepare(query)
	if err != nil {
		return nil, err
	}
	s := &stmt{ds: ds, used: c.turn}
	c.stmts[query] = s
	return s, nil
}

func (c *Conn) bind(args []any) []driver.NamedValue {
	c.args = c.args[:0]
	for i, a := range args {
		switch v := a.(type) {
		case int:
			a = int64(v)
		case uint32:
			a = int64(v)
		case bool:
			a = int64(0)
			if v {
				a = int64(1)
			}
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.args
}

// Exec runs a statement that returns no rows. Arguments are int, int64, uint32, bool, float64,
// string, []byte or nil.
func (c *Conn) Exec(query string, args ...any) (Result, error) {
	s, err := c.prepare(query)
	if err != nil {
		return Result{}, classify("sqldb.Exec", err)
	}
	r, err := s.ds.(driver.StmtExecContext).ExecContext(context.Background(), c.bind(args))
	if err != nil {
		return Result{}, classify("sqldb.Exec", err)
	}
	var out Result
	out.LastID, _ = r.LastInsertId()
	out.Changed, _ = r.RowsAffected()
	return out, nil
}

// run is Exec for BEGIN and the like: not classified, the caller does.
func (c *Conn) run(query string) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	_, err = s.ds.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return err
}

// script runs several statements without preparing them for later.
func (c *Conn) script(text string) error {
	_, err := c.dc.(driver.ExecerContext).ExecContext(context.Background(), text, nil)
	return err
}

// Query runs a statement that returns rows. Close them, or read them to their end.
func (c *Conn) Query(query string, args ...any) (*Rows, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, classify("sqldb.Query", err)
	}
	dr, err := s.ds.(driver.StmtQueryContext).QueryContext(context.Background(), c.bind(args))
	if err != nil {
		return nil, classify("sqldb.Query", err)
	}
	if s.cols == 0 {
		s.cols = len(dr.Columns())
	}
	s.open = true
	return &Rows{rows: dr, stmt: s, vals: make([]driver.Value, s.cols)}, nil
}

// Int runs a query and returns the first column of its first row, 0 when there is none.
func (c *Conn) Int(query string, args ...any) (int64, error) {
	r, err := c.Query(query, args...)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	if !r.Next() {
		return 0, r.Err()
	}
	return r.Int(0), r.Err()
}

// Rows are the rows of a query. Columns are counted from 0; NULL reads as zero.
type Rows struct {
	rows driver.Rows
	stmt *stmt
	vals []driver.Value
	err  error
	done bool
}

// Next steps to the next row; it reports false at the end, where Err tells why.
func (r *Rows) Next() bool {
	if r.done {
		return false
	}
	if err := r.rows.Next(r.vals); err != nil {
		if !errors.Is(err, io.EOF) {
			r.err = classify("sqldb.Next", err)
		}
		r.Close()
		return false
	}
	return true
}

// Err returns what ended the rows early.
func (r *Rows) Err() error { return r.err }

// Close ends the rows.
func (r *Rows) Close() {
	if r.done {
		return
	}
	r.done = true
	r.stmt.open = false
	if err := r.rows.Close(); err != nil && r.err == nil {
		r.err = classify("sqldb.Close", err)
	}
}

// Int returns an integer column.
func (r *Rows) Int(col int) int64 {
	n, _ := r.vals[col].(int64)
	return n
}

// Text returns a text column.
func (r *Rows) Text(col int) string {
	switch v := r.vals[col].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Blob returns a blob column; the bytes are the caller's.
func (r *Rows) Blob(col int) []byte {
	switch v := r.vals[col].(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

// Null reports whether the column is NULL.
func (r *Rows) Null(col int) bool { return r.vals[col] == nil }

// classify turns a driver's error into a Kind. An error that has one is kept.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *errs.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return errs.E(errs.Canceled, op, err)
	}
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return errs.E(errs.Internal, op, err)
	}
	kind := errs.Internal
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		kind = errs.Exhausted
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL:
		kind = errs.Unavailable
	case sqlite3.SQLITE_INTERRUPT:
		kind = errs.Canceled
	}
	return errs.E(kind, op, err)
}

// IsConstraint reports whether err is a violated constraint.
func IsConstraint(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}
