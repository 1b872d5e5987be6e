package sqltest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// Each runs a test of somebody's tables on every engine, each time on an empty database.
func Each(t *testing.T, test func(t *testing.T, open Opener)) {
	t.Helper()
	for name, fresh := range map[string]func(testing.TB) Opener{"sqlite": SQLite, "postgres": Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// SQLite makes an empty database in a file; each opening is a connection of its own.
func SQLite(t testing.TB) Opener {
	path := filepath.Join(t.TempDir(), "platform.sqlite")
	return func(t testing.TB) sqldb.SQL {
		t.Helper()
		db, err := sqldb.OpenSQL(path)
		must(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	}
}

// Postgres makes an empty database on the machine's test server; openings share a pool.
func Postgres(t testing.TB) Opener {
	t.Helper()
	_, db := PostgresAt(t)
	return func(testing.TB) sqldb.SQL { return db.SQL() }
}

// PostgresAt is Postgres for those who need its URL too.
func PostgresAt(t testing.TB) (address string, db *sqldb.PostgresDB) {
	t.Helper()
	ctx := context.Background()
	u, err := url.Parse(testkit.Part(t, "postgres"))
	must(t, err)
	admin, err := sqldb.OpenPostgres(ctx, sqldb.PostgresConfig{URL: u.String(), MaxConns: 1})
	must(t, err)
	var chance [6]byte
	_, _ = rand.Read(chance[:]) // never fails, see crypto/rand
	name := "sql_" + hex.EncodeToString(chance[:])
	_, err = admin.Pool().Exec(ctx, `CREATE DATABASE `+name)
	must(t, err)
	u.Path = "/" + name
	t.Cleanup(func() {
		if db != nil {
			db.Close()
		}
		if _, err := admin.Pool().Exec(ctx, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
		admin.Close()
	})
	db, err = sqldb.OpenPostgres(ctx, sqldb.PostgresConfig{URL: u.String(), MaxConns: 6})
	must(t, err)
	return u.String(), db
}
