package postgres

import (
	"context"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

const (
	relocateData = `UPDATE instance_data d SET header=$3, frames=$4 FROM instances i
		WHERE i.tenant=$1 AND i.uid=$2 AND d.tenant=$1 AND d.id=i.id`
	relocateInstance = `UPDATE instances SET syntax=$3, object=$4, "offset"=$5, length=$6, dataset_offset=$7, dataset_crc=$8, attrs=$9
		WHERE tenant=$1 AND uid=$2`
)

// Relocate puts another form of an instance in the place of the one at from.
func (ix *Index) Relocate(ctx context.Context, t storage.TenantID, from blob.Location, in index.Instance) (moved bool, err error) {
	const op = "postgres.Relocate"
	if err := ctx.Err(); err != nil {
		return false, errs.E(errs.Canceled, op, err)
	}
	a, err := prepare(in, false)
	if err != nil {
		return false, err
	}
	ctx = context.WithoutCancel(ctx)
	tenant, err := ix.tenantID(ctx, op, t)
	if err != nil || tenant == 0 {
		return false, err
	}
	err = ix.write(ctx, op, tenant, func(w *writer) error {
		if err := w.gather([]*addition{a}); err != nil {
			return err
		}
		old := w.existing[a.in.SOPInstanceUID]
		if moved = old != nil && old.Location == a.in.Blob.Location; moved || old == nil || old.Location != from {
			return nil
		}
		moved = true
		to := a.in.Blob.Location
		o := w.object(to.Object)
		syntax := w.term(a.in.TransferSyntaxUID)
		w.ix.objects.seen(o, a.in.Blob)
		if err := w.flush(); err != nil { // rows of a new term and object
			return err
		}
		w.queue(relocateInstance, w.tenant, a.in.SOPInstanceUID, syntax, o.id, to.Offset, to.Length, a.in.DatasetOffset, int64(a.in.DatasetCRC), a.Attrs)
		w.queue(relocateData, w.tenant, a.in.SOPInstanceUID, a.Header, a.in.Frames)
		w.queue(insertErasures, w.tenant, []string{string(from.Object)}, []int64{from.Offset}, []int64{from.Length})
		w.more.Bytes += to.Length - from.Length
		return nil
	})
	return moved && err == nil, err
}
