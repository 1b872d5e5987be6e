// Package sqldb opens SQLite: one writer and a few readers over a write-ahead log, numbered
// migrations, and errors in the words of internal/errs. It speaks to the driver without
// database/sql, whose pool would hide which connection a prepared statement lives on: here each
// connection keeps its own statements and is used by one goroutine at a time.
//
// Durability. A plain transaction survives a crash of the process; a Durable one also a power
// cut (synchronous=FULL for that commit, which makes every commit before it durable too). It
// knows nothing of DICOM.
//
// PostgresDB is a pool over pgx with time-outs on everything; SQL is what both engines share.
package sqldb

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Config of a database; the zero value is usable.
type Config struct {
	Readers     int // connections for reading, opened on demand; default 4
	ReaderCache int // KiB of page cache per reader, taken as it is used; default 4096
	WriterCache int // KiB of page cache of the writer, which grows with the index; default 32768
	// Checkpoint is how many bytes of log call for a checkpoint beside the writer; default 8 MiB.
	Checkpoint int64
}

func (c Config) withDefaults() Config {
	if c.Readers <= 0 {
		c.Readers = 4
	}
	if c.ReaderCache <= 0 {
		c.ReaderCache = 4096
	}
	if c.WriterCache <= 0 {
		c.WriterCache = 32768
	}
	if c.Checkpoint <= 0 {
		c.Checkpoint = 8 << 20
	}
	return c
}

// Durability of a transaction.
type Durability bool

// The durabilities.
const (
	Process Durability = false // survives a crash of the process
	Durable Durability = true  // survives a power cut
)

// DB is one SQLite database. It is safe for concurrent use; memory is bounded by the caches of
// Config plus the rows callers hold.
type DB struct {
	path string
	cfg  Config

	writeLock sync.Mutex
	writer    *Conn
	durable   bool // what synchronous of the writer is set to

	commits, synced atomic.Int64 // see Sync

	readLock sync.Mutex
	idle     []*Conn       // last used on top, its cache is warm
	slots    chan struct{} // one token per reader that may run

	log    *checkpointer
	closed bool // under writeLock
}

// Open opens or creates the database and brings its schema up to date.
func Open(path string, cfg Config, migrations []string) (*DB, error) {
	const op = "sqldb.Open"
	db := &DB{path: path, cfg: cfg.withDefaults()}
	db.slots = make(chan struct{}, db.cfg.Readers)
	// fdatasync commits half as long as fsync on a journaling file system and is as durable;
	// where it does not exist SQLite's own choice is kept.
	_, _ = sqlite.Fdatasync(true)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, errs.E(errs.Unavailable, op, err)
	}
	w, err := db.connect(db.cfg.WriterCache, "journal_mode(wal)", "synchronous(normal)",
		"wal_autocheckpoint(0)", "journal_size_limit(16777216)", "foreign_keys(0)",
		"secure_delete(1)") // what was removed is somebody's health: zeroed, not only unlinked
	if err != nil {
		return nil, classify(op, err)
	}
	db.writer = w
	if err := migrate(w, migrations); err != nil {
		w.close()
		return nil, classify(op, err)
	}
	if db.log, err = newCheckpointer(db); err != nil {
		w.close()
		return nil, classify(op, err)
	}
	return db, nil
}

// connect opens a connection with the pragmas every connection wants and those given.
func (db *DB) connect(cacheKiB int, pragmas ...string) (*Conn, error) {
	q := url.Values{"_pragma": append([]string{
		"busy_timeout(5000)",
		fmt.Sprintf("cache_size(-%d)", cacheKiB),
		"temp_store(memory)",
		"trusted_schema(0)",
	}, pragmas...)}
	// A path with ? or # would be read as a query; the URI form escapes it.
	name := "file:" + (&url.URL{Path: db.path}).EscapedPath()
	c, err := sqlite.NewConnector(name + "?" + q.Encode())
	if err != nil {
		return nil, err
	}
	dc, err := c.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	return newConn(dc), nil
}

