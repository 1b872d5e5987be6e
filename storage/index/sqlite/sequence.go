package sqlite

import (
	"context"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// A change is known to others by its sequence number. An index that is made anew must not give
// a number to another change.

const (
	selectTenants = `SELECT id, name FROM tenants ORDER BY id`
	updateBase    = `UPDATE tenants SET base=max(base, ?) WHERE id=?`
)

// Sequences returns the last sequence number of each tenant.
func (ix *Index) Sequences(ctx context.Context) (map[storage.TenantID]int64, error) {
	out := make(map[storage.TenantID]int64)
	err := ix.db.Read(ctx, func(c *sqldb.Conn) error {
		ids := make(map[int64]storage.TenantID)
		r, err := c.Query(selectTenants)
		if err != nil {
			return err
		}
		defer r.Close()
		for r.Next() {
			ids[r.Int(0)] = storage.TenantID(r.Text(1))
		}
		if err := r.Err(); err != nil {
			return err
		}
		for id, name := range ids {
			last, err := c.Int(selectLast, changeID(id, 0), changeID(id+1, 0)-1)
			if err != nil {
				return err
			}
			out[name] = last & (1<<40 - 1)
		}
		return nil
	})
	return out, err
}

// StartAfter has the feed of each tenant go on behind the sequence number given, durably.
func (ix *Index) StartAfter(ctx context.Context, last map[storage.TenantID]int64) error {
	err := ix.db.Write(ctx, sqldb.Durable, func(c *sqldb.Conn) error {
		for name, seq := range last {
			t, err := ix.state.tenant(c, name)
			if err != nil {
				return err
			}
			if _, err := c.Exec(updateBase, seq, t.id); err != nil {
				return err
			}
		}
		ix.state.forgetRows()
		return nil
	})
	if err != nil {
		ix.forget()
	}
	return err
}
