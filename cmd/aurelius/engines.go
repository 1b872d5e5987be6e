package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/ledger"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
	"github.com/aurelius-imaging/aurelius/storage/blob/s3"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/postgres"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// engineFlags say where everything is kept. Every command that opens an archive has them. With
// none of them everything is in the data directory; with a database and an object store many
// nodes share one archive and their data directories hold nothing.
type engineFlags struct {
	Data     string  `default:"data" placeholder:"DIR" help:"Where everything is kept that has no place elsewhere (${default})."`
	Database string  `placeholder:"URL" help:"PostgreSQL for the index and all tables, as in postgres://user:password@host:5432/aurelius; default: SQLite in the data directory."`
	S3       s3Flags `embed:"" prefix:"s3-"`
}

type s3Flags struct {
	Endpoint  string `env:"AURELIUS_S3_ENDPOINT" placeholder:"URL" help:"S3 or MinIO for the objects, as in https://minio:9000; default: folders in the data directory."`
	Region    string `env:"AURELIUS_S3_REGION" help:"Its region, where it has one."`
	AccessKey string `env:"AURELIUS_S3_ACCESS_KEY" help:"Access key; default: AWS_ACCESS_KEY_ID, then the machine's role."`
	SecretKey string `env:"AURELIUS_S3_SECRET_KEY" help:"Secret key; better given as AURELIUS_S3_SECRET_KEY than where ps shows it."`
	Prefix    string `env:"AURELIUS_S3_PREFIX" help:"Of every key, where the buckets are shared with others."`
}

// The buckets of the platform's contract; without an object store they are folders.
const (
	studiesBucket = "dicom-studies"
	derivedBucket = "processed-data"
)

const (
	indexFile    = "index.sqlite"
	platformFile = "platform.sqlite"
)

// Validate implements kong's hook.
func (f *engineFlags) Validate() error {
	if f.Database == "" {
		return nil
	}
	u, err := url.Parse(f.Database)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("--database: want postgres://user:password@host:port/database")
	}
	return nil
}

// shared reports whether other nodes may use the same archive.
func (f *engineFlags) shared() bool { return f.Database != "" && f.S3.Endpoint != "" }

// stores are the opened engines.
type stores struct {
	blobs    blob.Store // instances
	derived  blob.Store // what is made of them
	index    index.Index
	platform sqldb.SQL // tables of the rails
	marks    *ledger.Ledger

	postgres *sqldb.PostgresDB // nil: SQLite
	lock     *os.File          // of a data directory that has SQLite alone
}

// ping reports whether the database answers, with errs.Unavailable when it does not in time.
func (s *stores) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return s.platform.Read(ctx, func(tx sqldb.Tx) error {
		rows, err := tx.Query(`SELECT 1`)
		if err != nil {
			return err
		}
		rows.Close()
		return rows.Err()
	})
}

// open opens all of them.
func (f *engineFlags) open(ctx context.Context) (*stores, error) {
	return f.openNode(ctx, func(sqldb.SQL) error { return nil })
}

// openNode opens the objects first: where they are folders their lock says that nobody else owns
// the directory. Files are for their owner only, whatever the umask of the session. It calls
// register between the platform's tables and the index, whose migration other nodes may forbid.
func (f *engineFlags) openNode(ctx context.Context, register func(sqldb.SQL) error) (_ *stores, err error) {
	st := &stores{}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.Close())
		}
	}()
	if st.blobs, err = f.openBlobs(ctx, studiesBucket); err != nil {
		return nil, err
	}
	if st.derived, err = f.openBlobs(ctx, derivedBucket); err != nil {
		return nil, err
	}
	return st, f.openDatabases(ctx, st, register)
}

func (f *engineFlags) openBlobs(ctx context.Context, bucket string) (blob.Store, error) {
	if f.S3.Endpoint == "" {
		syscall.Umask(0o077)
		return opened[blob.Store](fs.Open(fs.Config{Dir: filepath.Join(f.Data, bucket)}))
	}
	return opened[blob.Store](s3.Open(ctx, s3.Config{
		Endpoint: f.S3.Endpoint, Region: f.S3.Region, Bucket: bucket, Prefix: f.S3.Prefix,
		AccessKey: f.S3.AccessKey, SecretKey: f.S3.SecretKey,
	}))
}

// opened keeps the nil of a failed Open a nil of the interface.
func opened[I, T any](v T, err error) (I, error) {
	var none I
	if err != nil {
		return none, err
	}
	return any(v).(I), nil
}

func (f *engineFlags) openDatabases(ctx context.Context, st *stores, register func(sqldb.SQL) error) (err error) {
	if f.Database == "" {
		if f.S3.Endpoint != "" {
			if st.lock, err = lockDir(f.Data); err != nil {
				return err
			}
		}
		if st.platform, err = sqldb.OpenSQL(filepath.Join(f.Data, platformFile)); err != nil {
			return err
		}
	} else {
		if st.postgres, err = sqldb.OpenPostgres(ctx, sqldb.PostgresConfig{URL: f.Database}); err != nil {
			return fmt.Errorf("--database: %w", err)
		}
		st.platform = st.postgres.SQL()
	}
	if err := register(st.platform); err != nil {
		return err
	}
	if st.marks, err = ledger.New(ctx, st.platform); err != nil {
		return err
	}
	if st.postgres == nil {
		st.index, err = opened[index.Index](sqlite.Open(filepath.Join(f.Data, indexFile), sqlite.Config{}))
	} else {
		st.index, err = opened[index.Index](postgres.Open(ctx, st.postgres, postgres.Config{}))
	}
	return err
}

// lockDir keeps other processes off a data directory whose objects are elsewhere; where they are
// in it their store does so.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, errs.Errorf(errs.Unavailable, "aurelius", "the data directory is in use by another process")
	}
	return f, nil
}

// Close closes the index first, so that it never knows of less than the blobs when they seal.
func (s *stores) Close() error {
	var all error
	if s.index != nil {
		all = s.index.Close()
	}
	if s.platform != nil {
		all = errors.Join(all, s.platform.Close())
	}
	if s.postgres != nil {
		all = errors.Join(all, s.postgres.Close())
	}
	for _, b := range []blob.Store{s.derived, s.blobs} {
		if b != nil {
			all = errors.Join(all, b.Close())
		}
	}
	if s.lock != nil {
		all = errors.Join(all, s.lock.Close())
	}
	return all
}
