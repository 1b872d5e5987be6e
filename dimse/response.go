package dimse

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// ResponseWriter sends the responses to one request. It is for one goroutine at a time.
type ResponseWriter struct {
	a     *Association
	r     *Request
	final bool
	err   error
}

// Respond sends a response without data set.
func (w *ResponseWriter) Respond(s Status) error { return w.Send(w.r.Command.Response(s), nil) }

// Send sends a response; start from Request.Command.Response. dataset is encoded in the
// context's transfer syntax, nil for none. Command and data set leave in one write; Pending
// responses may wait some milliseconds for company. Final responses leave at once, and nothing
// can follow them.
func (w *ResponseWriter) Send(rsp *Command, dataset []byte) error {
	if w.err != nil {
		return w.err
	}
	if w.final {
		return errs.Errorf(errs.Internal, "dimse.Send", "response after the final one")
	}
	rsp.HasDataset = dataset != nil
	final := rsp.Status.Final()
	if final {
		w.final = true
		w.a.metrics.responded(rsp.Field, rsp.Status)
	}
	w.err = w.a.out.message(w.r.Context.ID, rsp, dataset, !final)
	return w.err
}

// SendDataset encodes the data set in the context's transfer syntax and sends it.
func (w *ResponseWriter) SendDataset(rsp *Command, d *dicom.Dataset) error {
	b, err := dicom.AppendDataset(nil, d, w.r.TransferSyntax)
	if err != nil {
		return err
	}
	return w.Send(rsp, b)
}

// Flush sends Pending responses that wait.
func (w *ResponseWriter) Flush() error {
	w.a.out.mu.Lock()
	defer w.a.out.mu.Unlock()
	return w.a.out.flush()
}

// Final reports whether the final response was sent.
func (w *ResponseWriter) Final() bool { return w.final }
