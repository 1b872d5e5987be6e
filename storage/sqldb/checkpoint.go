package sqldb

import (
	"sync"
	"time"
)

// overgrown is the factor over Config.Checkpoint at which the writer itself waits for the log
// to be emptied: readers and a busy writer can keep the checkpointer from finishing, and the
// log must not fill the disk.
const overgrown = 16

// busyTimeout is how long a connection waits for another, in ms.
const busyTimeout = "PRAGMA busy_timeout=5000"

// pageSize is SQLite's default; the log holds whole pages.
const pageSize = 4096

// checkpointer copies the log into the database beside the writer, on a connection of its own:
// an ingest never waits for the fsyncs of a checkpoint unless the log has overgrown.
type checkpointer struct {
	db    *DB
	conn  *Conn
	wake  chan struct{}
	scrub chan struct{}
	wg    sync.WaitGroup

	commits int // since the log's size was looked at; under db.writeLock
}

func newCheckpointer(db *DB) (*checkpointer, error) {
	// The copy goes through the connection's cache page by page, so it needs almost none.
	conn, err := db.connect(128, "synchronous(normal)", "wal_autocheckpoint(0)")
	if err != nil {
		return nil, err
	}
	p := &checkpointer{db: db, conn: conn, wake: make(chan struct{}, 1), scrub: make(chan struct{}, 1)}
	p.wg.Go(p.loop)
	return p, nil
}

// committed is called by the writer after each commit. It looks at the log now and then.
func (p *checkpointer) committed() {
	if p.commits++; p.commits < 128 {
		return
	}
	p.commits = 0
	size, behind, err := checkpoint(p.db.writer, "NOOP") // only looks
	switch {
	case err != nil || behind < p.db.cfg.Checkpoint:
	case size > overgrown*p.db.cfg.Checkpoint:
		// Waits a little for readers of the old log; if it cannot finish, the next commits try
		// again. A Snapshot reads for minutes: writing slows down, but does not stop for it.
		_ = p.db.writer.run("PRAGMA busy_timeout=200")
		_, _, _ = checkpoint(p.db.writer, "TRUNCATE")
		_ = p.db.writer.run(busyTimeout)
	default:
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// checkpoint runs one in the given mode and returns the log's size and how much of it is not
// in the database yet, in bytes.
func checkpoint(c *Conn, mode string) (size, behind int64, err error) {
	r, err := c.Query("PRAGMA wal_checkpoint(" + mode + ")")
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	if !r.Next() {
		return 0, 0, r.Err()
	}
	return r.Int(1) * pageSize, (r.Int(1) - r.Int(2)) * pageSize, nil
}

// scrubPause collects deletions, so that many of them empty the log once.
const scrubPause = time.Second

// Scrub has the log emptied soon: what was deleted is zeroed in the database (secure_delete),
// but the log still holds the pages as they were. Until it can be done it is tried again; Close
// empties the log too.
func (db *DB) Scrub() {
	select {
	case db.log.scrub <- struct{}{}:
	default:
	}
}

func (p *checkpointer) loop() {
	var scrub <-chan time.Time
	for {
		select {
		case _, open := <-p.wake:
			if !open {
				return
			}
			// A failure (full disk, busy) leaves the log as it is; a later round tries again.
			_, _, _ = checkpoint(p.conn, "PASSIVE")
		case <-p.scrub:
			if scrub == nil {
				scrub = time.After(scrubPause)
			}
		case <-scrub:
			scrub = nil
			if size, _, err := checkpoint(p.conn, "TRUNCATE"); err != nil || size > 0 {
				scrub = time.After(scrubPause) // a reader of the old log
			}
		}
	}
}

func (p *checkpointer) stop() {
	close(p.wake)
	p.wg.Wait()
	p.conn.close()
}
