package sqlite

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// maxUnsealed bounds one answer of Unsealed.
const maxUnsealed = 1000

const (
	// Unsealed series are few: those of the last quiet time, unless more arrive than are sealed.
	selectUnsealed = `SELECT t.name, s.uid, e.uid, e.revision, e.instances FROM series e INDEXED BY series_unsealed
		CROSS JOIN studies s ON s.id=e.study CROSS JOIN tenants t ON t.id=e.tenant
		WHERE e.sealed=0 AND e.changed<=? ORDER BY e.id LIMIT ?`
	selectSealable = `SELECT e.id FROM studies s CROSS JOIN series e ON e.tenant=s.tenant AND e.uid=? AND e.study=s.id
		WHERE s.tenant=? AND s.uid=? AND e.revision=?`
	insertSeal   = `INSERT INTO seals (series, revision, object, offset, length, etag) VALUES (?,?,?,?,?,?)`
	updateSealed = `UPDATE series SET sealed=? WHERE id=?`

	insertStale  = `INSERT INTO stale_seals (object, offset, length) SELECT object, offset, length FROM seals WHERE series=?`
	deleteSeal   = `DELETE FROM seals WHERE series=?`
	selectStale  = `SELECT object, offset, length FROM stale_seals ORDER BY object, offset`
	deleteStale  = `DELETE FROM stale_seals WHERE object=? AND offset=?`
	selectIsSeal = `SELECT EXISTS (SELECT 1 FROM seals WHERE object=?1 AND offset=?2)
		OR EXISTS (SELECT 1 FROM stale_seals WHERE object=?1 AND offset=?2)`
)

// Unsealed lists series of all tenants that are quiet and have no seal, oldest first.
func (ix *Index) Unsealed(ctx context.Context, quiet time.Time, limit int) (map[storage.TenantID][]index.SeriesState, error) {
	if limit <= 0 || limit > maxUnsealed {
		limit = maxUnsealed
	}
	out := make(map[storage.TenantID][]index.SeriesState)
	err := ix.db.Read(ctx, func(c *sqldb.Conn) error {
		r, err := c.Query(selectUnsealed, quiet.UnixNano(), limit)
		if err != nil {
			return err
		}
		defer r.Close()
		for r.Next() {
			t := storage.TenantID(r.Text(0))
			out[t] = append(out[t], index.SeriesState{StudyInstanceUID: r.Text(1), SeriesInstanceUID: r.Text(2),
				Revision: r.Int(3), Instances: int(r.Int(4))})
		}
		return r.Err()
	})
	return out, err
}

// Seal records what was made of the series unless it has changed since. A seal that is lost in
// a power cut leaves an object nobody knows, and is made again.
func (ix *Index) Seal(ctx context.Context, t storage.TenantID, s index.SeriesState, seal index.Seal) (done bool, err error) {
	err = ix.db.Write(ctx, sqldb.Process, func(c *sqldb.Conn) error {
		tenant, err := tenantID(c, t)
		if err != nil {
			return err
		}
		series, err := c.Int(selectSealable, s.SeriesInstanceUID, tenant, s.StudyInstanceUID, seal.Revision)
		if err != nil || series == 0 {
			return err
		}
		if err := unseal(c, series); err != nil {
			return err
		}
		l := seal.Metadata
		if _, err := c.Exec(insertSeal, series, seal.Revision, string(l.Object), l.Offset, l.Length, seal.ETag); err != nil {
			return err
		}
		if _, err := c.Exec(updateSealed, 1, series); err != nil {
			return err
		}
		ix.state.forgetSeries(series)
		done = true
		return nil
	})
	return done && err == nil, err
}

// unseal takes the seal off a series that has one: what was made of it is stale from now on.
func unseal(c *sqldb.Conn, series int64) error {
	for _, sql := range []string{insertStale, deleteSeal} {
		if r, err := c.Exec(sql, series); err != nil || r.Changed == 0 {
			return err
		}
	}
	_, err := c.Exec(updateSealed, 0, series)
	return err
}

// forgetSeries drops what the writer remembers of one series.
func (w *writerState) forgetSeries(id int64) {
	for key, se := range w.seriesOf {
		if se.id == id {
			delete(w.seriesOf, key)
		}
	}
}

// StaleSeals lists derived objects that no series uses any more.
func (ix *Index) StaleSeals(ctx context.Context) ([]blob.Location, error) {
	return ix.locations(ctx, selectStale)
}

// SealsErased forgets stale seals whose bytes are gone.
func (ix *Index) SealsErased(ctx context.Context, ls []blob.Location) error {
	return ix.forgetLocations(ctx, deleteStale, ls)
}

// HasSeal reports whether a seal, current or stale, lies at the location.
func (ix *Index) HasSeal(ctx context.Context, l blob.Location) (found bool, err error) {
	err = ix.db.Read(ctx, func(c *sqldb.Conn) error {
		n, err := c.Int(selectIsSeal, string(l.Object), l.Offset)
		found = n > 0
		return err
	})
	return found, err
}
