package sqlite

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const (
	insertTrash = `INSERT INTO trash (id, study, series, uid, class, syntax, source, object, offset, length,
			dataset_offset, dataset_crc, received, discarded, until, header, frames)
		SELECT ?, ?, ?, i.uid, i.class, i.syntax, i.source, i.object, i.offset, i.length,
			i.dataset_offset, i.dataset_crc, i.received, ?, ?, d.header, d.frames
		FROM instances i CROSS JOIN instance_data d ON d.id=i.id WHERE i.id=?`

	// Conditions on what is asked for: at most one of them has an index worth using, so an empty
	// field is left out of the statement.
	trashOfTenant = ` FROM trash d WHERE d.id>?1 AND d.id<?2`
	selectTrash   = `SELECT d.study, d.series, d.uid, d.discarded, d.until,
		(SELECT key FROM objects WHERE id=d.object), d.offset, d.length`
	newestTrash = ` ORDER BY d.id DESC LIMIT ?`
	// Of several that were discarded under one UID, the latest.
	selectRestorable = `SELECT max(d.id)`
	groupRestorable  = ` GROUP BY d.uid ORDER BY 1`

	selectDiscarded = `SELECT d.study, d.series, d.uid, c.term, s.term, a.term, o.key, d.offset, d.length,
			d.dataset_offset, d.dataset_crc, d.received, d.header, d.frames
		FROM trash d CROSS JOIN objects o ON o.id=d.object CROSS JOIN terms c ON c.id=d.class
			CROSS JOIN terms s ON s.id=d.syntax CROSS JOIN terms a ON a.id=d.source WHERE d.id=?`
	selectExpired = `SELECT id FROM trash INDEXED BY trash_until WHERE until<=? ORDER BY until LIMIT ?`
	deleteTrash   = `DELETE FROM trash WHERE id=?`
	selectWhere   = `SELECT o.key, d.offset, d.length FROM trash d CROSS JOIN objects o ON o.id=d.object WHERE d.id=?`

	insertUsage = `INSERT INTO usage (tenant, patients, studies, series, instances, bytes) VALUES (?,0,0,0,0,0)`
	addUsage    = `UPDATE usage SET patients=patients+?, studies=studies+?, series=series+?,
		instances=instances+?, bytes=bytes+? WHERE tenant=?`
	selectUsage = `SELECT patients, studies, series, instances, bytes FROM usage WHERE tenant=?`
)

// maxExpired bounds one transaction of Expire, and one answer of Discarded.
const maxExpired = 10_000

// Discard moves the rows under r into the trash, with a change for each, in one durable
// transaction.
func (ix *Index) Discard(ctx context.Context, t storage.TenantID, r index.Ref, until time.Time) (int, error) {
	if r == (index.Ref{}) {
		return 0, errs.Errorf(errs.Invalid, "sqlite.Discard", "nothing named to remove")
	}
	rem := removal{until: max(until.UnixNano(), 1)}
	if err := ix.removeUnder(ctx, t, r, &rem); err != nil {
		return 0, err
	}
	return len(rem.gone), nil
}

// trashUnder composes a statement over what a tenant discarded under r.
func trashUnder(columns string, tenant int64, r index.Ref) (string, []any) {
	query, args := columns+trashOfTenant, []any{changeID(tenant, 0), changeID(tenant+1, 0)}
	for _, k := range []struct{ column, uid string }{
		{"uid", r.SOPInstanceUID}, {"series", r.SeriesInstanceUID}, {"study", r.StudyInstanceUID},
	} {
		if k.uid != "" {
			query, args = query+" AND d."+k.column+"=?", append(args, k.uid)
		}
	}
	return query, args
}

// Discarded lists what can be brought back, latest first.
func (ix *Index) Discarded(ctx context.Context, t storage.TenantID, r index.Ref, limit int) ([]index.Discarded, error) {
	if limit <= 0 || limit > maxExpired {
		limit = maxExpired
	}
	var out []index.Discarded
	err := ix.read(ctx, t, func(c *sqldb.Conn, tenant int64) error {
		query, args := trashUnder(selectTrash, tenant, r)
		rows, err := c.Query(query+newestTrash, append(args, limit)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			out = append(out, index.Discarded{
				Ref: index.Ref{StudyInstanceUID: rows.Text(0), SeriesInstanceUID: rows.Text(1), SOPInstanceUID: rows.Text(2)},
				At:  unixNano(rows.Int(3)), Until: unixNano(rows.Int(4)),
				Location: blob.Location{Object: storage.Key(rows.Text(5)), Offset: rows.Int(6), Length: rows.Int(7)},
			})
		}
		return rows.Err()
	})
	return out, err
}

