package events

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// component names our tables in sqldb.
const component = "events"

var schema = []string{`
CREATE TABLE event_cursors (
	name      TEXT PRIMARY KEY,
	tenant    TEXT NOT NULL,
	sequence  BIGINT NOT NULL,   -- delivered up to here
	owner     TEXT NOT NULL,     -- who serves it; '' nobody
	until     BIGINT NOT NULL,   -- as long as this, ns since 1970
	epoch     BIGINT NOT NULL,   -- grows with each owner
	succeeded BIGINT NOT NULL,   -- last delivery, ns since 1970; 0 none
	failed    BIGINT NOT NULL,   -- first failure since; 0 none
	error     TEXT NOT NULL      -- why
);
CREATE TABLE webhooks (
	id        TEXT PRIMARY KEY,
	tenant    TEXT NOT NULL,
	url       TEXT NOT NULL,
	secret    TEXT NOT NULL,
	types     TEXT NOT NULL,     -- with commas; '' all
	created   BIGINT NOT NULL,
	disabled  TEXT NOT NULL      -- why; '' it is active
);
CREATE INDEX webhooks_by_tenant ON webhooks (tenant, created);`}

const (
	selectCursor = `SELECT tenant, sequence, owner, until, epoch, succeeded, failed, error FROM event_cursors WHERE name=$1`
	insertCursor = `INSERT INTO event_cursors (name, tenant, sequence, owner, until, epoch, succeeded, failed, error)
		VALUES ($1,$2,$3,'',0,0,0,0,'') ON CONFLICT (name) DO NOTHING`
	deleteCursor = `DELETE FROM event_cursors WHERE name=$1`
	// A lease that has run out is anybody's; the epoch fences off who had it.
	takeLease = `UPDATE event_cursors SET owner=$2, until=$3, epoch=epoch+1 WHERE name=$1 AND epoch=$4 AND until<=$5`
	keepLease = `UPDATE event_cursors SET until=$4, sequence=$5, succeeded=$6, failed=$7, error=$8
		WHERE name=$1 AND owner=$2 AND epoch=$3`
	dropLease = `UPDATE event_cursors SET owner='', until=0, sequence=$4, succeeded=$5, failed=$6, error=$7
		WHERE name=$1 AND owner=$2 AND epoch=$3`
	setCursor = `UPDATE event_cursors SET sequence=$2, owner='', until=0, epoch=epoch+1 WHERE name=$1`
)

// CursorConfig configures Cursors. The zero value is usable.
type CursorConfig struct {
	// Node names this one in the table; default "node".
	Node string
	// Lease is how long a consumer stays with a node that is heard of no more; default 15 s.
	Lease time.Duration
	// Retry and MaxRetry bound the pause after a failed delivery, which doubles; default 500 ms
	// and 1 min.
	Retry, MaxRetry time.Duration
	Timeout         time.Duration // of one transaction; default Lease/3
	Log             *slog.Logger  // default slog.Default()
}

// Cursors keeps where each named consumer of the feed is, and has one node serve it at a time.
// Safe for concurrent use.
type Cursors struct {
	cfg  CursorConfig
	db   sqldb.SQL
	feed *Feed
}

