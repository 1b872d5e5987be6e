package sqldb_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

func TestSync(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, err := sqldb.Open(filepath.Join(t.TempDir(), "db"), sqldb.Config{}, []string{"CREATE TABLE t (n INTEGER)"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 3 {
		if err := db.Write(ctx, sqldb.Process, func(c *sqldb.Conn) error {
			_, err := c.Exec("INSERT INTO t VALUES (1)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second has nothing to do
			if err := db.Sync(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Read(ctx, func(c *sqldb.Conn) error {
		v, err := c.Int("PRAGMA user_version")
		if err == nil && v != 1 {
			t.Errorf("schema version %d after Sync, want 1", v)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
