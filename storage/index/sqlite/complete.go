package sqlite

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const (
	// Open studies are few: those of the last quiet time, unless more arrive than are announced.
	selectQuiet = `SELECT id FROM studies INDEXED BY studies_open WHERE announced=0 AND changed<=? ORDER BY id LIMIT ?`
	// announce looks again: between the two transactions the study may have changed, or another
	// caller may have been faster.
	selectOpen     = `SELECT tenant, uid FROM studies WHERE id=? AND announced=0 AND changed<=?`
	updateAnnounce = `UPDATE studies SET announced=1 WHERE id=?`
)

// The kinds of a row of changes.
const (
	kindStored = iota
	kindDeleted
	kindCompleted
)

// maxCompleted bounds one transaction of CompleteStudies, which others wait for.
const maxCompleted = 500

// CompleteStudies announces the studies that are quiet. The row of a study says whether it was
// announced as it is, so each state is announced once, whoever asks, and also after a crash.
func (ix *Index) CompleteStudies(ctx context.Context, quiet time.Time, limit int) (int, error) {
	if limit <= 0 || limit > maxCompleted {
		limit = maxCompleted
	}
	var ids []int64
	err := ix.db.Read(ctx, func(c *sqldb.Conn) (err error) {
		ids, err = column0(c, selectQuiet, quiet.UnixNano(), limit)
		return err
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	n := 0
	err = ix.db.Write(ctx, sqldb.Process, func(c *sqldb.Conn) error {
		for _, id := range ids {
			done, err := ix.announce(c, id, quiet)
			if err != nil {
				return err
			}
			if done {
				n++
			}
		}
		// The writer remembers studies as not announced, and the last number of each tenant.
		ix.state.forgetRows()
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// announce appends the change of one study, unless it has changed meanwhile.
func (ix *Index) announce(c *sqldb.Conn, study int64, quiet time.Time) (bool, error) {
	r, err := c.Query(selectOpen, study, quiet.UnixNano())
	if err != nil {
		return false, err
	}
	defer r.Close()
	if !r.Next() {
		return false, r.Err()
	}
	tenant, uid := r.Int(0), r.Text(1)
	r.Close()
	last, err := c.Int(selectLast, changeID(tenant, 0), changeID(tenant+1, 0)-1)
	if err != nil {
		return false, err
	}
	if _, err := c.Exec(insertChange, last+1, ix.now().UnixNano(), kindCompleted, uid, "", "", 0); err != nil {
		return false, err
	}
	_, err = c.Exec(updateAnnounce, study)
	return err == nil, err
}

// Sync makes every change that Changes has returned durable: what the outside was told must not
// be taken back by a power cut.
func (ix *Index) Sync(ctx context.Context) error { return ix.db.Sync(ctx) }