// NewCursors returns the cursors kept in db, bringing its tables up to date.
func NewCursors(ctx context.Context, cfg CursorConfig, db sqldb.SQL, feed *Feed) (*Cursors, error) {
	if cfg.Node == "" {
		cfg.Node = "node"
	}
	if cfg.Lease <= 0 {
		cfg.Lease = 15 * time.Second
	}
	if cfg.Retry <= 0 {
		cfg.Retry = 500 * time.Millisecond
	}
	if cfg.MaxRetry <= 0 {
		cfg.MaxRetry = time.Minute
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = cfg.Lease / 3
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if err := db.Migrate(ctx, component, schema); err != nil {
		return nil, err
	}
	return &Cursors{cfg: cfg, db: db, feed: feed}, nil
}

// Status is how a consumer gets on.
type Status struct {
	Tenant    storage.TenantID
	Sequence  int64     // delivered up to here
	Lag       int64     // events behind it
	Owner     string    // the node that serves it, "" when none does
	Succeeded time.Time // last delivery; zero: none yet
	Failed    time.Time // first failure since; zero: none
	Error     string    // of the last attempt
}

// cursor is a row of event_cursors.
type cursor struct {
	tenant              storage.TenantID
	sequence            int64
	owner               string
	until, epoch        int64
	now                 int64 // by the clock of the database, which all nodes share
	succeeded, failedAt int64
	failure             string
}

func (c *Cursors) read(ctx context.Context, name string) (cur cursor, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	err = c.db.Read(ctx, func(tx sqldb.Tx) error {
		now, err := sqldb.Now(tx, c.db.Dialect())
		if err != nil {
			return err
		}
		cur, err = readCursor(tx, name)
		cur.now = now.UnixNano()
		return err
	})
	return cur, err
}

func readCursor(tx sqldb.Tx, name string) (cur cursor, err error) {
	found := false
	err = sqldb.Each(tx, func(rows sqldb.RowSet) error {
		found = true
		var tenant string
		err := rows.Scan(&tenant, &cur.sequence, &cur.owner, &cur.until, &cur.epoch, &cur.succeeded, &cur.failedAt, &cur.failure)
		cur.tenant = storage.TenantID(tenant)
		return err
	}, selectCursor, name)
	if err == nil && !found {
		err = errs.Errorf(errs.NotFound, "events.cursor", "no such consumer")
	}
	return cur, err
}

func (c *Cursors) write(ctx context.Context, fn func(tx sqldb.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	return c.db.Write(ctx, fn)
}

// Status returns how the consumer gets on; errs.NotFound when it never ran.
func (c *Cursors) Status(ctx context.Context, name string) (Status, error) {
	cur, err := c.read(ctx, name)
	if err != nil {
		return Status{}, err
	}
	last, err := c.feed.Last(ctx, cur.tenant)
	if err != nil {
		return Status{}, err
	}
	s := Status{Tenant: cur.tenant, Sequence: cur.sequence, Lag: max(0, last-cur.sequence),
		Succeeded: instant(cur.succeeded), Failed: instant(cur.failedAt), Error: cur.failure}
	if cur.until > cur.now {
		s.Owner = cur.owner
	}
	return s, nil
}

// Move puts a consumer at a sequence number, wherever it was: to deliver again, or to leave out
// what it cannot take. Who serves it starts anew from there.
func (c *Cursors) Move(ctx context.Context, name string, sequence int64) error {
	return c.write(ctx, func(tx sqldb.Tx) error {
		n, err := tx.Exec(setCursor, name, sequence)
		if err == nil && n == 0 {
			err = errs.Errorf(errs.NotFound, "events.Move", "no such consumer")
		}
		return err
	})
}

func instant(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// lease is a consumer's row while it is ours. Used under the lock of its session.
type lease struct {
	name, owner string
	cursor
	ends time.Time // by our own clock, counted from before it was asked for
}

// take tries to become the consumer's node; nil: another node is.
func (c *Cursors) take(ctx context.Context, consumer *Consumer) (*lease, error) {
	cur, err := c.read(ctx, consumer.Name)
	if errs.Is(err, errs.NotFound) && !consumer.existing {
		if err := c.create(ctx, consumer); err != nil {
			return nil, err
		}
		cur, err = c.read(ctx, consumer.Name)
	}
	if err != nil {
		return nil, err
	}
	if cur.tenant != consumer.Tenant {
		return nil, errs.Errorf(errs.Conflict, "events.take", "the consumer belongs to another tenant")
	}
	if cur.until > cur.now { // most often; looked at without a write
		return nil, nil
	}
	l := &lease{name: consumer.Name, owner: c.cfg.Node + "/" + rand.Text()[:8], cursor: cur}
	l.epoch = cur.epoch + 1
	taken, err := c.update(ctx, l, func(tx sqldb.Tx, now, until int64) (int64, error) {
		return tx.Exec(takeLease, l.name, l.owner, until, cur.epoch, now)
	})
	if err != nil || !taken {
		return nil, err
	}
	return l, nil
}

// update runs a statement that gives us the lease from now on, and reports whether it did.
func (c *Cursors) update(ctx context.Context, l *lease, do func(tx sqldb.Tx, now, until int64) (int64, error)) (ours bool, err error) {
	ends := time.Now().Add(c.cfg.Lease)
	rows := int64(0)
	err = c.write(ctx, func(tx sqldb.Tx) error {
		now, err := sqldb.Now(tx, c.db.Dialect())
		if err != nil {
			return err
		}
		rows, err = do(tx, now.UnixNano(), now.Add(c.cfg.Lease).UnixNano())
		return err
	})
	if err == nil && rows == 1 {
		l.ends = ends
	}
	return rows == 1, err
}

// create makes the row of a consumer nobody has heard of.
func (c *Cursors) create(ctx context.Context, consumer *Consumer) error {
	start := int64(0)
	if consumer.FromNow {
		var err error
		if start, err = c.feed.Last(ctx, consumer.Tenant); err != nil {
			return err
		}
	}
	return c.write(ctx, func(tx sqldb.Tx) error {
		_, err := tx.Exec(insertCursor, consumer.Name, string(consumer.Tenant), start)
		return err
	})
}

// keep writes where we are and holds the lease for longer. False: it is ours no more, and
// nothing was written.
func (c *Cursors) keep(ctx context.Context, l *lease) (ours bool, err error) {
	ours, err = c.update(ctx, l, func(tx sqldb.Tx, _, until int64) (int64, error) {
		return tx.Exec(keepLease, l.name, l.owner, l.epoch, until, l.sequence, l.succeeded, l.failedAt, l.failure)
	})
	return ours || err != nil, err
}

// drop writes where we are and gives the lease back, so that another node need not wait for its
// end.
func (c *Cursors) drop(ctx context.Context, l *lease) error {
	return c.write(context.WithoutCancel(ctx), func(tx sqldb.Tx) error {
		_, err := tx.Exec(dropLease, l.name, l.owner, l.epoch, l.sequence, l.succeeded, l.failedAt, l.failure)
		return err
	})
}
