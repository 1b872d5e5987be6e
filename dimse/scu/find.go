package scu

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// cancelGrace is how long the peer may take to obey C-CANCEL before it is aborted.
const cancelGrace = 5 * time.Second

// Find asks with C-FIND and yields the matches as they come. Leaving the loop, or the end of
// ctx, cancels the operation with C-CANCEL; the association stays usable when the peer obeys.
// A failure is the last that is yielded.
func (c *Client) Find(ctx context.Context, model string, identifier *dicom.Dataset) iter.Seq2[*dicom.Dataset, error] {
	return func(yield func(*dicom.Dataset, error) bool) {
		err := c.find(ctx, model, identifier, yield)
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// errStop is the end that the consumer wanted.
var errStop = errors.New("scu: stopped by the consumer")

func (c *Client) find(ctx context.Context, model string, identifier *dicom.Dataset, yield func(*dicom.Dataset, error) bool) error {
	const op = "scu.Find"
	q, err := c.begin(op, dimse.CFindRQ, model, identifier, "")
	if err != nil {
		return err
	}
	defer q.watch(ctx)()
	for stopped := false; ; {
		msg, err := q.next()
		if err != nil {
			return err
		}
		if msg.Command.Status.Class() != dimse.Pending {
			switch {
			case stopped:
				return errStop
			case ctx.Err() != nil:
				return errs.E(errs.Canceled, op, context.Cause(ctx))
			}
			return failure(op, msg.Command)
		}
		if stopped || msg.Data == nil {
			continue
		}
		b, err := readDataset(op, msg)
		if err != nil {
			return err
		}
		d, err := dicom.ParseDataset(b, q.syntax)
		if !yield(d, err) {
			stopped = true
			if err := q.cancel(); err != nil {
				return errStop
			}
		}
	}
}

// operation is a C-FIND, C-MOVE or C-GET that runs.
type operation struct {
	c      *Client
	op     string
	pc     dimse.PresentationContext
	syntax dicom.TransferSyntax
	cmd    *dimse.Command
	wait   context.Context // ends when the peer has not obeyed C-CANCEL
	giveUp context.CancelFunc
}

func (c *Client) begin(op string, field dimse.CommandField, model string, identifier *dicom.Dataset, destination string) (*operation, error) {
	pc, err := c.need(op, model, "")
	if err != nil {
		return nil, err
	}
	ts, _ := dicom.LookupTransferSyntax(pc.TransferSyntax)
	b, err := dicom.AppendDataset(nil, identifier, ts)
	if err != nil {
		return nil, err
	}
	cmd := &dimse.Command{Field: field, MessageID: c.a.NextMessageID(), AffectedSOPClassUID: model, MoveDestination: destination}
	wait, giveUp := context.WithCancel(context.Background())
	q := &operation{c: c, op: op, pc: pc, syntax: ts, cmd: cmd, wait: wait, giveUp: giveUp}
	if err := c.a.Send(wait, pc.ID, cmd, bytes.NewReader(b)); err != nil {
		giveUp()
		return nil, err
	}
	return q, nil
}

// watch cancels the operation when ctx ends. The returned function ends the watch.
func (q *operation) watch(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, func() { _ = q.cancel() })
	return func() {
		stop()
		q.giveUp()
	}
}

// cancel sends C-CANCEL (PS3.7 9.3.2.3); the peer ends with a final response, soon.
func (q *operation) cancel() error {
	time.AfterFunc(cancelGrace, q.giveUp)
	return q.c.a.SendBytes(q.pc.ID, &dimse.Command{Field: dimse.CCancelRQ, MessageIDBeingRespondedTo: q.cmd.MessageID}, nil)
}

// next reads the next message of the operation: a response, or a C-STORE request of C-GET.
func (q *operation) next() (*dimse.Message, error) {
	for {
		msg, err := q.c.a.Receive(q.wait)
		if err != nil {
			return nil, err
		}
		if answers(msg, q.cmd) || (q.cmd.Field == dimse.CGetRQ && msg.Command.Field == dimse.CStoreRQ) {
			return msg, nil
		}
		if err := q.c.refuse(msg); err != nil {
			return nil, err
		}
	}
}
