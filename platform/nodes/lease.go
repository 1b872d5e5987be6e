package nodes

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const (
	createLease = `INSERT INTO node_leases (name, owner, token, until) VALUES ($1,'',0,0) ON CONFLICT (name) DO NOTHING`
	takeLease   = `UPDATE node_leases SET owner=$2, token=token+1, until=$3 WHERE name=$1 AND until<$4`
	selectToken = `SELECT token FROM node_leases WHERE name=$1`
	keepLease   = `UPDATE node_leases SET until=$4 WHERE name=$1 AND owner=$2 AND token=$3`
	dropLease   = `UPDATE node_leases SET owner='', until=0 WHERE name=$1 AND owner=$2 AND token=$3`
)

// Lease runs fn on one node at a time: it waits until no other node has the name, runs fn, and
// gives the name back when fn returns. The context of fn ends when ctx does, or well before
// another node can take the name because this one could not renew it; then Lease waits again,
// else it returns what fn did. token grows with each owner: who writes somewhere else on the
// word of a lease has the place compare it, since a process can sleep past any deadline.
func (n *Node) Lease(ctx context.Context, name string, fn func(ctx context.Context, token int64) error) error {
	for ctx.Err() == nil {
		token, err := n.take(ctx, name)
		if err != nil && ctx.Err() == nil {
			n.cfg.Logger.WarnContext(ctx, "cannot ask for a lease", "lease", name, "err", err)
		}
		if token > 0 {
			if err, over := n.hold(ctx, name, token, fn); over {
				return err
			}
			continue
		}
		pause(ctx, n.cfg.Beat)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// take returns the token of the lease, 0 when another node has it.
func (n *Node) take(ctx context.Context, name string) (token int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Stale/3)
	defer cancel()
	err = n.db.Write(ctx, func(tx sqldb.Tx) error {
		token = 0
		now, err := sqldb.Now(tx, n.db.Dialect())
		if err != nil {
			return err
		}
		if _, err := tx.Exec(createLease, name); err != nil {
			return err
		}
		taken, err := tx.Exec(takeLease, name, n.info.ID, now.Add(n.cfg.Stale).UnixNano(), now.UnixNano())
		if err != nil || taken == 0 {
			return err
		}
		return scan(tx, func(rows sqldb.RowSet) error { return rows.Scan(&token) }, selectToken, name)
	})
	if err != nil {
		return 0, err
	}
	return token, nil
}

// hold runs fn and renews the lease beside it; over is false when the lease was lost.
func (n *Node) hold(ctx context.Context, name string, token int64, fn func(context.Context, int64) error) (err error, over bool) { //nolint:revive // err is fn's result, not hold's
	inner, lose := context.WithCancel(ctx)
	renewed := make(chan struct{})
	lost := false
	go func() {
		defer close(renewed)
		if lost = !n.renew(inner, name, token); lost {
			lose()
		}
	}()
	err = fn(inner, token)
	lose()
	<-renewed
	if lost && ctx.Err() == nil {
		return nil, false
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.cfg.Beat)
	defer cancel()
	if e := n.db.Write(after, func(tx sqldb.Tx) error {
		_, err := tx.Exec(dropLease, name, n.info.ID, token)
		return err
	}); e != nil { // it runs out by itself
		n.cfg.Logger.WarnContext(after, "cannot give a lease back", "lease", name, "err", e)
	}
	return err, true
}

// renew keeps the lease until ctx ends (true), or it is lost: taken by another node, or not
// renewed for so long that it soon may be.
func (n *Node) renew(ctx context.Context, name string, token int64) bool {
	good := time.Now()
	for {
		pause(ctx, n.cfg.Beat)
		begun := time.Now()
		bounded, cancel := context.WithDeadline(ctx, good.Add(n.cfg.Stale*2/3))
		var kept int64
		err := n.db.Write(bounded, func(tx sqldb.Tx) error {
			now, err := sqldb.Now(tx, n.db.Dialect())
			if err != nil {
				return err
			}
			kept, err = tx.Exec(keepLease, name, n.info.ID, token, now.Add(n.cfg.Stale).UnixNano())
			return err
		})
		cancel()
		switch {
		case ctx.Err() != nil:
			return true
		case err == nil && kept == 0:
			return false
		case err == nil:
			good = begun
		case time.Since(good) >= n.cfg.Stale*2/3:
			return false
		}
	}
}
