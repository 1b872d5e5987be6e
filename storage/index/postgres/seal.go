package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// maxUnsealed bounds one answer of Unsealed.
const maxUnsealed = 1000

const (
	// Unsealed series are few: those of the last quiet time, unless more arrive than are sealed.
	selectUnsealed = `SELECT t.name, s.uid, e.uid, e.revision, e.instances
		FROM (SELECT id, tenant, study, uid, revision, instances FROM series WHERE NOT sealed AND changed<=$1 ORDER BY id LIMIT $2) e
			JOIN studies s ON s.id=e.study JOIN tenants t ON t.id=e.tenant ORDER BY e.id`
	selectSealable = `SELECT e.id FROM studies s JOIN series e ON e.tenant=s.tenant AND e.study=s.id
		WHERE s.tenant=$1 AND s.uid=$2 AND e.uid=$3 AND e.revision=$4`
	insertSeal = `INSERT INTO seals (series, tenant, revision, object, "offset", length, etag) VALUES ($1,$2,$3,$4,$5,$6,$7)`
	markSealed = `UPDATE series SET sealed=true WHERE tenant=$1 AND id=$2`

	insertStale = `INSERT INTO stale_seals (tenant, object, "offset", length)
		SELECT tenant, object, "offset", length FROM seals WHERE tenant=$1 AND series=ANY($2)`
	deleteSeals  = `DELETE FROM seals WHERE tenant=$1 AND series=ANY($2)`
	selectStale  = `SELECT object, "offset", length FROM stale_seals ORDER BY object, "offset"`
	deleteStale  = `DELETE FROM stale_seals s USING unnest($1::text[], $2::bigint[]) n (object, "offset") WHERE s.object=n.object AND s."offset"=n."offset"`
	selectIsSeal = `SELECT EXISTS (SELECT 1 FROM seals WHERE object=$1 AND "offset"=$2)
		OR EXISTS (SELECT 1 FROM stale_seals WHERE object=$1 AND "offset"=$2)`
)

// Unsealed lists series of all tenants that are quiet and have no seal, oldest first.
func (ix *Index) Unsealed(ctx context.Context, quiet time.Time, limit int) (map[storage.TenantID][]index.SeriesState, error) {
	if limit <= 0 || limit > maxUnsealed {
		limit = maxUnsealed
	}
	out := make(map[storage.TenantID][]index.SeriesState)
	err := ix.read(ctx, "postgres.Unsealed", everyTenant, statement{selectUnsealed, []any{quiet.UnixNano(), limit}, each(func(r pgx.Rows) error {
		var t string
		var s index.SeriesState
		err := r.Scan(&t, &s.StudyInstanceUID, &s.SeriesInstanceUID, &s.Revision, &s.Instances)
		out[storage.TenantID(t)] = append(out[storage.TenantID(t)], s)
		return err
	})})
	return out, err
}

// Seal records what was made of the series unless it has changed since.
func (ix *Index) Seal(ctx context.Context, t storage.TenantID, s index.SeriesState, seal index.Seal) (done bool, err error) {
	const op = "postgres.Seal"
	tenant, err := ix.existingTenant(ctx, op, t)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = ix.write(ctx, op, tenant, func(w *writer) error {
		var ids []int64
		done = false
		err := w.look(statement{selectSealable, []any{tenant, text(s.StudyInstanceUID), text(s.SeriesInstanceUID), seal.Revision}, scanIDs(&ids)})
		if err != nil || len(ids) == 0 {
			return err
		}
		l := seal.Metadata
		w.unseal(ids)
		w.queue(insertSeal, ids[0], tenant, seal.Revision, text(string(l.Object)), l.Offset, l.Length, seal.ETag)
		w.queue(markSealed, tenant, ids[0])
		done = true
		return nil
	})
	return done && err == nil, err
}

// unseal takes the seals off series: what was made of them is stale from now on. Who calls it
// says in series whether they are sealed.
func (w *writer) unseal(series []int64) {
	w.queue(insertStale, w.tenant, series)
	w.queue(deleteSeals, w.tenant, series)
}

// StaleSeals lists derived objects that no series uses any more.
func (ix *Index) StaleSeals(ctx context.Context) (out []blob.Location, err error) {
	err = ix.read(ctx, "postgres.StaleSeals", everyTenant, statement{selectStale, nil, scanLocations(&out)})
	return out, err
}

// SealsErased forgets stale seals whose bytes are gone.
func (ix *Index) SealsErased(ctx context.Context, ls []blob.Location) error {
	return ix.forgetLocations(ctx, "postgres.SealsErased", deleteStale, ls)
}

func (ix *Index) forgetLocations(ctx context.Context, op, sql string, ls []blob.Location) error {
	if len(ls) == 0 {
		return nil
	}
	objects, offsets, _ := columnsOf(ls)
	return ix.read(ctx, op, everyTenant, statement{sql: sql, args: []any{objects, offsets}})
}

// HasSeal reports whether a seal, current or stale, lies at the location.
func (ix *Index) HasSeal(ctx context.Context, l blob.Location) (found bool, err error) {
	err = ix.read(ctx, "postgres.HasSeal", everyTenant, statement{selectIsSeal, []any{text(string(l.Object)), l.Offset},
		each(func(r pgx.Rows) error { return r.Scan(&found) })})
	return found, err
}
