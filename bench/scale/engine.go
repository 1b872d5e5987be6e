package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/postgres"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// engine is an index under measurement, as `aurelius serve` configures it.
type engine struct {
	name   string // of its files
	open   func(ctx context.Context) (index.Index, error)
	disk   func(ctx context.Context) (int64, error) // bytes it takes, closed or at rest
	server func() int64                             // memory of its server process, 0: none
}

// smallSuffix names the index of ten thousand instances that is asked in turns with the one
// under measurement: on a machine that others use too, only such a ratio means something.
const smallSuffix = "-small"

func openEngine(name, dir, address string) (engine, error) {
	switch kind, small := strings.CutSuffix(name, smallSuffix); kind {
	case "sqlite":
		folder := filepath.Join(dir, name)
		return engine{
			name: name,
			open: func(context.Context) (index.Index, error) {
				return sqlite.Open(filepath.Join(folder, "index.sqlite"), sqlite.Config{})
			},
			disk:   func(context.Context) (int64, error) { return folderBytes(folder) },
			server: func() int64 { return 0 },
		}, nil
	case "postgres":
		if small {
			u, err := url.Parse(address)
			if err != nil {
				return engine{}, err
			}
			u.Path += "_small"
			address = u.String()
		}
		return engine{
			name:   name,
			open:   func(ctx context.Context) (index.Index, error) { return openPostgres(ctx, address) },
			disk:   func(ctx context.Context) (int64, error) { return databaseBytes(ctx, address) },
			server: func() int64 { return familyBytes(os.Getenv("SCALE_SERVER_PID")) },
		}, nil
	}
	return engine{}, fmt.Errorf("no engine is called %q", name)
}

// pooled is an index that closes its pool.
type pooled struct {
	index.Index
	db *sqldb.PostgresDB
}

func (p pooled) Close() error { return errors.Join(p.Index.Close(), p.db.Close()) }

func openPostgres(ctx context.Context, address string) (index.Index, error) {
	db, err := sqldb.OpenPostgres(ctx, sqldb.PostgresConfig{URL: address})
	if err != nil {
		return nil, err
	}
	ix, err := postgres.Open(ctx, db, postgres.Config{})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return pooled{ix, db}, nil
}

// createSmall makes the database of the small index.
func createSmall(ctx context.Context, address string) error {
	db, err := sqldb.OpenPostgres(ctx, sqldb.PostgresConfig{URL: address})
	if err != nil {
		return err
	}
	defer db.Close()
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(u.Path, "/") + "_small"
	var there bool
	if err := db.Pool().QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname=$1)`, name).Scan(&there); err != nil || there {
		return err
	}
	_, err = db.Pool().Exec(ctx, `CREATE DATABASE "`+name+`"`)
	return err
}

func folderBytes(folder string) (sum int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}

func databaseBytes(ctx context.Context, address string) (n int64, err error) {
	db, err := sqldb.OpenPostgres(ctx, sqldb.PostgresConfig{URL: address})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.Pool().QueryRow(ctx, `SELECT pg_database_size(current_database())`).Scan(&n)
	return n, err
}

// postgresOptions are what a machine of this size would be given; everything else is the
// package's default. Commits are durable.
const postgresOptions = "-c shared_buffers=512MB -c max_wal_size=4GB"

// startPostgres starts the part, which keeps its data until it is cleaned.
func startPostgres(shared string) (address, pid string, err error) {
	cmd := exec.Command(filepath.Join(shared, "parts", "postgres"), "start")
	cmd.Env = append(os.Environ(), "INSTANCE=aurelius-scale", "PG_DURABLE=1", "PG_OPTS="+postgresOptions)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 {
		return "", "", fmt.Errorf("start postgres: %w", err)
	}
	return fields[0], strings.TrimPrefix(fields[1], "pid="), nil
}

// familyBytes is the proportional memory of a process and those it started.
func familyBytes(pid string) (sum int64) {
	if pid == "" {
		return 0
	}
	roll, _ := os.ReadFile("/proc/" + pid + "/smaps_rollup") // gone meanwhile: counts nothing
	for line := range strings.Lines(string(roll)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			sum += n << 10
		}
	}
	lists, _ := filepath.Glob("/proc/" + pid + "/task/*/children")
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(b)) {
			sum += familyBytes(child)
		}
	}
	return sum
}
