package jobs_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/platform/jobs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

// BenchmarkOpen is what the queue adds to the start of a node: new is on no file, known on one
// that has the tables.
func BenchmarkOpen(b *testing.B) {
	known := filepath.Join(b.TempDir(), "known.sqlite")
	for name, path := range map[string]func() string{
		"new":   func() string { return filepath.Join(b.TempDir(), "new.sqlite") },
		"known": func() string { return known },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				db, err := sqldb.OpenSQL(path())
				if err != nil {
					b.Fatal(err)
				}
				open(b, db, jobs.Config{})
				db.Close()
			}
		})
	}
}

// BenchmarkJob is one job from Enqueue to done, by one node with four workers.
func BenchmarkJob(b *testing.B) {
	for name, fresh := range map[string]func(testing.TB) sqltest.Opener{"sqlite": sqltest.SQLite, "postgres": sqltest.Postgres} {
		b.Run(name, func(b *testing.B) {
			q := open(b, fresh(b)(b), jobs.Config{Workers: 4})
			done := make(chan struct{}, 1024)
			q.Handle("work", func(context.Context, jobs.Job) error { done <- struct{}{}; return nil })
			start(b, q)
			b.ResetTimer()
			go func() {
				for range b.N {
					if _, err := q.Enqueue(context.Background(), jobs.Request{Tenant: tenant, Kind: "work"}); err != nil {
						b.Error(err)
					}
				}
			}()
			for range b.N {
				receive(b, done)
			}
		})
	}
}
