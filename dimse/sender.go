package dimse

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const (
	// writeBuffer takes two PDUs of the usual maximum: one write for 256 KiB.
	writeBuffer = 2*(maxSendPDU+pdu.HeaderLen) + 8<<10
	// maxSendPDU is the longest P-DATA-TF that we send, also to peers without a limit.
	maxSendPDU = 128 << 10
	// minSendPDU is used for peers that announce less: room for a header and some bytes.
	minSendPDU = 256
	// pendingBytes and pendingTime bound how long Pending responses may wait for company.
	pendingBytes = 64 << 10
	pendingTime  = 20 * time.Millisecond
)

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, writeBuffer); return &b }}

// sender is the writing half of an association. Every message, with its data set when that is
// small, leaves in one write. The mutex is held while writing.
type sender struct {
	a    *Association
	conn net.Conn

	mu      sync.Mutex
	pending []byte // whole PDUs that wait to be written
	last    time.Time
	timer   *time.Timer
	armed   bool
	err     error // sticky
	torn    bool  // a PDU has left in part; nothing can follow it
	bytes   int64

	interrupted atomic.Pointer[error]
}

func (out *sender) init(a *Association, conn net.Conn) {
	out.a, out.conn = a, conn
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true) // Go's default; said here because everything depends on it
	}
}

// control sends a PDU that is not data.
func (out *sender) control(p pdu.PDU) error {
	out.mu.Lock()
	defer out.mu.Unlock()
	b, err := pdu.Append(out.pending, p)
	if err != nil {
		return errs.E(errs.Internal, "dimse.Send", err)
	}
	out.pending = b
	return out.flush()
}

// abort sends A-ABORT as far as that is possible within a second: a peer that reads nothing
// cannot hold us up.
func (out *sender) abort(p *pdu.Abort) error {
	_ = out.conn.SetWriteDeadline(time.Now().Add(time.Second))
	out.mu.Lock()
	defer out.mu.Unlock()
	out.pending = out.pending[:0]
	if out.torn {
		return out.err
	}
	b, err := pdu.Append(nil, p)
	if err == nil {
		_ = out.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = out.conn.Write(b)
	}
	out.err = errState
	return err
}

// write sends b at once.
func (out *sender) write(b []byte) error {
	if out.err != nil {
		return out.err
	}
	_ = out.conn.SetWriteDeadline(time.Now().Add(out.a.timeouts.Write))
	if why := out.interrupted.Load(); why != nil {
		out.err = errs.E(errs.Canceled, "dimse.Send", *why)
		return out.err
	}
	n, err := out.conn.Write(b)
	if ack := out.a.in.ack; ack != nil {
		ack() // sending made the kernel delay acknowledgements again
	}
	out.bytes += int64(n)
	out.a.metrics.sent(n)
	if err != nil {
		out.err = errs.E(errs.Canceled, "dimse.Send", err)
		out.torn = n > 0
	}
	return out.err
}

// interrupt makes the write that waits, and all later ones, fail.
func (out *sender) interrupt(err error) {
	out.interrupted.Store(&err)
	_ = out.conn.SetWriteDeadline(past)
}

// flush sends what is pending.
func (out *sender) flush() error {
	if len(out.pending) == 0 {
		return out.err
	}
	err := out.write(out.pending)
	if cap(out.pending) > 2*pendingBytes {
		out.pending = nil
	}
	out.pending = out.pending[:0]
	out.last = time.Now()
	return err
}

// allowed asks the state machine for P-DATA (Evt9).
func (out *sender) allowed() error {
	if act := out.a.transit(Evt9); act == NoAction {
		if out.err != nil {
			return out.err
		}
		return errs.E(errs.Canceled, "dimse.Send", errState)
	}
	return out.err
}

