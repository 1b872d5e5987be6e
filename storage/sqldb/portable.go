package sqldb

import "context"

// Dialect names the engine behind a SQL.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// SQL is what the platform's small tables (cursors, webhooks, nodes; later users and audit) are
// written against once for both engines: the statements that SQLite and PostgreSQL share, with
// $1, $2 as placeholders and columns of BIGINT, TEXT, BOOLEAN, DOUBLE PRECISION and, in
// migrations, BLOB, which PostgreSQL is told as BYTEA. The index has SQL of its own for each engine
// and does not use it. Safe for concurrent use.
type SQL interface {
	// Read runs fn on one state of the database.
	Read(ctx context.Context, fn func(Tx) error) error
	// Write runs fn in a transaction that is durable when it returns nil. Where the engine asks
	// for a retry (deadlock, serialization) fn runs again: it must have no effect outside.
	Write(ctx context.Context, fn func(Tx) error) error
	// Migrate brings the tables of one component up to date: the scripts it has not seen, in
	// order, each in a transaction, once even when several nodes start at one time. Scripts write
	// BLOB for bytes; their line "-- compatible with N" is told at PostgresDB.Migrate.
	Migrate(ctx context.Context, component string, scripts []string) error
	Dialect() Dialect
	Close() error
}

// Tx is a transaction of SQL; not for concurrent use. Arguments and results are int64, string,
// []byte, bool, float64 and nil; times are kept as nanoseconds since 1970. A violated constraint
// is errs.Conflict. The rows of one Query are closed before the next statement; a statement that
// failed is the transaction's end.
type Tx interface {
	// Exec returns the number of rows it touched.
	Exec(sql string, args ...any) (int64, error)
	Query(sql string, args ...any) (RowSet, error)
}

// RowSet is the answer of a Query; Close may be called twice.
type RowSet interface {
	Next() bool
	// Scan takes *int64, *string, *[]byte, *bool, *float64, and pointers to these for NULL.
	Scan(dest ...any) error
	Err() error
	Close()
}

// Each calls fn for every row of a query.
func Each(tx Tx, fn func(RowSet) error, query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
