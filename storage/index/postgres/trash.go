package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
)

const (
	trashOfTenant = ` FROM trash d WHERE d.tenant=?`
	selectTrash   = `SELECT d.study, d.series, d.uid, d.discarded, d.until,
		(SELECT key FROM objects o WHERE o.id=d.object), d."offset", d.length`
	// Of several that were discarded under one UID, the latest.
	selectRestorable = `SELECT max(d.id)`
	groupRestorable  = ` GROUP BY d.uid ORDER BY 1`
	selectDiscarded  = `SELECT d.id, d.study, d.series, d.uid, c.term, s.term, a.term, o.key, d."offset", d.length,
			d.dataset_offset, d.dataset_crc, d.received, d.header, d.frames
		FROM trash d JOIN objects o ON o.id=d.object JOIN terms c ON c.id=d.class JOIN terms s ON s.id=d.syntax
			JOIN terms a ON a.id=d.source WHERE d.tenant=$1 AND d.id=ANY($2) ORDER BY d.id`
	selectExpired = `SELECT id FROM trash WHERE until<=$1 ORDER BY until LIMIT $2`
	deleteTrash   = `DELETE FROM trash d USING objects o WHERE d.tenant=$1 AND d.id=ANY($2) AND o.id=d.object
		RETURNING o.key, d."offset", d.length`
	selectUsage = `SELECT patients, studies, series, instances, bytes FROM tenants WHERE id=$1`
)

const (
	// maxExpired bounds one Expire, and one answer of Discarded.
	maxExpired = 10_000
	// restoreBatch is how many instances Restore holds at a time.
	restoreBatch = 256
)

// trashUnder composes a statement over what a tenant discarded under r.
func trashUnder(columns, rest string, tenant int64, r index.Ref) (string, []any) {
	sql, args := columns+trashOfTenant, []any{tenant}
	for _, k := range []struct{ column, uid string }{
		{"uid", r.SOPInstanceUID}, {"series", r.SeriesInstanceUID}, {"study", r.StudyInstanceUID},
	} {
		if k.uid != "" {
			sql, args = sql+" AND d."+k.column+"=?", append(args, text(k.uid))
		}
	}
	return number(sql + rest), args
}

// Discarded lists what can be brought back, latest first.
func (ix *Index) Discarded(ctx context.Context, t storage.TenantID, r index.Ref, limit int) ([]index.Discarded, error) {
	const op = "postgres.Discarded"
	if limit <= 0 || limit > maxExpired {
		limit = maxExpired
	}
	tenant, err := ix.tenantID(ctx, op, t)
	if err != nil || tenant == 0 {
		return nil, err
	}
	var out []index.Discarded
	sql, args := trashUnder(selectTrash, ` ORDER BY d.id DESC LIMIT ?`, tenant, r)
	err = ix.read(ctx, op, tenant, statement{sql, append(args, limit), each(func(rows pgx.Rows) error {
		var d index.Discarded
		var at, until int64
		err := rows.Scan(&d.StudyInstanceUID, &d.SeriesInstanceUID, &d.SOPInstanceUID, &at, &until,
			&d.Location.Object, &d.Location.Offset, &d.Location.Length)
		d.At, d.Until = unixNano(at), unixNano(until)
		out = append(out, d)
		return err
	})})
	return out, err
}

