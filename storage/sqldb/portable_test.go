package sqldb_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

func TestPortableSQLite(t *testing.T) {
	t.Parallel()
	sqltest.Run(t, sqltest.SQLite)
}

func TestPortablePostgres(t *testing.T) {
	t.Parallel()
	sqltest.Run(t, sqltest.Postgres)
}
