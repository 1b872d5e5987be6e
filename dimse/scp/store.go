package scp

import (
	"context"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// store serves C-STORE (PS3.4 B.2): the data set streams from the socket into the archive, and
// success is said when it is durable there. An instance that is stored already, with the same
// data set, is a success.
func (d *Door) store(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	if r.Data == nil {
		refuse(ctx, w, r, storing, errs.Errorf(errs.Invalid, "scp.store", "no data set"))
		return
	}
	_, err := d.archive.Store(ctx, d.tenant(r), archive.Incoming{
		Data:           r.Data,
		TransferSyntax: r.TransferSyntax.UID,
		SOPClassUID:    r.Command.AffectedSOPClassUID,
		SOPInstanceUID: r.Command.AffectedSOPInstanceUID,
		SourceAET:      r.Association.CallingAETitle(),
	})
	if err != nil {
		refuse(ctx, w, r, storing, err)
		return
	}
	_ = w.Respond(dimse.StatusSuccess)
}