// Restore adds what was discarded under r once more, in one durable transaction.
func (ix *Index) Restore(ctx context.Context, t storage.TenantID, r index.Ref) (int, error) {
	const op = "sqlite.Restore"
	if r == (index.Ref{}) {
		return 0, errs.Errorf(errs.Invalid, op, "nothing named to restore")
	}
	n := 0
	err := ix.db.Write(ctx, sqldb.Durable, func(c *sqldb.Conn) error {
		tenant, err := tenantID(c, t)
		if err != nil {
			return err
		}
		query, args := trashUnder(selectRestorable, tenant, r)
		ids, err := column0(c, query+groupRestorable, args...)
		if err != nil {
			return err
		}
		for _, id := range ids {
			back, err := ix.restoreOne(c, t, id)
			if err != nil {
				return err
			}
			if back {
				n++
			}
		}
		if n == 0 {
			return errs.Errorf(errs.NotFound, op, "nothing there to restore")
		}
		return ix.state.flush(c)
	})
	if err != nil {
		ix.forget()
		return 0, err
	}
	ix.generation.Add(1)
	return n, nil
}

// restoreOne brings back one instance, unless its UID is taken.
func (ix *Index) restoreOne(c *sqldb.Conn, t storage.TenantID, id int64) (bool, error) {
	in, err := discarded(c, t, id)
	if err != nil {
		return false, err
	}
	a, err := prepare(t, in, false)
	if err != nil {
		return false, err
	}
	if err := ix.state.add(c, a); err != nil || a.result.Existing != nil {
		return false, err
	}
	// It was never gone from what the tenant keeps.
	ts, err := ix.state.tenant(c, t)
	if err != nil {
		return false, err
	}
	ts.more.Instances, ts.more.Bytes = ts.more.Instances-1, ts.more.Bytes-in.Blob.Location.Length
	_, err = c.Exec(deleteTrash, id)
	return true, err
}

// discarded makes the instance that was handed to Add of what the trash keeps.
func discarded(c *sqldb.Conn, t storage.TenantID, id int64) (index.Instance, error) {
	const op = "sqlite.Restore"
	r, err := c.Query(selectDiscarded, id)
	if err != nil {
		return index.Instance{}, err
	}
	defer r.Close()
	if !r.Next() {
		if err := r.Err(); err != nil {
			return index.Instance{}, err
		}
		return index.Instance{}, errs.Errorf(errs.Internal, op, "a discarded instance has lost its object")
	}
	in := index.Instance{
		StudyInstanceUID: r.Text(0), SeriesInstanceUID: r.Text(1), SOPInstanceUID: r.Text(2),
		SOPClassUID: r.Text(3), TransferSyntaxUID: r.Text(4), SourceAET: r.Text(5),
		Blob: blob.Record{
			Tenant:   t,
			Location: blob.Location{Object: storage.Key(r.Text(6)), Offset: r.Int(7), Length: r.Int(8)},
			Received: unixNano(r.Int(11)),
		},
		DatasetOffset: r.Int(9), DatasetCRC: uint32(r.Int(10)),
	}
	if !r.Null(13) {
		in.Frames = r.Blob(13)
	}
	if in.Header, err = attribute.UnpackHeader(r.Blob(12)); err != nil {
		return in, err
	}
	h, err := dicom.ParseHeader(in.Header)
	if err != nil { // we wrote it: damage is ours
		return in, errs.E(errs.Internal, op, err)
	}
	in.Dataset = h.Dataset
	return in, nil
}

