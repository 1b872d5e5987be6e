package sqldb

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Foreign is a SQLite database of another program, opened to read what it holds while that
// program is stopped. Nothing is written, no journal or lock file made beside it. Queries may be
// interleaved; it is not safe for concurrent use.
type Foreign struct {
	once sync.Once
	conn *Conn
}

// OpenForeign opens the database at path. It is errs.Unavailable while another program has it
// open, or when that ended without bringing its log into the database: what is read then would
// not be all.
func OpenForeign(path string) (*Foreign, error) {
	const op = "sqldb.OpenForeign"
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, errs.E(errs.NotFound, op, err)
		}
		return nil, errs.E(errs.Unavailable, op, err)
	}
	defer f.Close()
	var magic [16]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || string(magic[:]) != "SQLite format 3\x00" {
		return nil, errs.Errorf(errs.Invalid, op, "not a SQLite database")
	}
	if locked(f) {
		return nil, errs.Errorf(errs.Unavailable, op, "the database is in use: stop the program it belongs to")
	}
	for _, tail := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + tail); err == nil && info.Size() > 0 {
			return nil, errs.Errorf(errs.Unavailable, op,
				"the program it belongs to runs, or did not end cleanly: start it once and stop it")
		}
	}
	q := url.Values{"mode": {"ro"}, "immutable": {"1"}, "_pragma": {"query_only(1)", "trusted_schema(0)", "cache_size(-16384)", "temp_store(memory)"}}
	c, err := sqlite.NewConnector("file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode())
	if err != nil {
		return nil, classify(op, err)
	}
	dc, err := c.Connect(context.Background())
	if err != nil {
		return nil, classify(op, err)
	}
	return &Foreign{conn: newConn(dc)}, nil
}

// locked asks whether a process holds one of SQLite's locks on the file, without taking any.
func locked(f *os.File) bool {
	const pending, length = 0x40000000, 512 // the bytes SQLite locks (its file format, 3.1)
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: pending, Len: length}
	err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &l)
	return err == nil && l.Type != unix.F_UNLCK
}

// Query runs a statement that returns rows; see Conn.Query. The same statement is not run again
// before its rows are closed.
func (f *Foreign) Query(query string, args ...any) (*Rows, error) {
	return f.conn.Query(query, args...)
}

// Close ends it.
func (f *Foreign) Close() (err error) {
	f.once.Do(func() { err = classify("sqldb.Close", f.conn.close()) })
	return err
}
