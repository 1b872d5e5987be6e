// Package nodes is how the processes of one installation know each other: through a table, never
// through the network. A node says every few seconds that it is there; one that is not heard of
// is taken for dead, and told so if it comes back to a house that has moved on.
//
// It also guards rolling restarts. Each release has a number and says which is the oldest it can
// work beside, usually the one before it. Register, which goes before every migration, refuses
// to start a release that the installation has left behind, and one that would leave behind a
// node that is alive.
//
// Left out: what one node does for all (platform/jobs), membership by gossip, addresses to call
// each other at.
package nodes

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// Release is the number of this release and Beside the oldest it can work beside. A release that
// changes what nodes share (a table, a key, an event) counts Release up; Beside follows one
// behind, or is the same where an old node would not understand.
const (
	Release = 1
	Beside  = 1
)

// component names our tables in sqldb.
const component = "nodes"

var schema = []string{`
CREATE TABLE nodes (
	id        TEXT PRIMARY KEY,   -- chance, new with each process
	host      TEXT NOT NULL,
	roles     TEXT NOT NULL,      -- with commas
	addresses TEXT NOT NULL,      -- with commas
	version   TEXT NOT NULL,
	release   BIGINT NOT NULL,
	started   BIGINT NOT NULL,    -- ns since 1970, by the database's clock
	seen      BIGINT NOT NULL
);
CREATE TABLE node_floor (
	id        BIGINT PRIMARY KEY, -- 1
	release   BIGINT NOT NULL     -- no older one may start
);
INSERT INTO node_floor (id, release) VALUES (1, 0);`}

const (
	selectNodes = `SELECT id, host, roles, addresses, version, release, started, seen FROM nodes WHERE seen>=$1 ORDER BY started, id`
	selectFloor = `SELECT release FROM node_floor WHERE id=1`
	raiseFloor  = `UPDATE node_floor SET release=$1 WHERE id=1 AND release<$1`
	upsertNode  = `INSERT INTO nodes (id, host, roles, addresses, version, release, started, seen)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8) ON CONFLICT (id) DO UPDATE SET seen=excluded.seen`
	deleteNode  = `DELETE FROM nodes WHERE id=$1`
	deleteStale = `DELETE FROM nodes WHERE seen<$1`
)

// Info is what a node says of itself.
type Info struct {
	ID        string // given by Register
	Host      string // default os.Hostname
	Roles     []string
	Addresses []string
	Version   string // for people
	Release   int    // default Release
	Beside    int    // default Beside; not kept
	Started   time.Time
	Seen      time.Time
}

// Config of a Node; the zero value is usable.
type Config struct {
	Beat   time.Duration // between signs of life; default 5 s
	Stale  time.Duration // without one for so long a node is dead; default 6 beats, at least 3
	Logger *slog.Logger  // default: discard
}

// Node is this process among the others. It is safe for concurrent use.
type Node struct {
	db   sqldb.SQL
	cfg  Config
	info Info
}

