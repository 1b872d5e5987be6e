package scu

import (
	"context"
	"io"

	"github.com/aurelius-imaging/aurelius/dimse"
)

// Instance names what is sent with C-STORE.
type Instance struct {
	SOPClassUID       string
	SOPInstanceUID    string
	TransferSyntaxUID string
	Priority          dimse.Priority
	// MoveOriginatorAETitle and MessageID of the C-MOVE that this is a sub-operation of.
	MoveOriginatorAETitle   string
	MoveOriginatorMessageID uint16
}

// Store sends one data set (no preamble, no group 0002), streaming. The status is the peer's;
// the error is nil for success and warnings.
func (c *Client) Store(ctx context.Context, SOPClassUID, SOPInstanceUID, TransferSyntaxUID string, r io.Reader) (dimse.Status, error) {
	return c.StoreInstance(ctx, Instance{SOPClassUID: SOPClassUID, SOPInstanceUID: SOPInstanceUID, TransferSyntaxUID: TransferSyntaxUID}, r)
}

// StoreInstance is Store with everything that a C-STORE request can say.
func (c *Client) StoreInstance(ctx context.Context, in Instance, r io.Reader) (dimse.Status, error) {
	const op = "scu.Store"
	pc, err := c.need(op, in.SOPClassUID, in.TransferSyntaxUID)
	if err != nil {
		return dimse.StatusSOPClassNotSupported, err
	}
	rsp, _, err := c.request(ctx, op, pc, &dimse.Command{
		Field:                   dimse.CStoreRQ,
		AffectedSOPClassUID:     in.SOPClassUID,
		AffectedSOPInstanceUID:  in.SOPInstanceUID,
		Priority:                in.Priority,
		MoveOriginatorAETitle:   in.MoveOriginatorAETitle,
		MoveOriginatorMessageID: in.MoveOriginatorMessageID,
	}, r)
	if err != nil {
		return dimse.StatusProcessingFailure, err
	}
	return rsp.Status, failure(op, rsp)
}
