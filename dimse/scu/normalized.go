package scu

import (
	"bytes"
	"context"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Request sends a request of any kind on a context of the abstract syntax and reads its one
// response; the message ID is set here. d may be nil. The error is nil for warnings.
func (c *Client) Request(ctx context.Context, AbstractSyntax string, cmd *dimse.Command, d *dicom.Dataset) (*dimse.Command, *dicom.Dataset, error) {
	const op = "scu.Request"
	pc, err := c.need(op, AbstractSyntax, "")
	if err != nil {
		return nil, nil, err
	}
	ts, _ := dicom.LookupTransferSyntax(pc.TransferSyntax)
	var data io.Reader
	if d != nil {
		b, err := dicom.AppendDataset(nil, d, ts)
		if err != nil {
			return nil, nil, err
		}
		data = bytes.NewReader(b)
	}
	rsp, b, err := c.request(ctx, op, pc, cmd, data)
	if err != nil {
		return nil, nil, err
	}
	var out *dicom.Dataset
	if len(b) > 0 {
		if out, err = dicom.ParseDataset(b, ts); err != nil {
			return rsp, nil, errs.E(errs.Invalid, op, err)
		}
	}
	return rsp, out, failure(op, rsp)
}

// NCreate creates an instance (PS3.7 10.1.5); an empty SOPInstanceUID lets the peer choose.
func (c *Client) NCreate(ctx context.Context, SOPClassUID, SOPInstanceUID string, d *dicom.Dataset) (*dimse.Command, *dicom.Dataset, error) {
	return c.Request(ctx, SOPClassUID, &dimse.Command{Field: dimse.NCreateRQ, AffectedSOPClassUID: SOPClassUID, AffectedSOPInstanceUID: SOPInstanceUID}, d)
}

// NSet changes attributes of an instance (PS3.7 10.1.3).
func (c *Client) NSet(ctx context.Context, SOPClassUID, SOPInstanceUID string, d *dicom.Dataset) (*dimse.Command, *dicom.Dataset, error) {
	return c.Request(ctx, SOPClassUID, &dimse.Command{Field: dimse.NSetRQ, RequestedSOPClassUID: SOPClassUID, RequestedSOPInstanceUID: SOPInstanceUID}, d)
}

// NGet reads attributes of an instance (PS3.7 10.1.2); no attributes means all.
func (c *Client) NGet(ctx context.Context, SOPClassUID, SOPInstanceUID string, attributes ...tag.Tag) (*dimse.Command, *dicom.Dataset, error) {
	return c.Request(ctx, SOPClassUID, &dimse.Command{Field: dimse.NGetRQ, RequestedSOPClassUID: SOPClassUID, RequestedSOPInstanceUID: SOPInstanceUID, AttributeIdentifierList: attributes}, nil)
}

// NAction asks for an action on an instance (PS3.7 10.1.4).
func (c *Client) NAction(ctx context.Context, SOPClassUID, SOPInstanceUID string, action uint16, d *dicom.Dataset) (*dimse.Command, *dicom.Dataset, error) {
	return c.Request(ctx, SOPClassUID, &dimse.Command{Field: dimse.NActionRQ, RequestedSOPClassUID: SOPClassUID, RequestedSOPInstanceUID: SOPInstanceUID, ActionTypeID: action}, d)
}

// NDelete deletes an instance (PS3.7 10.1.6).
func (c *Client) NDelete(ctx context.Context, SOPClassUID, SOPInstanceUID string) (*dimse.Command, error) {
	rsp, _, err := c.Request(ctx, SOPClassUID, &dimse.Command{Field: dimse.NDeleteRQ, RequestedSOPClassUID: SOPClassUID, RequestedSOPInstanceUID: SOPInstanceUID}, nil)
	return rsp, err
}

// NEventReport reports an event about an instance (PS3.7 10.1.1).
func (c *Client) NEventReport(ctx context.Context, SOPClassUID, SOPInstanceUID string, event uint16, d *dicom.Dataset) (*dimse.Command, *dicom.Dataset, error) {
	return c.Request(ctx, SOPClassUID, &dimse.Command{Field: dimse.NEventReportRQ, AffectedSOPClassUID: SOPClassUID, AffectedSOPInstanceUID: SOPInstanceUID, EventTypeID: event}, d)
}
