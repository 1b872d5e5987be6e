package dimse

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// operations is what goes on beside the request at hand: while an operation runs that the peer
// may cancel, a second goroutine reads. It takes C-CANCEL and the responses to
// sub-operations, queues requests that come early, and ends at the first that it cannot queue.
type operations struct {
	mu      sync.Mutex
	current uint16                  // message ID of the operation that runs
	cancel  context.CancelCauseFunc // of that operation; nil when none
	waiting map[uint16]chan *Command
	watch   chan struct{} // closed when the second goroutine has ended; nil when there is none
	queue   []*queued     // early requests, in order
	over    error         // why the second goroutine ended
}

// queued is a request that came while another ran.
type queued struct {
	msg      *Message
	canceled bool
}

// cancelable reports whether C-CANCEL may name the operation (PS3.7 9.3.2.3, 9.3.3.3, 9.3.4.3).
func cancelable(f CommandField) bool { return f == CFindRQ || f == CGetRQ || f == CMoveRQ }

// next takes one request and has it handled.
func (s *Server) next(ctx context.Context, a *Association, end context.CancelCauseFunc) error {
	q, err := a.request(s.cfg.MaxIdentifier)
	if err != nil {
		return err
	}
	msg := q.msg
	switch {
	case msg.Command.Field == CCancelRQ, msg.Command.Field.Response():
		// A late C-CANCEL, or a response nobody waits for. PS3.7 9.3.2.3: no answer is due.
		return nil
	case !cancelable(msg.Command.Field):
		return s.handle(ctx, a, msg, end)
	}
	opctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if q.canceled {
		cancel(ErrCanceled)
	}
	a.ops.begin(a, msg.Command.MessageID, cancel, s.cfg.MaxIdentifier)
	defer a.ops.end(a)
	return s.handle(opctx, a, msg, end)
}

// request returns the next request: from the queue, or read here once nobody else reads.
func (a *Association) request(maxIdentifier int) (*queued, error) {
	ops := &a.ops
	ops.mu.Lock()
	if watch := ops.watch; len(ops.queue) == 0 && watch != nil {
		ops.mu.Unlock()
		<-watch
		ops.mu.Lock()
	}
	if len(ops.queue) > 0 {
		q := ops.queue[0]
		ops.queue = ops.queue[1:]
		ops.mu.Unlock()
		return q, nil
	}
	over := ops.over
	ops.mu.Unlock()
	if over != nil {
		return nil, over
	}
	msg, err := a.receive()
	if err != nil {
		return nil, err
	}
	return &queued{msg: msg}, a.identifier(msg, maxIdentifier)
}

// identifier reads the identifier of an operation that can be canceled into memory, so that
// the second goroutine can go on reading.
func (a *Association) identifier(msg *Message, most int) error {
	if !cancelable(msg.Command.Field) || msg.Data == nil {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(msg.Data, int64(most)+1))
	if err != nil {
		return err
	}
	if len(b) > most {
		return a.in.broken(&pdu.Error{Reason: pdu.InvalidParameterValue, What: "identifier too long"})
	}
	msg.Data = bytes.NewReader(b)
	return nil
}

// begin starts the second goroutine for an operation.
func (ops *operations) begin(a *Association, id uint16, cancel context.CancelCauseFunc, maxIdentifier int) {
	ops.mu.Lock()
	defer ops.mu.Unlock()
	ops.current, ops.cancel = id, cancel
	if ops.over != nil {
		cancel(ops.over)
		return
	}
	a.in.setBusy(true)
	if ops.watch != nil || a.in.data != nil {
		return // it runs still, or has stopped before a data set that is next
	}
	ops.watch = make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		ops.read(a, maxIdentifier)
	}(ops.watch)
}

// end notes that the operation has ended. The second goroutine goes on until a request comes.
func (ops *operations) end(a *Association) {
	ops.mu.Lock()
	defer ops.mu.Unlock()
	ops.cancel = nil
	a.in.setBusy(false)
}

// halt ends the association for err, whoever reads.
func (a *Association) halt(err error) error {
	a.ops.mu.Lock()
	watch := a.ops.watch
	a.ops.mu.Unlock()
	if watch != nil {
		a.in.interrupt(err)
		<-watch
	}
	return a.in.broken(err) // what the second goroutine met comes first
}

// read is the second goroutine.
func (ops *operations) read(a *Association, maxIdentifier int) {
	for {
		msg, err := a.receive()
		if err == nil {
			err = a.identifier(msg, maxIdentifier)
		}
		if err != nil {
			ops.finish(err)
			return
		}
		if !ops.take(msg) {
			return
		}
	}
}

