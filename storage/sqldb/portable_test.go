package sqldb_test

import (
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/storage/sqldb"
	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

func TestPortablePostgres(t *testing.T) {
	t.Parallel()
	sqltest.Run(t, func(t testing.TB) sqltest.Opener {
		db := openPostgres(t, nil)
		return func(testing.TB) sqldb.SQL { return db.SQL() }
	})
}

func TestPortableSQLite(t *testing.T) {
	t.Parallel()
	sqltest.Run(t, func(t testing.TB) sqltest.Opener {
		path := filepath.Join(t.TempDir(), "platform.sqlite")
		return func(t testing.TB) sqldb.SQL {
			db, err := sqldb.OpenSQL(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return db
		}
	})
}
