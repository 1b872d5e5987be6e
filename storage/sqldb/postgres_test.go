package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// openPostgres opens a database of the test's own.
func openPostgres(t testing.TB, change func(*sqldb.PostgresConfig)) *sqldb.PostgresDB {
	t.Helper()
	ctx := context.Background()
	admin, err := pgx.Connect(ctx, testkit.Part(t, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("sqldb_%x", rand.Uint64())
	if _, err := admin.Exec(ctx, `CREATE DATABASE `+name); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(testkit.Part(t, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	cfg := sqldb.PostgresConfig{URL: u.String()}
	if change != nil {
		change(&cfg)
	}
	db, err := sqldb.OpenPostgres(ctx, cfg)
	t.Cleanup(func() {
		if db != nil {
			db.Close()
		}
		if _, err := admin.Exec(ctx, `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
		admin.Close(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestPostgresMigrations(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := openPostgres(t, nil)
	scripts := []string{`CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('one')`, `ALTER TABLE t ADD COLUMN w TEXT`}
	// Eight nodes start at one time.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := db.Migrate(ctx, "test", scripts); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var n int
	if err := db.Pool().QueryRow(ctx, `SELECT count(*) FROM t`).Scan(&n); err != nil || n != 1 {
		t.Fatalf("%d rows, %v", n, err)
	}
	if err := db.Migrate(ctx, "other", []string{`CREATE TABLE u (v TEXT)`}); err != nil {
		t.Errorf("another component: %v", err)
	}
	// A script that fails halfway leaves nothing.
	if err := db.Migrate(ctx, "test", append(scripts, `CREATE TABLE half (v TEXT); CREATE TABLE t (v TEXT)`)); err == nil {
		t.Error("a broken migration went through")
	}
	if err := db.Migrate(ctx, "test", append(scripts, `CREATE TABLE half (v TEXT)`)); err != nil {
		t.Error(err)
	}
	// The release before goes on; the one before that is refused.
	if err := db.Migrate(ctx, "test", scripts); err != nil {
		t.Errorf("one release of skew: %v", err)
	}
	if err := db.Migrate(ctx, "test", scripts[:1]); !errs.Is(err, errs.Unsupported) {
		t.Errorf("two releases of skew: %v", err)
	}
	if err := db.Migrate(ctx, "test", append(scripts, ``, "-- compatible with 1\nCREATE TABLE more (v TEXT)")); err != nil {
		t.Error(err)
	}
	if err := db.Migrate(ctx, "test", append(scripts, ``, ``, "-- compatible with 5\nDROP TABLE more")); err != nil {
		t.Error(err)
	}
	if err := db.Migrate(ctx, "test", append(scripts, ``, ``)); !errs.Is(err, errs.Unsupported) {
		t.Errorf("below the floor: %v", err)
	}
}

func TestPostgresErrors(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := openPostgres(t, func(c *sqldb.PostgresConfig) { c.StatementTimeout = 200 * time.Millisecond })
	do := func(sql string) error {
		return db.Write(ctx, "test", func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
	}
	for _, c := range []struct {
		sql  string
		kind errs.Kind
	}{
		{`SELECT pg_sleep(5)`, errs.Unavailable},
		{`SET LOCAL transaction_read_only=on; CREATE TABLE x ()`, errs.Unavailable},
		{`DO $$ BEGIN RAISE SQLSTATE '53100'; END $$`, errs.Exhausted},
		{`DO $$ BEGIN RAISE SQLSTATE '53300'; END $$`, errs.Unavailable},
		{`SELECT pg_terminate_backend(pg_backend_pid())`, errs.Unavailable},
		{`SELECT nonsense`, errs.Internal},
	} {
		if err := do(c.sql); !errs.Is(err, c.kind) {
			t.Errorf("%s: %v", c.sql, err)
		}
	}
	tries := 0
	if err := db.Write(ctx, "test", func(ctx context.Context, tx pgx.Tx) error {
		tries++
		if tries < 3 {
			_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$`)
			return err
		}
		return nil
	}); err != nil || tries != 3 {
		t.Errorf("victim of a deadlock: %d tries, %v", tries, err)
	}
	mine := errs.E(errs.Conflict, "test", errors.New("mine"))
	if err := db.Write(ctx, "test", func(context.Context, pgx.Tx) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the caller's error: %v", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := db.Write(canceled, "test", func(context.Context, pgx.Tx) error { return nil }); !errs.Is(err, errs.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	db.Close()
	if err := do(`SELECT 1`); !errs.Is(err, errs.Unavailable) {
		t.Errorf("closed: %v", err)
	}
}

// TestPostgresAway reaches for a server that is not there, and for one that never answers.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	if _, err := sqldb.OpenPostgres(ctx, sqldb.PostgresConfig{URL: "postgres://u:secret@h:port/x"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("no URL: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	silent := "postgres://u:p@" + l.Addr().String() + "/d?sslmode=disable"
	_, err = sqldb.OpenPostgres(ctx, sqldb.PostgresConfig{URL: silent, ConnectTimeout: 100 * time.Millisecond})
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("a silent server: %v", err)
	}
	l.Close()
	if _, err = sqldb.OpenPostgres(ctx, sqldb.PostgresConfig{URL: silent}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("no server: %v", err)
	}
}
