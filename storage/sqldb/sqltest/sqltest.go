// Package sqltest is the suite every engine behind sqldb.SQL passes. It holds the engines to what
// the platform's tables rely on, and leaves out speed.
package sqltest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// Opener opens the same database anew each time it is called, as another node would; the test's
// cleanup closes what was opened.
type Opener func(t testing.TB) sqldb.SQL

// Run holds an engine to the contract. New makes an empty database.
func Run(t *testing.T, fresh func(t testing.TB) Opener) {
	for name, test := range map[string]func(*testing.T, Opener){
		"types":         types,
		"null":          null,
		"rollback":      rollback,
		"snapshot":      snapshot,
		"increments":    increments,
		"migrate":       migrate,
		"migrate race":  migrateRace,
		"migrate fails": migrateFails,
		"kinds":         kinds,
		"rows":          openRows,
		"cancel":        cancel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

const table = `CREATE TABLE thing (
	id    BIGINT PRIMARY KEY,
	name  TEXT UNIQUE,
	data  BLOB,
	alive BOOLEAN,
	ratio DOUBLE PRECISION
);
CREATE INDEX thing_by_name ON thing (name);`

func migrated(t *testing.T, open Opener) sqldb.SQL {
	t.Helper()
	db := open(t)
	must(t, db.Migrate(t.Context(), "thing", []string{table}))
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exec(query string, args ...any) func(sqldb.Tx) error {
	return func(tx sqldb.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}
}

// number reads one integer.
func number(tx sqldb.Tx, query string, args ...any) (n int64, err error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if rows.Next() {
		err = rows.Scan(&n)
	}
	return n, errors.Join(err, rows.Err())
}

func count(t *testing.T, db sqldb.SQL) (n int64) {
	t.Helper()
	must(t, db.Read(t.Context(), func(tx sqldb.Tx) (err error) {
		n, err = number(tx, `SELECT count(*) FROM thing`)
		return err
	}))
	return n
}

func types(t *testing.T, open Opener) {
	db := migrated(t, open)
	data := []byte{0, 1, 0xff, '\''}
	must(t, db.Write(t.Context(), func(tx sqldb.Tx) error {
		n, err := tx.Exec(`INSERT INTO thing (id, name, data, alive, ratio) VALUES ($1, $2, $3, $4, $5), ($6, '$1', $3, $7, $5)`,
			int64(1)<<62, "Ä ' $1 ?", data, true, 0.1, int64(-1), false)
		if err == nil && n != 2 {
			t.Errorf("%d rows changed", n)
		}
		return err
	}))
	must(t, db.Read(t.Context(), func(tx sqldb.Tx) error {
		rows, err := tx.Query(`SELECT id, name, data, alive, ratio FROM thing ORDER BY id DESC`)
		if err != nil {
			return err
		}
		defer rows.Close()
		var id int64
		var name string
		var got []byte
		var alive bool
		var ratio float64
		if !rows.Next() {
			t.Fatal("no row")
		}
		must(t, rows.Scan(&id, &name, &got, &alive, &ratio))
		if id != int64(1)<<62 || name != "Ä ' $1 ?" || !bytes.Equal(got, data) || !alive || ratio != 0.1 {
			t.Error("came back as", id, name, got, alive, ratio)
		}
		if !rows.Next() {
			t.Fatal("no second row")
		}
		must(t, rows.Scan(&id, &name, &got, &alive, &ratio))
		if id != -1 || name != "$1" || alive {
			t.Error("came back as", id, name, alive)
		}
		if rows.Next() {
			t.Error("a third row")
		}
		return rows.Err()
	}))
	must(t, db.Read(t.Context(), func(tx sqldb.Tx) error {
		n, err := number(tx, `SELECT count(*) FROM thing WHERE alive AND data = $1 AND ratio < $2`, data, 0.2)
		if n != 1 {
			t.Errorf("%d rows match by value", n)
		}
		return err
	}))
}

func null(t *testing.T, open Opener) {
	db := migrated(t, open)
	must(t, db.Write(t.Context(), exec(`INSERT INTO thing (id, name, data, alive, ratio) VALUES (1, $1, $2, $3, $4)`, nil, nil, nil, nil)))
	must(t, db.Write(t.Context(), exec(`INSERT INTO thing (id, name, data, alive, ratio) VALUES (2, 'b', $1, $2, 2)`, []byte{7}, true)))
	must(t, db.Read(t.Context(), func(tx sqldb.Tx) error {
		rows, err := tx.Query(`SELECT id, name, data, alive, ratio FROM thing ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		var id *int64
		name, data, alive, ratio := new(string), []byte{1}, new(bool), new(float64)
		rows.Next()
		must(t, rows.Scan(&id, &name, &data, &alive, &ratio))
		if id == nil || *id != 1 || name != nil || data != nil || alive != nil || ratio != nil {
			t.Error("NULL came back as", id, name, data, alive, ratio)
		}
		rows.Next()
		must(t, rows.Scan(&id, &name, &data, &alive, &ratio))
		if *id != 2 || name == nil || *name != "b" || len(data) != 1 || alive == nil || !*alive || ratio == nil || *ratio != 2 {
			t.Error("a value came back as", id, name, data, alive, ratio)
		}
		return nil
	}))
	err := db.Read(t.Context(), func(tx sqldb.Tx) error {
		rows, err := tx.Query(`SELECT name FROM thing WHERE id = 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		var name string
		rows.Next()
		return rows.Scan(&name)
	})
	if err == nil {
		t.Error("NULL was read into a string")
	}
}

func rollback(t *testing.T, open Opener) {
	db := migrated(t, open)
	sorry := errors.New("sorry")
	err := db.Write(t.Context(), func(tx sqldb.Tx) error {
		must(t, exec(`INSERT INTO thing (id) VALUES (1)`)(tx))
		return sorry
	})
	if !errors.Is(err, sorry) {
		t.Error("fn's error came back as", err)
	}
	if n := count(t, open(t)); n != 0 {
		t.Errorf("%d rows of a failed transaction", n)
	}
}

func snapshot(t *testing.T, open Opener) {
	db, other := migrated(t, open), open(t)
	must(t, db.Read(t.Context(), func(tx sqldb.Tx) error {
		before, err := number(tx, `SELECT count(*) FROM thing`)
		must(t, err)
		must(t, other.Write(t.Context(), exec(`INSERT INTO thing (id) VALUES (1)`)))
		after, err := number(tx, `SELECT count(*) FROM thing`)
		if before != 0 || after != 0 {
			t.Errorf("one read saw %d and then %d rows", before, after)
		}
		return err
	}))
	if n := count(t, db); n != 1 {
		t.Errorf("the next read saw %d rows", n)
	}
	if err := db.Read(t.Context(), exec(`INSERT INTO thing (id) VALUES (2)`)); err == nil {
		t.Error("a read wrote")
	}
}

// increments reads, adds and writes from two nodes: no update is lost.
func increments(t *testing.T, open Opener) {
	nodes := []sqldb.SQL{migrated(t, open), open(t)}
	must(t, nodes[0].Write(t.Context(), exec(`INSERT INTO thing (id, ratio) VALUES (1, 0)`)))
	const workers, rounds = 8, 10
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range rounds {
				if err := nodes[w%2].Write(context.Background(), func(tx sqldb.Tx) error {
					n, err := number(tx, `SELECT CAST(ratio AS BIGINT) FROM thing WHERE id = 1`)
					if err != nil {
						return err
					}
					_, err = tx.Exec(`UPDATE thing SET ratio = $1 WHERE id = 1`, float64(n+1))
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, nodes[1].Read(t.Context(), func(tx sqldb.Tx) error {
		n, err := number(tx, `SELECT CAST(ratio AS BIGINT) FROM thing WHERE id = 1`)
		if n != workers*rounds {
			t.Errorf("%d of %d increments are left", n, workers*rounds)
		}
		return err
	}))
}

func migrate(t *testing.T, open Opener) {
	db := migrated(t, open)
	scripts := []string{table, `ALTER TABLE thing ADD COLUMN extra TEXT; INSERT INTO thing (id, extra) VALUES (1, 'x')`}
	for range 2 {
		must(t, db.Migrate(t.Context(), "thing", scripts))
	}
	must(t, open(t).Migrate(t.Context(), "thing", scripts))
	must(t, db.Migrate(t.Context(), "other", []string{`CREATE TABLE other (id BIGINT PRIMARY KEY)`}))
	if n := count(t, db); n != 1 {
		t.Errorf("the second script ran %d times", n)
	}
	// The release before goes on working in a rolling restart, the one before that does not.
	must(t, db.Migrate(t.Context(), "thing", scripts[:1]))
	scripts = append(scripts, `SELECT 1`)
	must(t, db.Migrate(t.Context(), "thing", scripts))
	if err := db.Migrate(t.Context(), "thing", scripts[:1]); !errs.Is(err, errs.Unsupported) {
		t.Error("tables of a newer version:", err)
	}
}

func migrateRace(t *testing.T, open Opener) {
	scripts := []string{table, `INSERT INTO thing (id) VALUES (1)`, `INSERT INTO thing (id) VALUES (2)`}
	nodes := []sqldb.SQL{open(t), open(t), open(t)}
	var wg sync.WaitGroup
	for _, db := range nodes {
		wg.Go(func() {
			if err := db.Migrate(context.Background(), "thing", scripts); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(t, nodes[0]); n != 2 {
		t.Errorf("%d rows", n)
	}
}

func migrateFails(t *testing.T, open Opener) {
	db := migrated(t, open)
	if err := db.Migrate(t.Context(), "thing", []string{table, `INSERT INTO thing (id) VALUES (1); no such statement`}); err == nil {
		t.Fatal("a script that is not SQL was run")
	}
	if n := count(t, db); n != 0 {
		t.Error("half a script was kept")
	}
	must(t, db.Migrate(t.Context(), "thing", []string{table, `INSERT INTO thing (id) VALUES (1)`}))
	if n := count(t, db); n != 1 {
		t.Error("the mended script did not run")
	}
}

func kinds(t *testing.T, open Opener) {
	db := migrated(t, open)
	must(t, db.Write(t.Context(), exec(`INSERT INTO thing (id, name) VALUES (1, 'a')`)))
	err := db.Write(t.Context(), func(tx sqldb.Tx) error {
		return exec(`INSERT INTO thing (id, name) VALUES (2, 'a')`)(tx)
	})
	if !errs.Is(err, errs.Conflict) {
		t.Error("violated UNIQUE:", err)
	}
	if err := db.Write(t.Context(), exec(`INSERT INTO nothing (id) VALUES (2)`)); !errs.Is(err, errs.Internal) {
		t.Error("no such table:", err)
	}
	if err := db.Write(t.Context(), func(tx sqldb.Tx) error {
		_ = exec(`INSERT INTO thing (id, name) VALUES (2, 'a')`)(tx)
		if err := exec(`INSERT INTO thing (id) VALUES (3)`)(tx); err == nil {
			t.Error("a statement after one that failed")
		}
		return nil
	}); err == nil {
		t.Error("a transaction with a failed statement was committed")
	}
	must(t, db.Write(t.Context(), exec(`INSERT INTO thing (id, name) VALUES (2, 'a') ON CONFLICT (name) DO NOTHING`)))
	closed := open(t)
	must(t, closed.Close())
	if err := closed.Write(t.Context(), exec(`INSERT INTO thing (id) VALUES (3)`)); !errs.Is(err, errs.Unavailable) {
		t.Error("closed:", err)
	}
	if err := closed.Read(t.Context(), func(sqldb.Tx) error { return nil }); !errs.Is(err, errs.Unavailable) {
		t.Error("closed:", err)
	}
}

// openRows: one answer at a time, and one left open does not stop the transaction's end.
func openRows(t *testing.T, open Opener) {
	db := migrated(t, open)
	must(t, db.Write(t.Context(), exec(`INSERT INTO thing (id) VALUES (1), (2), (3)`)))
	must(t, db.Read(t.Context(), func(tx sqldb.Tx) error {
		rows, err := tx.Query(`SELECT id FROM thing`)
		must(t, err)
		rows.Next()
		if _, err := tx.Query(`SELECT 1`); err == nil {
			t.Error("a second answer was opened beside the first")
		}
		rows.Close()
		rows.Close()
		if rows.Next() {
			t.Error("a row after Close")
		}
		_, err = number(tx, `SELECT count(*) FROM thing`)
		must(t, err)
		rows, err = tx.Query(`SELECT id FROM thing`)
		rows.Next()
		return err // left open
	}))
	if n := count(t, db); n != 3 {
		t.Errorf("%d rows", n)
	}
}

func cancel(t *testing.T, open Opener) {
	db := migrated(t, open)
	ctx, stop := context.WithCancel(t.Context())
	err := db.Write(ctx, func(tx sqldb.Tx) error {
		must(t, exec(`INSERT INTO thing (id) VALUES (1)`)(tx))
		stop()
		return nil
	})
	if !errs.Is(err, errs.Canceled) {
		t.Error("cancelled before the commit:", err)
	}
	if err := db.Read(ctx, func(sqldb.Tx) error { return nil }); !errs.Is(err, errs.Canceled) {
		t.Error("cancelled before the read:", err)
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows of a cancelled transaction", n)
	}
	// Waiting for another writer ends with the context too.
	ctx, stop = context.WithCancel(t.Context())
	held, free := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- db.Write(context.Background(), func(tx sqldb.Tx) error {
			err := exec(`INSERT INTO thing (id) VALUES (9)`)(tx)
			close(held)
			<-free
			return err
		})
	}()
	<-held
	waiting := make(chan error, 1)
	go func() { waiting <- db.Write(ctx, exec(`INSERT INTO thing (id) VALUES (9)`)) }()
	stop()
	if err := <-waiting; !errs.Is(err, errs.Canceled) {
		t.Error("cancelled while waiting:", err)
	}
	close(free)
	must(t, <-done)
}