// Register makes this process known, or refuses: errs.Unsupported when the installation was
// brought to a release that does not work beside this one, errs.Conflict when a node is alive
// that does not work beside this one. Call it before any other migration, and Run after it.
func Register(ctx context.Context, db sqldb.SQL, info Info, cfg Config) (*Node, error) {
	if info.Release == 0 {
		info.Release, info.Beside = Release, Beside
	}
	if cfg.Beat <= 0 {
		cfg.Beat = 5 * time.Second
	}
	if cfg.Stale < 3*cfg.Beat {
		cfg.Stale = 6 * cfg.Beat
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if info.Host == "" {
		info.Host, _ = os.Hostname() // for people: without one it is empty
	}
	info.ID = rand.Text()
	n := &Node{db: db, cfg: cfg, info: info}
	if err := db.Migrate(ctx, component, schema); err != nil {
		return nil, err
	}
	// A full disk keeps nobody from starting: what is there can be served, and Run tries again.
	if err := n.beat(ctx); err != nil && !errs.Is(err, errs.Exhausted) {
		return nil, err
	}
	return n, nil
}

// ID is the process's name among the nodes.
func (n *Node) ID() string { return n.info.ID }

// beat says that this node is there, if it may be.
func (n *Node) beat(ctx context.Context) error {
	const op = "nodes.Register"
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Stale/2)
	defer cancel()
	return n.db.Write(ctx, func(tx sqldb.Tx) error {
		now, err := sqldb.Now(tx, n.db.Dialect())
		if err != nil {
			return err
		}
		var floor int64
		if err := sqldb.Each(tx, func(rows sqldb.RowSet) error { return rows.Scan(&floor) }, selectFloor); err != nil {
			return err
		}
		if floor > int64(n.info.Release) {
			return errs.Errorf(errs.Unsupported, op,
				"this is release %d, and the installation was brought to one that works beside %d at the oldest", n.info.Release, floor)
		}
		alive, err := n.alive(tx, now)
		if err != nil {
			return err
		}
		for _, other := range alive {
			if other.Release < n.info.Beside {
				return errs.Errorf(errs.Conflict, op,
					"node %s on %s runs release %d; this is %d and works beside %d at the oldest: stop that node first",
					other.ID, other.Host, other.Release, n.info.Release, n.info.Beside)
			}
		}
		if n.info.Started.IsZero() {
			n.info.Started = now
		}
		for _, s := range []statement{
			{raiseFloor, []any{int64(n.info.Beside)}},
			{deleteStale, []any{now.Add(-n.cfg.Stale).UnixNano()}},
			{upsertNode, []any{n.info.ID, n.info.Host, strings.Join(n.info.Roles, ","), strings.Join(n.info.Addresses, ","),
				n.info.Version, int64(n.info.Release), n.info.Started.UnixNano(), now.UnixNano()}},
		} {
			if _, err := tx.Exec(s.sql, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

type statement struct {
	sql  string
	args []any
}

// alive lists the nodes heard of lately.
func (n *Node) alive(tx sqldb.Tx, now time.Time) (out []Info, err error) {
	err = sqldb.Each(tx, func(rows sqldb.RowSet) error {
		var i Info
		var roles, addresses string
		var release, started, seen int64
		if err := rows.Scan(&i.ID, &i.Host, &roles, &addresses, &i.Version, &release, &started, &seen); err != nil {
			return err
		}
		i.Roles, i.Addresses, i.Release = list(roles), list(addresses), int(release)
		i.Started, i.Seen = time.Unix(0, started), time.Unix(0, seen)
		out = append(out, i)
		return nil
	}, selectNodes, now.Add(-n.cfg.Stale).UnixNano())
	return out, err
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// List returns the nodes that are alive, oldest first.
func (n *Node) List(ctx context.Context) (out []Info, err error) {
	err = n.db.Read(ctx, func(tx sqldb.Tx) error {
		now, err := sqldb.Now(tx, n.db.Dialect())
		if err != nil {
			return err
		}
		out, err = n.alive(tx, now)
		return err
	})
	return out, err
}

// Run gives signs of life until ctx ends, then takes the node off the list. A database that does
// not answer is tried again with the next beat. It returns an error when this node must not go
// on: the installation has left its release behind while it was taken for dead.
func (n *Node) Run(ctx context.Context) error {
	tick := time.NewTicker(n.cfg.Beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			n.leave(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
		}
		switch err := n.beat(ctx); {
		case errs.Is(err, errs.Unsupported):
			return err
		case err != nil && ctx.Err() == nil:
			n.cfg.Logger.WarnContext(ctx, "cannot tell the other nodes that this one is alive", "err", err)
		}
	}
}

// farewell bounds how long a node that ends waits for the database.
const farewell = 5 * time.Second

func (n *Node) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	err := n.db.Write(ctx, func(tx sqldb.Tx) error {
		_, err := tx.Exec(deleteNode, n.info.ID)
		return err
	})
	if err != nil { // it becomes stale by itself
		n.cfg.Logger.WarnContext(ctx, "cannot take this node off the list", "err", err)
	}
}
