package sqlite

import (
	"context"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const (
	relocateInstance = `UPDATE instances SET syntax=?, object=?, offset=?, length=?, dataset_offset=?, dataset_crc=?, attrs=? WHERE id=?`
	relocateData     = `UPDATE instance_data SET header=?, frames=? WHERE id=?`
)

// Relocate puts another form of an instance in the place of the one at from.
func (ix *Index) Relocate(ctx context.Context, t storage.TenantID, from blob.Location, in index.Instance) (moved bool, err error) {
	const op = "sqlite.Relocate"
	if err := ctx.Err(); err != nil {
		return false, errs.E(errs.Canceled, op, err)
	}
	a, err := prepare(t, in, false)
	if err != nil {
		return false, err
	}
	err = ix.db.Write(context.WithoutCancel(ctx), sqldb.Durable, func(c *sqldb.Conn) error {
		tenant, err := ix.state.tenant(c, t)
		if err != nil {
			return err
		}
		e, id, err := ix.state.entry(c, tenant.id, in.SOPInstanceUID)
		if err != nil || id == 0 {
			return err
		}
		if moved = e.Location == in.Blob.Location; moved || e.Location != from {
			return nil
		}
		moved = true
		return ix.state.relocate(c, tenant.id, id, e.Location, a)
	})
	if err != nil {
		ix.forget()
		return false, err
	}
	ix.generation.Add(1)
	ix.db.Scrub()
	return moved, nil
}

func (w *writerState) relocate(c *sqldb.Conn, tenant, id int64, from blob.Location, a *addition) error {
	to := a.in.Blob.Location
	obj, err := w.object(c, to.Object)
	if err != nil {
		return err
	}
	syntax, err := w.term(c, a.in.TransferSyntaxUID)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{relocateInstance, []any{syntax, obj.id, to.Offset, to.Length, a.in.DatasetOffset, a.in.DatasetCRC, a.Attrs, id}},
		{relocateData, []any{a.Header, a.in.Frames, id}},
		{insertErasure, []any{string(from.Object), from.Offset, from.Length}},
	} {
		if _, err := c.Exec(s.sql, s.args...); err != nil {
			return err
		}
	}
	if err := moreUsage(c, tenant, index.Usage{Bytes: to.Length - from.Length}); err != nil {
		return err
	}
	obj.Seen(a.in.Blob)
	return w.flush(c)
}
