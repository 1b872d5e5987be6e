package sqldb

import (
	"context"
	"net/url"
	"os"

	"modernc.org/sqlite"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Snapshot copies the SQLite database at the path into a new file, as it is at one moment, while
// this or another process may be writing to it. The copy is durable when it returns.
//
// It is one step of SQLite's backup: pages go out in their order without being understood, several
// times as fast as VACUUM INTO, because the log of the source can only grow until it is done.
func Snapshot(ctx context.Context, path, to string) error {
	const op = "sqldb.Snapshot"
	if err := ctx.Err(); err != nil {
		return errs.E(errs.Canceled, op, err)
	}
	if _, err := os.Stat(path); err != nil {
		return errs.E(errs.NotFound, op, err)
	}
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return errs.E(errs.Unavailable, op, err)
	}
	src, err := (&DB{path: path}).connect(4096, "query_only(1)")
	if err != nil {
		return classify(op, err)
	}
	defer src.close()
	from, ok := src.dc.(interface {
		NewBackup(string) (*sqlite.Backup, error)
	})
	if !ok {
		return errs.Errorf(errs.Internal, op, "the driver cannot copy a database")
	}
	b, err := from.NewBackup("file:" + (&url.URL{Path: to}).EscapedPath())
	if err != nil {
		return classify(op, err)
	}
	for more := true; more && err == nil; {
		more, err = b.Step(-1)
	}
	if ferr := b.Finish(); err == nil {
		err = ferr
	}
	if err != nil {
		return classify(op, err)
	}
	return errs.E(errs.Unavailable, op, syncFile(to))
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Check reads the whole database and says whether it is well formed; damage is errs.Invalid.
func Check(path string) error {
	const op = "sqldb.Check"
	c, err := (&DB{path: path}).connect(4096, "query_only(1)")
	if err != nil {
		return errs.E(errs.Invalid, op, err)
	}
	defer c.close()
	r, err := c.Query("PRAGMA quick_check(1)")
	if err != nil {
		return errs.E(errs.Invalid, op, err)
	}
	defer r.Close()
	if !r.Next() || r.Text(0) != "ok" {
		return errs.Errorf(errs.Invalid, op, "the database is damaged")
	}
	return nil
}
