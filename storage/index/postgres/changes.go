package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// maxChanges bounds one answer of Changes.
const maxChanges = 10_000

const (
	selectChanges = `SELECT i.id, i.received, 0::smallint, s.uid, e.uid, i.uid, i.class
			FROM (SELECT id, received, study, series, uid, class FROM instances WHERE id>$1 AND id<$2 ORDER BY id LIMIT $3) i
				JOIN series e ON e.id=i.series JOIN studies s ON s.id=i.study
		UNION ALL (SELECT id, time, kind, study, series, uid, class FROM changes WHERE id>$1 AND id<$2 ORDER BY id LIMIT $3)
		ORDER BY 1 LIMIT $3`
	selectErasures = `SELECT object, "offset", length FROM pending_erasures ORDER BY object, "offset"`
	deleteErasures = `DELETE FROM pending_erasures p USING unnest($1::text[], $2::bigint[]) n (object, "offset")
		WHERE p.object=n.object AND p."offset"=n."offset"`
	selectHas = `SELECT EXISTS (SELECT 1 FROM objects o JOIN instances i ON i.object=o.id
			WHERE o.key=$1 AND i."offset"=$2 AND i.length=$3)
		OR EXISTS (SELECT 1 FROM objects o JOIN trash d ON d.object=o.id WHERE o.key=$1 AND d."offset"=$2 AND d.length=$3)`
	selectKnown = selectHas + ` OR EXISTS (SELECT 1 FROM pending_erasures WHERE object=$1 AND "offset"=$2)`
)

// Changes returns up to limit changes after the sequence number (limit 0: as many as one answer
// may hold).
func (ix *Index) Changes(ctx context.Context, t storage.TenantID, after int64, limit int) ([]index.Change, error) {
	const op = "postgres.Changes"
	if limit <= 0 || limit > maxChanges {
		limit = maxChanges
	}
	tenant, err := ix.tenantID(ctx, op, t)
	if err != nil || tenant == 0 {
		return nil, err
	}
	after = min(max(after, 0), 1<<40-1)
	var out []index.Change
	var classes []int64
	terms := make(map[int64]string)
	err = ix.read(ctx, op, tenant, statement{selectChanges, []any{rowID(tenant, 0) + after, rowID(tenant+1, 0), limit}, each(func(r pgx.Rows) error {
		ch := index.Change{Kind: index.InstanceStored}
		var id, at, class int64
		var kind int16
		err := r.Scan(&id, &at, &kind, &ch.StudyInstanceUID, &ch.SeriesInstanceUID, &ch.SOPInstanceUID, &class)
		ch.Sequence, ch.Time = sequence(id), unixNano(at)
		switch kind {
		case kindDeleted:
			ch.Kind = index.InstanceDeleted
		case kindCompleted:
			ch.Kind = index.StudyCompleted
		}
		terms[class] = ""
		out, classes = append(out, ch), append(classes, class)
		return err
	})})
	if err == nil {
		err = ix.texts(ctx, op, tenant, terms)
	}
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].SOPClassUID = terms[classes[i]]
	}
	return out, nil
}

// PendingErasures lists locations removed from the index whose bytes may still be there.
func (ix *Index) PendingErasures(ctx context.Context) (out []blob.Location, err error) {
	err = ix.read(ctx, "postgres.PendingErasures", everyTenant, statement{selectErasures, nil, scanLocations(&out)})
	return out, err
}

// NoteErasure notes a record for erasure unless an instance lies there.
func (ix *Index) NoteErasure(ctx context.Context, t storage.TenantID, l blob.Location) (noted bool, err error) {
	const op = "postgres.NoteErasure"
	tenant, err := ix.newTenantID(ctx, op, t)
	if err != nil {
		return false, err
	}
	err = ix.write(ctx, op, tenant, func(w *writer) error {
		var found bool
		err := w.look(statement{selectHas, []any{text(string(l.Object)), l.Offset, l.Length},
			each(func(r pgx.Rows) error { return r.Scan(&found) })})
		if noted = err == nil && !found; noted {
			e := erasures(tenant, []blob.Location{l})
			w.queue(e.sql, e.args...)
		}
		return err
	})
	return noted && err == nil, err
}

// Erased forgets pending erasures that were carried out.
func (ix *Index) Erased(ctx context.Context, ls []blob.Location) error {
	return ix.forgetLocations(ctx, "postgres.Erased", deleteErasures, ls)
}

// Has reports whether the record is known: an instance, discarded, or to be erased.
func (ix *Index) Has(ctx context.Context, l blob.Location) (found bool, err error) {
	err = ix.read(ctx, "postgres.Has", everyTenant, statement{selectKnown, []any{text(string(l.Object)), l.Offset, l.Length},
		each(func(r pgx.Rows) error { return r.Scan(&found) })})
	return found, err
}