// Expire notes for erasure what was discarded until now or earlier.
func (ix *Index) Expire(ctx context.Context, now time.Time, limit int) ([]blob.Location, error) {
	if limit <= 0 || limit > maxExpired {
		limit = maxExpired
	}
	var due bool // asked without the writer: most of the time nothing is
	err := ix.db.Read(ctx, func(c *sqldb.Conn) error {
		ids, err := column0(c, selectExpired, now.UnixNano(), 1)
		due = len(ids) > 0
		return err
	})
	if err != nil || !due {
		return nil, err
	}
	return ix.emptyTrash(ctx, func(c *sqldb.Conn) ([]int64, error) {
		return column0(c, selectExpired, now.UnixNano(), limit)
	})
}

// Purge notes for erasure what was discarded under r.
func (ix *Index) Purge(ctx context.Context, t storage.TenantID, r index.Ref) ([]blob.Location, error) {
	const op = "sqlite.Purge"
	if r == (index.Ref{}) {
		return nil, errs.Errorf(errs.Invalid, op, "nothing named to remove")
	}
	return ix.emptyTrash(ctx, func(c *sqldb.Conn) ([]int64, error) {
		tenant, err := tenantID(c, t)
		if err != nil {
			return nil, err
		}
		query, args := trashUnder(`SELECT d.id`, tenant, r)
		ids, err := column0(c, query, args...)
		if err == nil && len(ids) == 0 {
			err = errs.Errorf(errs.NotFound, op, "nothing there to remove")
		}
		return ids, err
	})
}

// emptyTrash turns rows of the trash into pending erasures, in one durable transaction.
func (ix *Index) emptyTrash(ctx context.Context, which func(*sqldb.Conn) ([]int64, error)) ([]blob.Location, error) {
	var gone []blob.Location
	err := ix.db.Write(ctx, sqldb.Durable, func(c *sqldb.Conn) error {
		ids, err := which(c)
		if err != nil {
			return err
		}
		less := make(map[int64]index.Usage) // by tenant
		for _, id := range ids {
			l, err := erase(c, id)
			if err != nil {
				return err
			}
			u := less[id>>40]
			u.Instances, u.Bytes = u.Instances+1, u.Bytes+l.Length
			less[id>>40] = u
			gone = append(gone, l)
		}
		for tenant, u := range less {
			if err := lessUsage(c, tenant, u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ix.db.Scrub()
	return gone, nil
}

// erase turns one row of the trash into a pending erasure.
func erase(c *sqldb.Conn, id int64) (l blob.Location, err error) {
	r, err := c.Query(selectWhere, id)
	if err != nil {
		return l, err
	}
	defer r.Close()
	if !r.Next() {
		if err := r.Err(); err != nil {
			return l, err
		}
		return l, errs.Errorf(errs.Internal, "sqlite.Expire", "a discarded instance has lost its object")
	}
	l = blob.Location{Object: storage.Key(r.Text(0)), Offset: r.Int(1), Length: r.Int(2)}
	r.Close()
	if _, err := c.Exec(insertErasure, string(l.Object), l.Offset, l.Length); err != nil {
		return l, err
	}
	_, err = c.Exec(deleteTrash, id)
	return l, err
}

// Usage returns what the tenant keeps.
func (ix *Index) Usage(ctx context.Context, t storage.TenantID) (u index.Usage, err error) {
	err = ix.read(ctx, t, func(c *sqldb.Conn, tenant int64) error {
		r, err := c.Query(selectUsage, tenant)
		if err != nil {
			return err
		}
		defer r.Close()
		if r.Next() {
			u = index.Usage{Patients: r.Int(0), Studies: r.Int(1), Series: r.Int(2), Instances: r.Int(3), Bytes: r.Int(4)}
		}
		return r.Err()
	})
	return u, err
}

// moreUsage adds to what the tenant keeps: one row, whatever the transaction did.
func moreUsage(c *sqldb.Conn, tenant int64, u index.Usage) error {
	if u == (index.Usage{}) {
		return nil
	}
	_, err := c.Exec(addUsage, u.Patients, u.Studies, u.Series, u.Instances, u.Bytes, tenant)
	return err
}

func lessUsage(c *sqldb.Conn, tenant int64, u index.Usage) error {
	return moreUsage(c, tenant, index.Usage{Patients: -u.Patients, Studies: -u.Studies, Series: -u.Series,
		Instances: -u.Instances, Bytes: -u.Bytes})
}