// take routes a message that came while an operation ran, and reports whether to read on.
func (ops *operations) take(msg *Message) bool {
	ops.mu.Lock()
	defer ops.mu.Unlock()
	cmd := msg.Command
	id := cmd.MessageIDBeingRespondedTo
	switch {
	case cmd.Field == CCancelRQ:
		if ops.cancel != nil && id == ops.current {
			ops.cancel(ErrCanceled)
		}
		for _, q := range ops.queue {
			q.canceled = q.canceled || q.msg.Command.MessageID == id
		}
		return true
	case cmd.Field.Response():
		if ch, ok := ops.waiting[id]; ok {
			delete(ops.waiting, id)
			ch <- cmd // buffered
		}
		return true
	}
	ops.queue = append(ops.queue, &queued{msg: msg})
	// A data set that still streams is for the handler of its request to read. An idle
	// association needs no second goroutine either.
	more := (msg.Data == nil || cancelable(cmd.Field)) && ops.cancel != nil && len(ops.queue) < maxWindow
	if !more {
		ops.giveUp()
	}
	return more
}

// finish notes that nothing can be read any more.
func (ops *operations) finish(err error) {
	ops.mu.Lock()
	defer ops.mu.Unlock()
	ops.over = err
	if ops.cancel != nil {
		ops.cancel(err)
	}
	ops.giveUp()
}

// giveUp ends the second goroutine's part: those who wait for responses hear that none will
// be read.
func (ops *operations) giveUp() {
	ops.watch = nil
	for id, ch := range ops.waiting {
		delete(ops.waiting, id)
		close(ch)
	}
}

// handle calls the handler and cares for what it leaves.
func (s *Server) handle(ctx context.Context, a *Association, msg *Message, end context.CancelCauseFunc) error {
	ts, _ := dicom.LookupTransferSyntax(msg.Context.TransferSyntax)
	r := &Request{Association: a, Context: msg.Context, Command: msg.Command, TransferSyntax: ts, Data: msg.Data}
	w := &ResponseWriter{a: a, r: r}
	if err := s.call(ctx, w, r); err != nil {
		return a.halt(err)
	}
	if d, ok := msg.Data.(*dataReader); ok && d.err != nil && !errors.Is(d.err, io.EOF) {
		end(d.err)
		return d.err
	}
	if !w.final {
		_ = w.Respond(StatusProcessingFailure)
	}
	if w.err != nil {
		return a.halt(w.err)
	}
	return nil
}

// call turns a handler's panic into the end of its association only.
func (s *Server) call(ctx context.Context, w *ResponseWriter, r *Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.Association.log.Error("handler panicked", "request", r.Command.Field.String(), "err", p, "stack", string(debug.Stack()))
			err = errHandler
		}
	}()
	s.cfg.Handler.ServeDIMSE(ctx, w, r)
	return nil
}

// Store sends one C-STORE sub-operation on this association from inside a handler of a C-GET
// and waits for the response. cmd needs AffectedSOPClassUID and AffectedSOPInstanceUID; field
// and message ID are set here. A failing data ends the association.
func (a *Association) Store(ctx context.Context, pc PresentationContext, cmd *Command, data io.Reader) (*Command, error) {
	const op = "dimse.Store"
	cmd.Field, cmd.MessageID = CStoreRQ, a.NextMessageID()
	ch := make(chan *Command, 1)
	ops := &a.ops
	ops.mu.Lock()
	if ops.over != nil || ops.watch == nil {
		ops.mu.Unlock()
		return nil, errs.E(errs.Canceled, op, errState)
	}
	if ops.waiting == nil {
		ops.waiting = make(map[uint16]chan *Command)
	}
	ops.waiting[cmd.MessageID] = ch
	ops.mu.Unlock()
	defer func() {
		ops.mu.Lock()
		delete(ops.waiting, cmd.MessageID)
		ops.mu.Unlock()
	}()
	// The message is sent whole even when ctx ends: only its end keeps the association usable.
	if err := a.Send(context.WithoutCancel(ctx), pc.ID, cmd, data); err != nil {
		return nil, err
	}
	rsp, ok := <-ch
	if !ok {
		ops.mu.Lock()
		defer ops.mu.Unlock()
		if ops.over != nil {
			return nil, ops.over
		}
		return nil, errs.Errorf(errs.Unavailable, op, "another request came in between")
	}
	return rsp, nil
}