// message sends a command and its data set. With wait it may stay until others come, 64 KiB
// are full or 20 ms have passed; the first of a row leaves at once.
func (out *sender) message(contextID byte, cmd *Command, dataset []byte, wait bool) error {
	out.mu.Lock()
	defer out.mu.Unlock()
	if err := out.allowed(); err != nil {
		return err
	}
	out.pending = out.appendPDUs(out.pending, contextID, true, cmd.AppendTo(nil))
	if cmd.HasDataset {
		out.pending = out.appendPDUs(out.pending, contextID, false, dataset)
	}
	if !wait || len(out.pending) >= pendingBytes || time.Since(out.last) > pendingTime {
		return out.flush()
	}
	if !out.armed {
		out.armed = true
		out.timer = time.AfterFunc(pendingTime, func() {
			out.mu.Lock()
			defer out.mu.Unlock()
			out.armed = false
			_ = out.flush() // the next sender gets the sticky error
		})
	}
	return nil
}

// release stops the timer.
func (out *sender) release() {
	out.mu.Lock()
	defer out.mu.Unlock()
	if out.timer != nil {
		out.timer.Stop()
	}
	if out.err == nil {
		out.err = errs.E(errs.Canceled, "dimse.Send", net.ErrClosed)
	}
	out.pending = nil
}

// appendPDUs appends a command or data set as P-DATA-TF PDUs of one PDV each, which every
// peer understands.
func (out *sender) appendPDUs(dst []byte, contextID byte, command bool, b []byte) []byte {
	most := out.most()
	if len(b)%2 == 1 {
		b = append(b[:len(b):len(b)], 0)
	}
	for {
		n := min(len(b), most)
		var head [pdu.HeaderLen]byte
		pdu.PutHeader(head[:], pdu.TypeData, uint32(n+pdu.PDVHeaderLen))
		dst = append(dst, head[:]...)
		dst = pdu.AppendPDVHeader(dst, contextID, command, n == len(b), n)
		dst = append(dst, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			return dst
		}
	}
}

// most is the length of the fragments that we send. It is even, and so is the last fragment:
// a data set of odd length gets a NUL, as PS3.5 A.5 wants it for deflated ones. DCMTK aborts
// an association over an odd fragment.
func (out *sender) most() int { return (out.a.sendMax - pdu.PDVHeaderLen) &^ 1 }

// errSource marks an error of the data that was to be sent, not of the connection.
type errSource struct{ error }

func (e errSource) Unwrap() error { return e.error }

// stream sends a command and a data set that is read as it goes: straight into the write
// buffer, with gaps left for the headers. When the source fails the association must be
// aborted, for a message cannot be taken back.
func (out *sender) stream(contextID byte, cmd *Command, data io.Reader) error {
	pooled := writeBuffers.Get().(*[]byte)
	defer writeBuffers.Put(pooled)
	buf := (*pooled)[:0]

	out.mu.Lock()
	defer out.mu.Unlock()
	if err := out.allowed(); err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return err
	}
	buf = out.appendPDUs(buf, contextID, true, cmd.AppendTo(nil))

	const heads = pdu.HeaderLen + pdu.PDVHeaderLen
	most := out.most()
	var ahead [1]byte // the byte that tells whether more follows
	have := 0
	for last := false; !last; {
		if cap(buf)-len(buf) < heads+most {
			if err := out.write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		start := len(buf)
		body := buf[start+heads : start+heads+most]
		copy(body, ahead[:have])
		n, err := io.ReadFull(data, body[have:])
		n += have
		if err == nil {
			have, err = io.ReadFull(data, ahead[:])
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			last = true
			if n%2 == 1 {
				body[n] = 0
				n++
			}
		case err != nil:
			return errSource{err}
		}
		buf = buf[:start+heads+n]
		pdu.PutHeader(buf[start:], pdu.TypeData, uint32(n+pdu.PDVHeaderLen))
		pdu.PutPDVHeader(buf[start+pdu.HeaderLen:], contextID, false, last, n)
	}
	return out.write(buf)
}
