// Package sqlite is the index in one SQLite file: native SQL, one writer that lets concurrent
// Adds share a commit, a few readers. The schema is in migrations.
//
// Attributes. A patient, study or series keeps what its first instance said; a later instance
// fills in what was missing or empty and changes nothing else (so one odd object cannot rename a
// study). Removing instances takes nothing back. An instance keeps the attributes that are
// usually asked for beside its row; all others, private ones too, come from its header.
//
// Consistency. Find and Locate read page by page, each page of one state of the database: a
// slow consumer holds no transaction open, and a study that is stored or removed meanwhile may
// or may not be seen.
//
// Durability. Add survives a crash of the process; after a power cut the last Adds may be
// missing and are replayed from the blobs behind Tails. Remove, and an Add that replaces, are
// durable when they return, since bytes are erased on their word. Sync makes what Changes returned
// durable, before it is told to others.
package sqlite

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"sync/atomic"
	"time"

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
	DB sqldb.Config
	// Now is the clock for changes; default time.Now.
	Now func() time.Time
}

// Index is an index.Index in one SQLite file. It is safe for concurrent use; memory is bounded
// by the caches of Config.DB, one page of rows per running Find or Locate, and a few thousand
// rows the writer remembers.
type Index struct {
	db    *sqldb.DB
	now   func() time.Time
	terms terms
	pages page.Memory[pageStart]

	queue *batch.Queue[*addition]
	state *writerState // of the writer; used inside db.Write only

	// generation counts commits that changed what a query may answer.
	generation atomic.Int64
}

var _ index.Index = (*Index)(nil)

// Open opens or creates the index at the path.
func Open(path string, cfg Config) (*Index, error) {
	scripts, err := scripts()
	if err != nil {
		return nil, errs.E(errs.Internal, "sqlite.Open", err)
	}
	db, err := sqldb.Open(path, cfg.DB, scripts)
	if err != nil {
		return nil, err
	}
	ix := &Index{db: db, now: cfg.Now, queue: batch.New[*addition](maxBatch)}
	if ix.now == nil {
		ix.now = time.Now
	}
	ix.forget()
	return ix, nil
}

// scripts returns the migrations in order of their numbers.
func scripts() ([]string, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	out := make([]string, len(names))
	for i, name := range names {
		b, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out[i] = string(b)
	}
	return out, nil
}

// Close finishes what was begun and closes the file.
func (ix *Index) Close() error {
	if !ix.queue.Close() {
		return nil
	}
	err := ix.db.Write(context.Background(), sqldb.Process, func(c *sqldb.Conn) error {
		return ix.state.storeTails(c)
	})
	return errors.Join(err, ix.db.Close())
}

const selectTenant = `SELECT id FROM tenants WHERE name=?`

// tenantID returns the tenant's row; 0 when nothing was ever stored for it.
func tenantID(c *sqldb.Conn, t storage.TenantID) (int64, error) {
	return c.Int(selectTenant, string(t))
}

// read runs fn with a reader and the tenant's row; without one nothing is there to read and fn
// is not called.
func (ix *Index) read(ctx context.Context, t storage.TenantID, fn func(c *sqldb.Conn, tenant int64) error) error {
	return ix.db.Read(ctx, func(c *sqldb.Conn) error {
		if id, ok := ix.terms.tenant(t); ok {
			return fn(c, id)
		}
		id, err := tenantID(c, t)
		if err != nil || id == 0 {
			return err
		}
		ix.terms.setTenant(t, id)
		return fn(c, id)
	})
}
