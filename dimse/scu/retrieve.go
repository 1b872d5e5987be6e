package scu

import (
	"context"
	"errors"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Result is how a C-MOVE or C-GET went.
type Result struct {
	Status   dimse.Status
	Counters dimse.Counters // of the last response that had any; negative numbers are unknown
	// FailedSOPInstanceUIDs is the identifier of the final response, when it had one.
	Failed *dicom.Dataset
}

// Move has the peer send what matches to destination, with C-MOVE. progress, when not nil, is
// called for every Pending response. The end of ctx cancels the operation.
func (c *Client) Move(ctx context.Context, model string, identifier *dicom.Dataset, destination string, progress func(dimse.Counters)) (Result, error) {
	q, err := c.begin("scu.Move", dimse.CMoveRQ, model, identifier, destination)
	if err != nil {
		return Result{}, err
	}
	return q.retrieve(ctx, progress, nil)
}

// Received is an instance that comes with C-GET.
type Received struct {
	SOPClassUID       string
	SOPInstanceUID    string
	TransferSyntaxUID string
	Data              io.Reader // of the data set, streaming
}

// Get has the peer send what matches on this association, with C-GET; the storage classes must
// be among Config.StoreRoles and Contexts. store takes each instance and says the status. The
// end of ctx cancels the operation.
func (c *Client) Get(ctx context.Context, model string, identifier *dicom.Dataset, store func(context.Context, Received) dimse.Status, progress func(dimse.Counters)) (Result, error) {
	q, err := c.begin("scu.Get", dimse.CGetRQ, model, identifier, "")
	if err != nil {
		return Result{}, err
	}
	return q.retrieve(ctx, progress, store)
}

func (q *operation) retrieve(ctx context.Context, progress func(dimse.Counters), store func(context.Context, Received) dimse.Status) (Result, error) {
	defer q.watch(ctx)()
	res := Result{Counters: dimse.Counters{Remaining: -1, Completed: -1, Failed: -1, Warning: -1}}
	for {
		msg, err := q.next()
		if err != nil {
			return res, err
		}
		if msg.Command.Field == dimse.CStoreRQ {
			if err := q.take(ctx, msg, store); err != nil {
				return res, err
			}
			continue
		}
		if msg.Command.Counters != nil {
			res.Counters = *msg.Command.Counters
		}
		res.Status = msg.Command.Status
		if !res.Status.Final() {
			if progress != nil {
				progress(res.Counters)
			}
			continue
		}
		if b, err := readDataset(q.op, msg); err == nil && len(b) > 0 {
			res.Failed, _ = dicom.ParseDataset(b, q.syntax) // a list for people; the status says it all
		}
		if ctx.Err() != nil && res.Status == dimse.StatusCancel {
			return res, errs.E(errs.Canceled, q.op, context.Cause(ctx))
		}
		return res, failure(q.op, msg.Command)
	}
}

// take answers a C-STORE sub-operation of C-GET.
func (q *operation) take(ctx context.Context, msg *dimse.Message, store func(context.Context, Received) dimse.Status) error {
	status := dimse.StatusCannotUnderstand
	if msg.Data != nil {
		status = store(ctx, Received{
			SOPClassUID:       msg.Command.AffectedSOPClassUID,
			SOPInstanceUID:    msg.Command.AffectedSOPInstanceUID,
			TransferSyntaxUID: msg.Context.TransferSyntax,
			Data:              msg.Data,
		})
		// The rest of the data set is skipped before the answer, for a broken one gets none.
		if _, err := io.Copy(io.Discard, msg.Data); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return q.c.a.SendBytes(msg.Context.ID, msg.Command.Response(status), nil)
}