// Write runs fn in a transaction of the writer; an error of fn rolls it back. Statements must
// not be kept behind fn's end.
func (db *DB) Write(ctx context.Context, d Durability, fn func(*Conn) error) error {
	const op = "sqldb.Write"
	if err := ctx.Err(); err != nil {
		return errs.E(errs.Canceled, op, err)
	}
	db.writeLock.Lock()
	defer db.writeLock.Unlock()
	if db.closed {
		return errs.Errorf(errs.Unavailable, op, "the index is closed")
	}
	if err := db.setDurable(bool(d)); err != nil {
		return classify(op, err)
	}
	db.commits.Add(1)
	if err := db.transaction(fn); err != nil {
		return err
	}
	db.log.committed()
	return nil
}

func (db *DB) setDurable(on bool) error {
	if db.durable == on {
		return nil
	}
	mode := "normal"
	if on {
		mode = "full"
	}
	if err := db.writer.run("PRAGMA synchronous=" + mode); err != nil {
		return err
	}
	db.durable = on
	return nil
}

func (db *DB) transaction(fn func(*Conn) error) (err error) {
	const op = "sqldb.Write"
	w := db.writer
	if err := w.run("BEGIN IMMEDIATE"); err != nil {
		return classify(op, err)
	}
	done := false
	defer func() {
		if !done {
			// After SQLITE_FULL or IOERR SQLite may have rolled back itself: that this fails
			// then is expected and changes nothing.
			_ = w.run("ROLLBACK")
		}
	}()
	if err := fn(w); err != nil {
		return err
	}
	if err := w.run("COMMIT"); err != nil {
		return classify(op, err)
	}
	done = true
	return nil
}

// Read runs fn with a reading connection. Every statement of fn sees its own state of the
// database; fn must close its rows and should not keep the connection while a peer is slow.
func (db *DB) Read(ctx context.Context, fn func(*Conn) error) error {
	const op = "sqldb.Read"
	select {
	case db.slots <- struct{}{}:
	case <-ctx.Done():
		return errs.E(errs.Canceled, op, ctx.Err())
	}
	defer func() { <-db.slots }()
	c, err := db.reader()
	if err != nil {
		return classify(op, err)
	}
	defer db.release(c)
	return fn(c)
}

func (db *DB) reader() (*Conn, error) {
	db.readLock.Lock()
	if n := len(db.idle); n > 0 {
		c := db.idle[n-1]
		db.idle = db.idle[:n-1]
		db.readLock.Unlock()
		return c, nil
	}
	db.readLock.Unlock()
	return db.connect(db.cfg.ReaderCache, "query_only(1)")
}

func (db *DB) release(c *Conn) {
	db.readLock.Lock()
	db.idle = append(db.idle, c)
	db.readLock.Unlock()
}

// Close waits for running transactions, brings the log into the database and closes it.
func (db *DB) Close() error {
	db.writeLock.Lock()
	defer db.writeLock.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	db.log.stop()
	for range db.cfg.Readers { // wait until every reader is back
		db.slots <- struct{}{}
	}
	for _, c := range db.idle {
		c.close()
	}
	db.idle = nil
	return classify("sqldb.Close", db.writer.close())
}

// migrate applies the scripts the database has not seen, each in a transaction with the count
// of what is applied in PRAGMA user_version. Forward only.
//
// This stands in for a migration library: what is needed is these lines, and the library's
// start-up (a table of its own, parsing of annotations, a lock) would be paid at each start.
func migrate(c *Conn, scripts []string) error {
	version, err := c.Int("PRAGMA user_version")
	if err != nil {
		return err
	}
	if version > int64(len(scripts)) {
		return errs.Errorf(errs.Unsupported, "sqldb.migrate",
			"the index was written by a newer version (schema %d, known %d)", version, len(scripts))
	}
	for n := int(version); n < len(scripts); n++ {
		script := "BEGIN IMMEDIATE;\n" + strings.TrimSpace(scripts[n]) +
			fmt.Sprintf("\n;PRAGMA user_version=%d;\nCOMMIT;", n+1)
		if err := c.script(script); err != nil {
			_ = c.script("ROLLBACK")
			return fmt.Errorf("migration %d: %w", n+1, err)
		}
	}
	return nil
}