// Restore adds what was discarded under r once more, in one transaction.
func (ix *Index) Restore(ctx context.Context, t storage.TenantID, r index.Ref) (int, error) {
	const op = "postgres.Restore"
	if r == (index.Ref{}) {
		return 0, errs.Errorf(errs.Invalid, op, "nothing named to restore")
	}
	tenant, err := ix.existingTenant(ctx, op, t)
	if err != nil {
		return 0, err
	}
	n := 0
	err = ix.write(ctx, op, tenant, func(w *writer) error {
		n = 0
		var ids []int64
		sql, args := trashUnder(selectRestorable, groupRestorable, tenant, r)
		if err := w.look(statement{sql, args, scanIDs(&ids)}); err != nil {
			return err
		}
		for len(ids) > 0 {
			some := ids[:min(restoreBatch, len(ids))]
			ids = ids[len(some):]
			back, err := w.restore(t, some)
			if err != nil {
				return err
			}
			n += back
		}
		if n == 0 {
			return errs.Errorf(errs.NotFound, op, "nothing there to restore")
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func scanIDs(ids *[]int64) func(pgx.Rows) error {
	return each(func(r pgx.Rows) error {
		var id int64
		err := r.Scan(&id)
		*ids = append(*ids, id)
		return err
	})
}

// restore brings back instances, but for those whose UID is taken.
func (w *writer) restore(t storage.TenantID, ids []int64) (int, error) {
	var items []*addition
	var rows []int64
	err := w.look(statement{selectDiscarded, []any{w.tenant, ids}, each(func(r pgx.Rows) error {
		id, in, err := scanDiscarded(r, t)
		if err != nil {
			return err
		}
		a, err := prepare(in, false)
		items, rows = append(items, a), append(rows, id)
		return err
	})})
	if err != nil {
		return 0, err
	}
	if err := w.gather(items); err != nil {
		return 0, err
	}
	var back []int64
	for i, a := range items {
		if err := w.add(a); err != nil {
			return 0, err
		}
		if a.result.Existing != nil {
			continue
		}
		back = append(back, rows[i])
		// It was never gone from what the tenant keeps.
		w.more.Instances, w.more.Bytes = w.more.Instances-1, w.more.Bytes-a.in.Blob.Location.Length
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	w.queue(deleteTrash, w.tenant, back)
	return len(back), w.send()
}

// scanDiscarded makes the instance that was handed to Add of what the trash keeps.
func scanDiscarded(r pgx.Rows, t storage.TenantID) (id int64, in index.Instance, err error) {
	const op = "postgres.Restore"
	var key string
	var crc, received int64
	var header []byte
	l := &in.Blob.Location
	if err = r.Scan(&id, &in.StudyInstanceUID, &in.SeriesInstanceUID, &in.SOPInstanceUID, &in.SOPClassUID,
		&in.TransferSyntaxUID, &in.SourceAET, &key, &l.Offset, &l.Length, &in.DatasetOffset, &crc, &received,
		&header, &in.Frames); err != nil {
		return id, in, err
	}
	in.Blob.Tenant, l.Object, in.DatasetCRC, in.Blob.Received = t, storage.Key(key), uint32(crc), unixNano(received)
	if in.Header, err = attribute.UnpackHeader(header); err != nil {
		return id, in, err
	}
	h, err := dicom.ParseHeader(in.Header)
	if err != nil { // we wrote it: damage is ours
		return id, in, errs.E(errs.Internal, op, err)
	}
	in.Dataset = h.Dataset
	return id, in, nil
}

// Expire notes for erasure what was discarded until now or earlier.
func (ix *Index) Expire(ctx context.Context, now time.Time, limit int) ([]blob.Location, error) {
	const op = "postgres.Expire"
	if limit <= 0 || limit > maxExpired {
		limit = maxExpired
	}
	var due []int64
	err := ix.read(ctx, op, everyTenant, statement{selectExpired, []any{now.UnixNano(), limit}, scanIDs(&due)})
	if err != nil {
		return nil, err
	}
	var gone []blob.Location
	for tenant, ids := range byTenant(due) {
		err := ix.write(ctx, op, tenant, func(w *writer) error {
			erased, err := w.emptyTrash(ids)
			if err == nil {
				gone = append(gone, erased...)
			}
			return err
		})
		if err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// byTenant sorts rows by the tenant in their ids.
func byTenant(ids []int64) map[int64][]int64 {
	out := make(map[int64][]int64)
	for _, id := range ids {
		out[id>>40] = append(out[id>>40], id)
	}
	return out
}

// Purge notes for erasure what was discarded under r.
func (ix *Index) Purge(ctx context.Context, t storage.TenantID, r index.Ref) (gone []blob.Location, err error) {
	const op = "postgres.Purge"
	if r == (index.Ref{}) {
		return nil, errs.Errorf(errs.Invalid, op, "nothing named to remove")
	}
	tenant, err := ix.existingTenant(ctx, op, t)
	if err != nil {
		return nil, err
	}
	err = ix.write(ctx, op, tenant, func(w *writer) error {
		var ids []int64
		sql, args := trashUnder(`SELECT d.id`, "", tenant, r)
		if err := w.look(statement{sql, args, scanIDs(&ids)}); err != nil {
			return err
		}
		if len(ids) == 0 {
			return errs.Errorf(errs.NotFound, op, "nothing there to remove")
		}
		gone, err = w.emptyTrash(ids)
		return err
	})
	return gone, err
}

// emptyTrash turns rows of the trash into pending erasures. A row another node was faster with
// is none of ours.
func (w *writer) emptyTrash(ids []int64) (gone []blob.Location, err error) {
	err = w.look(statement{deleteTrash, []any{w.tenant, ids}, scanLocations(&gone)})
	if err != nil || len(gone) == 0 {
		return nil, err
	}
	for _, l := range gone {
		w.more.Instances, w.more.Bytes = w.more.Instances-1, w.more.Bytes-l.Length
	}
	return gone, w.look(erasures(w.tenant, gone))
}

func scanLocations(out *[]blob.Location) func(pgx.Rows) error {
	return each(func(r pgx.Rows) error {
		var key string
		var l blob.Location
		err := r.Scan(&key, &l.Offset, &l.Length)
		l.Object = storage.Key(key)
		*out = append(*out, l)
		return err
	})
}

// Usage returns what the tenant keeps.
func (ix *Index) Usage(ctx context.Context, t storage.TenantID) (u index.Usage, err error) {
	const op = "postgres.Usage"
	tenant, err := ix.tenantID(ctx, op, t)
	if err != nil || tenant == 0 {
		return u, err
	}
	err = ix.read(ctx, op, tenant, statement{selectUsage, []any{tenant}, each(func(r pgx.Rows) error {
		return r.Scan(&u.Patients, &u.Studies, &u.Series, &u.Instances, &u.Bytes)
	})})
	return u, err
}
