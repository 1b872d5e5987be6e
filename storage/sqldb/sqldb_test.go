package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const schema = `CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL UNIQUE);`

func open(t testing.TB, path string, cfg sqldb.Config, scripts ...string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(path, cfg, scripts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func insert(db *sqldb.DB, d sqldb.Durability, values ...string) error {
	return db.Write(context.Background(), d, func(c *sqldb.Conn) error {
		for _, v := range values {
			if _, err := c.Exec(`INSERT INTO t (v) VALUES (?)`, v); err != nil {
				return err
			}
		}
		return nil
	})
}

func count(t testing.TB, db *sqldb.DB) (n int64) {
	t.Helper()
	if err := db.Read(context.Background(), func(c *sqldb.Conn) (err error) {
		n, err = c.Int(`SELECT count(*) FROM t`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "odd ?name#100%.db"), sqldb.Config{}, schema)
	if err := insert(db, sqldb.Process, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := insert(db, sqldb.Durable, "c"); err != nil {
		t.Fatal(err)
	}
	err := insert(db, sqldb.Process, "d", "a")
	if !sqldb.IsConstraint(err) {
		t.Errorf("violated constraint: %v", err)
	}
	if n := count(t, db); n != 3 {
		t.Errorf("%d rows: the failed transaction left something", n)
	}
	if err := db.Read(context.Background(), func(c *sqldb.Conn) error {
		_, err := c.Exec(`INSERT INTO t (v) VALUES ('x')`)
		return err
	}); err == nil {
		t.Error("a reader can write")
	}
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "m.db")
	second := `ALTER TABLE t ADD COLUMN w TEXT; CREATE INDEX tw ON t (w);`
	db, err := sqldb.Open(path, sqldb.Config{}, []string{schema})
	if err != nil {
		t.Fatal(err)
	}
	if err := insert(db, sqldb.Process, "kept"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	// A script that fails halfway leaves the version before it.
	if _, err := sqldb.Open(path, sqldb.Config{}, []string{schema, "CREATE TABLE half (x); CREATE TABLE t (x);"}); err == nil {
		t.Fatal("a broken migration went through")
	}
	db = open(t, path, sqldb.Config{}, schema, second, `CREATE TABLE half (y)`)
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows after migration", n)
	}
	db.Close()
	if _, err := sqldb.Open(path, sqldb.Config{}, []string{schema}); !errs.Is(err, errs.Unsupported) {
		t.Errorf("an index of a newer version: %v", err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "full.db"), sqldb.Config{}, schema)
	full := func(c *sqldb.Conn) error {
		if _, err := c.Int(`PRAGMA max_page_count=20`); err != nil {
			return err
		}
		for i := range 1000 {
			if _, err := c.Exec(`INSERT INTO t (v) VALUES (?)`, fmt.Sprint(i, strings.Repeat("x", 1000))); err != nil {
				return err
			}
		}
		return nil
	}
	if err := db.Write(context.Background(), sqldb.Process, full); !errs.Is(err, errs.Exhausted) {
		t.Errorf("full database: %v", err)
	}
	// Room again: it goes on.
	if err := db.Write(context.Background(), sqldb.Process, func(c *sqldb.Conn) error {
		_, err := c.Int(`PRAGMA max_page_count=100000`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := insert(db, sqldb.Process, "after"); err != nil {
		t.Errorf("after the disk had room again: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqldb.Open(filepath.Join(dir, "file"), sqldb.Config{}, nil); !errs.Is(err, errs.Internal) {
		t.Errorf("no database: %v", err)
	}
	if _, err := sqldb.Open(filepath.Join(dir, "file", "sub"), sqldb.Config{}, nil); !errs.Is(err, errs.Unavailable) {
		t.Errorf("no folder: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.Write(ctx, sqldb.Process, func(*sqldb.Conn) error { return nil }); !errs.Is(err, errs.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	mine := errs.E(errs.Conflict, "test", errors.New("mine"))
	if err := db.Write(context.Background(), sqldb.Process, func(*sqldb.Conn) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the caller's error: %v", err)
	}
}

// TestReadersWait holds every reader: one more waits, and gives up with its context.
func TestReadersWait(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "r.db"), sqldb.Config{Readers: 2}, schema)
	held, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			err := db.Read(context.Background(), func(*sqldb.Conn) error {
				held <- struct{}{}
				<-release
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	<-held
	<-held
	ctx, cancel := context.WithCancel(context.Background())
	go cancel()
	if err := db.Read(ctx, func(*sqldb.Conn) error { return nil }); !errs.Is(err, errs.Canceled) {
		t.Errorf("waiting for a reader: %v", err)
	}
	close(release)
	wg.Wait()
}

// TestLogStaysSmall writes far more than the log may hold while a reader looks now and then.
func TestLogStaysSmall(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "l.db")
	db := open(t, path, sqldb.Config{Checkpoint: 64 << 10}, schema)
	pad := strings.Repeat("x", 2000)
	for i := range 3000 {
		if err := insert(db, sqldb.Process, fmt.Sprint(i, pad)); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			count(t, db)
		}
	}
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 16<<20 { // of some 50 that were written; a busy machine lags
		t.Errorf("the log has grown to %d bytes", info.Size())
	}
	if n := count(t, db); n != 3000 {
		t.Errorf("%d rows", n)
	}
}

// TestManyStatements composes more statements than a connection keeps.
func TestManyStatements(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"), sqldb.Config{Readers: 1}, schema)
	if err := db.Read(context.Background(), func(c *sqldb.Conn) error {
		for round := range 2 {
			for i := range 300 {
				n, err := c.Int(fmt.Sprintf(`SELECT %d`, i))
				if err != nil || n != int64(i) {
					return fmt.Errorf("round %d: %d, %w", round, n, err)
				}
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
