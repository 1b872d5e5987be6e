package sqldb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// TestSnapshot copies a database beside its writer: each copy holds whole transactions, at least
// those that had ended when it began.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a ?#.sqlite")
	const schema = `CREATE TABLE one (n INTEGER, pad BLOB); CREATE TABLE other (n INTEGER, pad BLOB);`
	db, err := sqldb.Open(path, sqldb.Config{Checkpoint: 1 << 16}, []string{schema})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	pad := make([]byte, 3000)
	write := func() error {
		return db.Write(context.Background(), sqldb.Process, func(c *sqldb.Conn) error {
			_, err := c.Exec(`INSERT INTO one SELECT count(*), ? FROM one`, pad)
			_, err2 := c.Exec(`INSERT INTO other SELECT count(*), ? FROM other`, pad)
			return errors.Join(err, err2)
		})
	}
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan int, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 1; ctx.Err() == nil; n++ {
			if err := write(); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-written:
			default:
			}
			written <- n
		}
	}()
	for i := range 5 {
		atLeast := <-written
		copied := filepath.Join(dir, "copy.sqlite")
		if err := sqldb.Snapshot(t.Context(), path, copied); err != nil {
			t.Fatal(err)
		}
		if err := sqldb.Check(copied); err != nil {
			t.Error(err)
		}
		again, err := sqldb.Open(copied, sqldb.Config{}, []string{schema})
		if err != nil {
			t.Fatal(err)
		}
		err = again.Read(t.Context(), func(c *sqldb.Conn) error {
			one, err := c.Int(`SELECT count(*) FROM one`)
			other, err2 := c.Int(`SELECT count(*) FROM other`)
			if one != other || one < int64(atLeast) {
				t.Errorf("copy %d: %d and %d rows, want %d at least", i, one, other, atLeast)
			}
			return errors.Join(err, err2)
		})
		if err := errors.Join(err, again.Close()); err != nil {
			t.Error(err)
		}
	}
	stop()
	<-ended
}

func TestSnapshotOfNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := sqldb.Snapshot(t.Context(), filepath.Join(dir, "none"), filepath.Join(dir, "copy")); !errs.Is(err, errs.NotFound) {
		t.Errorf("Snapshot: %v", err)
	}
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sqldb.Check(bad); !errs.Is(err, errs.Invalid) {
		t.Errorf("Check of something else: %v", err)
	}
}
