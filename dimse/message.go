package dimse

import (
	"context"
	"errors"
	"io"

	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Message is a DIMSE message as it arrives: the command whole, the data set still streaming.
type Message struct {
	Context PresentationContext
	Command *Command
	Data    io.Reader // nil when the command announces none; valid until the next Receive
}

// receive reads the next message's command. What is left of the previous data set is skipped.
func (a *Association) receive() (*Message, error) {
	in := &a.in
	if in.data != nil {
		if err := in.data.skip(); err != nil {
			return nil, err
		}
	}
	var cmd []byte
	in.msgWaited, in.msgBytes = 0, int64(in.w-in.r)
	for first := true; ; first = false {
		if err := in.nextPDV(first); err != nil {
			return nil, err
		}
		v, n := in.pdv, in.pdvLeft
		switch {
		case !v.Command:
			return nil, in.broken(&pdu.Error{Reason: pdu.UnexpectedParameter, What: "data set without command"})
		case !first && v.ContextID != in.pdvContext:
			return nil, in.broken(&pdu.Error{Reason: pdu.UnexpectedParameter, What: "context changes within a command"})
		case len(cmd)+int(n) > maxCommand:
			return nil, in.broken(&pdu.Error{Reason: pdu.InvalidParameterValue, What: "command set too long"})
		}
		in.pdvContext = v.ContextID
		for in.pdvLeft > 0 {
			chunk, err := in.chunk()
			if err != nil {
				return nil, in.broken(err)
			}
			cmd = append(cmd, chunk...)
			in.consume(len(chunk))
		}
		if v.Last {
			break
		}
	}
	return a.message(in.pdvContext, cmd)
}

func (a *Association) message(contextID byte, b []byte) (*Message, error) {
	cmd, err := ParseCommand(b)
	if err != nil {
		return nil, a.in.broken(&pdu.Error{Reason: pdu.InvalidParameterValue, What: err.Error()})
	}
	pc, _ := a.context(contextID)
	m := &Message{Context: pc, Command: cmd}
	if cmd.HasDataset {
		a.in.data = &dataReader{in: &a.in, contextID: contextID}
		m.Data = a.in.data
	}
	return m, nil
}

// chunk returns bytes of the PDV at hand that are in the buffer, at least one. They are valid
// until the next read.
func (in *receiver) chunk() ([]byte, error) {
	if in.r == in.w {
		if err := in.fill(1, false); err != nil {
			return nil, err
		}
	}
	return in.buf[in.r:min(in.w, in.r+int(in.pdvLeft))], nil
}

func (in *receiver) consume(n int) {
	in.r += n
	in.pdvLeft -= uint32(n)
}

// dataReader streams the data set of the message at hand.
type dataReader struct {
	in        *receiver
	contextID byte
	last      bool // the PDV at hand is the last
	err       error
}

// next returns bytes that are not consumed yet; io.EOF at the end of the data set.
func (d *dataReader) next() ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	in := d.in
	for in.pdvLeft == 0 {
		if d.last {
			d.err = io.EOF
			in.data = nil
			return nil, d.err
		}
		if d.err = in.nextPDV(false); d.err != nil {
			return nil, d.err
		}
		if in.pdv.Command || in.pdv.ContextID != d.contextID {
			d.err = in.broken(&pdu.Error{Reason: pdu.UnexpectedParameter, What: "another message within a data set"})
			return nil, d.err
		}
		d.last = in.pdv.Last
	}
	b, err := in.chunk()
	if err != nil {
		d.err = in.broken(err)
	}
	return b, d.err
}

// Read implements io.Reader.
func (d *dataReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := d.next()
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	d.in.consume(n)
	return n, nil
}

// WriteTo implements io.WriterTo: the bytes go from the read buffer to w without a copy.
func (d *dataReader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		b, err := d.next()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(b)
		total += int64(n)
		d.in.consume(n)
		if err != nil {
			return total, err
		}
	}
}

// skip reads to the end.
func (d *dataReader) skip() error {
	for {
		b, err := d.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		d.in.consume(len(b))
	}
}

// Receive reads the next message of the peer; it is for requestors, a Server does it itself.
// A data set that was not read to its end is skipped. When ctx ends the association is
// aborted.
func (a *Association) Receive(ctx context.Context) (*Message, error) {
	stop := context.AfterFunc(ctx, func() { a.in.interrupt(context.Cause(ctx)) })
	defer stop()
	return a.receive()
}

// Send sends a message; data is read to its end when cmd has a data set and is not touched
// otherwise. When data fails the association is aborted, as nothing else can end the message.
func (a *Association) Send(ctx context.Context, contextID byte, cmd *Command, data io.Reader) error {
	if _, ok := a.context(contextID); !ok {
		return errs.Errorf(errs.Unsupported, "dimse.Send", "presentation context was not accepted")
	}
	cmd.HasDataset = data != nil
	if data == nil {
		return a.out.message(contextID, cmd, nil, false)
	}
	stop := context.AfterFunc(ctx, func() { a.out.interrupt(context.Cause(ctx)) })
	defer stop()
	err := a.out.stream(contextID, cmd, data)
	var src errSource
	if errors.As(err, &src) {
		_ = a.fail(src.error)
		return src.error
	}
	return err
}

// SendBytes is Send with the data set in memory; nil for none.
func (a *Association) SendBytes(contextID byte, cmd *Command, dataset []byte) error {
	if _, ok := a.context(contextID); !ok {
		return errs.Errorf(errs.Unsupported, "dimse.Send", "presentation context was not accepted")
	}
	cmd.HasDataset = dataset != nil
	return a.out.message(contextID, cmd, dataset, false)
}

// NextMessageID returns message IDs that are unique among the last 65535.
func (a *Association) NextMessageID() uint16 {
	for {
		if id := uint16(a.messageID.Add(1)); id != 0 {
			return id
		}
	}
}
