// Package postgres is the index in PostgreSQL, shared by any number of nodes: native SQL, the
// schema in migrations. Attributes and answers are those of package attribute, as in
// index/sqlite; that package's notes on attributes and on consistency hold here too.
//
// Writing. A writer takes the row of its tenant first, looks at what is there, and sends all it
// has to write together with the COMMIT: two round trips, whatever the number of instances. The
// Adds of one process share such a transaction. Under that lock nothing else of the tenant is
// written, so the feed is gapless, counters are exact and there is nothing to deadlock on; other
// tenants do not wait. Every transaction is durable when it returns.
//
// Tenants. Every table has row-level security; each transaction says whose rows it is about in
// the same round trip as its first statement. Roles that bypass row security (superusers) are
// held by the tenant in each statement alone: give the server an ordinary role.
package postgres

import (
	"context"
	"embed"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/batch"
	"github.com/aurelius-imaging/aurelius/storage/index/page"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config of an Index; the zero value is usable.
type Config struct {
	// Now is the clock for changes; default time.Now.
	Now func() time.Time
}

// Index is an index.Index in PostgreSQL. It is safe for concurrent use; memory is bounded by one
// page of rows per running Find or Locate, one batch of Adds per tenant, and a few thousand
// remembered names.
type Index struct {
	db    *sqldb.PostgresDB
	now   func() time.Time
	names names
	pages page.Memory[pageStart]
	known known

	objects objects

	lock   sync.Mutex
	queues map[storage.TenantID]*batch.Queue[*addition]
	closed bool
}

var _ index.Index = (*Index)(nil)

// Open brings the schema up to date and returns the index. The database stays the caller's, to
// be closed after the index.
func Open(ctx context.Context, db *sqldb.PostgresDB, cfg Config) (*Index, error) {
	scripts, err := Scripts()
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "index", scripts); err != nil {
		return nil, err
	}
	ix := &Index{db: db, now: cfg.Now, queues: make(map[storage.TenantID]*batch.Queue[*addition])}
	if ix.now == nil {
		ix.now = time.Now
	}
	return ix, nil
}

// Scripts returns the migrations in order of their numbers (component "index").
func Scripts() ([]string, error) {
	const op = "postgres.Scripts"
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, errs.E(errs.Internal, op, err)
	}
	out := make([]string, len(names))
	for i, name := range names {
		b, err := migrations.ReadFile(name)
		if err != nil {
			return nil, errs.E(errs.Internal, op, err)
		}
		out[i] = string(b)
	}
	return out, nil
}

// Close finishes what was begun.
func (ix *Index) Close() error {
	ix.lock.Lock()
	already := ix.closed
	ix.closed = true
	queues := ix.queues
	ix.lock.Unlock()
	if already {
		return nil
	}
	for _, q := range queues {
		q.Close()
	}
	return ix.storeTails(context.Background())
}

// everyTenant is the tenant of maintenance that spans tenants.
const everyTenant = 0

// setTenant says whose rows a transaction is about. It also has the server plan for a large
// database: a statement is planned once for a connection, perhaps when the tables are still
// empty, and a scan of them that was cheap that day would stay until the next ANALYZE. A bitmap,
// which gives up an index's order, is such a scan in disguise.
const setTenant = `SELECT set_config('aurelius.tenant', $1, true), set_config('enable_seqscan', 'off', true),
	set_config('enable_bitmapscan', 'off', true)`

// statement is one of a round trip; scan reads its rows and may be nil.
type statement struct {
	sql  string
	args []any
	scan func(pgx.Rows) error
}

// read runs statements about one tenant's rows in one transaction and one round trip.
func (ix *Index) read(ctx context.Context, op string, tenant int64, ss ...statement) error {
	return ix.db.Retry(ctx, op, func(ctx context.Context) error {
		b := &pgx.Batch{}
		b.Queue(setTenant, strconv.FormatInt(tenant, 10))
		for _, s := range ss {
			queue := b.Queue(s.sql, s.args...)
			if s.scan != nil {
				queue.Query(s.scan)
			}
		}
		return ix.db.Pool().SendBatch(ctx, b).Close()
	})
}

// each makes of a function for one row one for all.
func each(row func(pgx.Rows) error) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			if err := row(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

// number turns the ? of a composed statement into $1, $2 ...
func number(sql string) string {
	var b strings.Builder
	n := 0
	for i := range len(sql) {
		if sql[i] != '?' {
			b.WriteByte(sql[i])
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

func rowID(tenant, n int64) int64 { return tenant<<40 | n }

// sequence is the part of a row's id that the tenant counts.
func sequence(id int64) int64 { return id & (1<<40 - 1) }

func unixNano(n int64) time.Time { return time.Unix(0, n) }

// maxText bounds what is kept of a value in a column; an index cannot hold much more. VRs that
// have columns allow 64 characters, names 192.
const maxText = 512

// text makes of a string what a text column can hold: no NUL, valid UTF-8, bounded. Questions
// go through it as well, so that both sides are cut alike.
func text(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}
