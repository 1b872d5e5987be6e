package scp

import (
	"context"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// find serves C-FIND (PS3.4 C.4.1): matches stream from the index to the peer, one Pending
// response each; none is held back, so memory does not grow with their number.
func (d *Door) find(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	if err := d.matches(ctx, w, r); err != nil {
		refuse(ctx, w, r, finding, err)
		return
	}
	_ = w.Respond(dimse.StatusSuccess)
}

func (d *Door) matches(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) error {
	request, err := identifier(r)
	if err != nil {
		return err
	}
	q, err := query.FromIdentifier(request, patientRoot(r))
	if err != nil {
		return err
	}
	answers := newResponder(request, r.Association.CalledAETitle())
	rsp := r.Command.Response(dimse.StatusPending)
	if len(q.Ignored) > 0 {
		rsp.Status = dimse.StatusPendingWarning // PS3.4 C.4.1.1.4: optional keys not supported
	}
	var encoded []byte
	for match, err := range d.archive.Find(ctx, d.tenant(r), q) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		encoded, err = dicom.AppendDataset(encoded[:0], answers.response(match), r.TransferSyntax)
		if err != nil {
			return errs.E(errs.Internal, "scp.find", err)
		}
		if err := w.Send(rsp, encoded); err != nil {
			return err
		}
	}
	return nil
}
