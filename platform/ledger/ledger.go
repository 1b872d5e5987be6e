// Package ledger remembers, for all nodes and across restarts, what looking after stored objects
// has found: records that are damaged, and how far each kind of round got. It is archive.Ledger
// on the platform's database. It leaves out what is done about it, and who does it when.
package ledger

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// component names our tables in sqldb.
const component = "ledger"

var schema = []string{`
CREATE TABLE ledger_marks (
	name   TEXT PRIMARY KEY,
	value  TEXT NOT NULL
);
CREATE TABLE ledger_damaged (
	object  TEXT NOT NULL,
	start   BIGINT NOT NULL,    -- of the record's content in the object
	length  BIGINT NOT NULL,
	found   BIGINT NOT NULL,    -- ns since 1970
	PRIMARY KEY (object, start)
);`}

const (
	selectMark = `SELECT value FROM ledger_marks WHERE name=$1`
	upsertMark = `INSERT INTO ledger_marks (name, value) VALUES ($1,$2)
		ON CONFLICT (name) DO UPDATE SET value=excluded.value`
	claimMark     = `INSERT INTO ledger_marks (name, value) VALUES ($1,$2) ON CONFLICT (name) DO NOTHING`
	selectDamaged = `SELECT object, start, length FROM ledger_damaged ORDER BY object, start LIMIT $1`
	insertDamaged = `INSERT INTO ledger_damaged (object, start, length, found) VALUES ($1,$2,$3,$4)
		ON CONFLICT (object, start) DO NOTHING`
	deleteDamaged = `DELETE FROM ledger_damaged WHERE object=$1 AND start=$2`
)

const (
	// maxDamaged bounds what a node remembers: with more than these the disk is to be replaced.
	maxDamaged = 100_000
	timeout    = 10 * time.Second // of one statement
)

// Ledger is kept in a platform database. It is safe for concurrent use.
type Ledger struct{ db sqldb.SQL }

// New returns the ledger in db, bringing its tables up to date.
func New(ctx context.Context, db sqldb.SQL) (*Ledger, error) {
	if err := db.Migrate(ctx, component, schema); err != nil {
		return nil, err
	}
	return &Ledger{db}, nil
}

// Mark returns a value by its name, "" when there is none.
func (l *Ledger) Mark(ctx context.Context, name string) (value string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = l.db.Read(ctx, func(tx sqldb.Tx) error {
		return sqldb.Each(tx, func(rows sqldb.RowSet) error { return rows.Scan(&value) }, selectMark, name)
	})
	return value, err
}

// SetMark keeps a value.
func (l *Ledger) SetMark(ctx context.Context, name, value string) error {
	return l.exec(ctx, upsertMark, name, value)
}

// Claim keeps the value unless there is one, and returns the one that is there: of several nodes
// that claim at one time all get the same.
func (l *Ledger) Claim(ctx context.Context, name, value string) (string, error) {
	if err := l.exec(ctx, claimMark, name, value); err != nil {
		return "", err
	}
	return l.Mark(ctx, name)
}

// Damaged lists the records that are noted as damaged.
func (l *Ledger) Damaged(ctx context.Context) (out []blob.Location, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = l.db.Read(ctx, func(tx sqldb.Tx) error {
		out = nil
		return sqldb.Each(tx, func(rows sqldb.RowSet) error {
			var object string
			var at blob.Location
			err := rows.Scan(&object, &at.Offset, &at.Length)
			at.Object = storage.Key(object)
			out = append(out, at)
			return err
		}, selectDamaged, int64(maxDamaged))
	})
	return out, err
}

// SetDamaged notes that a record is damaged, or that it is not any more.
func (l *Ledger) SetDamaged(ctx context.Context, at blob.Location, damaged bool) error {
	if damaged {
		return l.exec(ctx, insertDamaged, string(at.Object), at.Offset, at.Length, time.Now().UnixNano())
	}
	return l.exec(ctx, deleteDamaged, string(at.Object), at.Offset)
}

func (l *Ledger) exec(ctx context.Context, statement string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return l.db.Write(ctx, func(tx sqldb.Tx) error {
		_, err := tx.Exec(statement, args...)
		return err
	})
}
