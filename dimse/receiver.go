package dimse

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const (
	// readBuffer holds two of our PDUs, so that a sender at full speed costs one read for
	// several of them.
	readBuffer = 256 << 10
	// pduSlack lies above the announced maximum: some peers count it with headers.
	pduSlack = 128
	// minRate is what a message must bring per second beyond its first Read timeout. Slower
	// senders are slow loris; a 9600 baud line brings 1000.
	minRate = 256
)

// past is a deadline that makes what waits fail at once.
var past = time.Unix(1, 0)

var readBuffers = sync.Pool{New: func() any { b := make([]byte, readBuffer); return &b }}

// receiver is the reading half of an association: bytes, PDUs, and the PDVs of the message at
// hand. One goroutine uses it at a time; only interrupt and setARTIM may come from others.
type receiver struct {
	a      *Association
	conn   net.Conn
	ack    func() // quickAck, or nil
	maxPDU uint32
	pooled *[]byte
	buf    []byte // buf[r:w] is read but not consumed
	r, w   int
	err    error // sticky: the association is over

	pduLeft    uint32 // of the P-DATA-TF at hand, behind the PDV at hand
	pdvLeft    uint32 // of the PDV at hand
	pdv        pdu.PDV
	pdvContext byte        // of the command at hand
	data       *dataReader // of the message at hand

	// Time spent waiting for the peer, and bytes that came: what slow loris is told by. Time
	// in which nobody reads is ours, not the peer's.
	pduWaited, msgWaited time.Duration
	msgBytes             int64
	bytes                int64

	mu          sync.Mutex // guards what follows, and the read deadline
	artim       time.Time
	waiting     bool  // nothing of the next message has come
	busy        bool  // an operation runs; the peer need not say anything meanwhile
	interrupted error // every read fails with it
	stopIdle    error // becomes interrupted when the association waits for a request
}

func (in *receiver) init(a *Association, conn net.Conn, maxPDU uint32) {
	in.a, in.conn, in.maxPDU = a, conn, maxPDU
	in.pooled = readBuffers.Get().(*[]byte)
	in.buf = *in.pooled
	in.ack = quickAck(conn)
}

// release gives the buffer back. Nobody may read any more.
func (in *receiver) release() {
	if in.pooled != nil {
		readBuffers.Put(in.pooled)
		in.pooled, in.buf, in.r, in.w = nil, nil, 0, 0
	}
}

// setARTIM starts (or restarts) the timer, or stops it when d is 0.
func (in *receiver) setARTIM(d time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.artim = time.Time{}
	if d > 0 {
		in.artim = time.Now().Add(d)
	}
}

// interrupt makes the read that waits, and all later ones, fail with err.
func (in *receiver) interrupt(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.interrupted = err
	_ = in.conn.SetReadDeadline(past)
}

// interruptIdle does so once the association waits for a request and no operation runs.
func (in *receiver) interruptIdle(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stopIdle = err
	if in.waiting && !in.busy {
		in.interrupted = err
		_ = in.conn.SetReadDeadline(past)
	}
}

// resume takes an interrupt back, for the end of the association to be orderly.
func (in *receiver) resume() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.interrupted = nil
}

// setBusy says whether an operation runs.
func (in *receiver) setBusy(busy bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.busy = busy
	if !in.waiting || in.interrupted != nil {
		return
	}
	switch {
	case busy:
		_ = in.conn.SetReadDeadline(time.Time{})
	case in.stopIdle != nil:
		in.interrupted = in.stopIdle
		_ = in.conn.SetReadDeadline(past)
	default:
		_ = in.conn.SetReadDeadline(time.Now().Add(in.a.timeouts.Idle))
	}
}

// arm sets the deadline of one read.
func (in *receiver) arm(idle bool) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting = idle
	if idle && !in.busy && in.stopIdle != nil {
		in.interrupted = in.stopIdle
	}
	if in.interrupted != nil {
		return in.interrupted
	}
	t := in.a.timeouts
	switch {
	case !in.artim.IsZero():
		return in.conn.SetReadDeadline(in.artim)
	case idle && in.busy:
		return in.conn.SetReadDeadline(time.Time{})
	case idle:
		return in.conn.SetReadDeadline(time.Now().Add(t.Idle))
	}
	budget := t.Read + time.Duration(in.msgBytes)*(time.Second/minRate)
	wait := max(0, min(t.Read-in.pduWaited, budget-in.msgWaited))
	return in.conn.SetReadDeadline(time.Now().Add(wait))
}

// read reads once from the connection into p.
func (in *receiver) read(p []byte, idle bool) (int, error) {
	if err := in.arm(idle); err != nil {
		return 0, err
	}
	start := time.Now()
	n, err := in.conn.Read(p)
	if in.ack != nil {
		in.ack()
	}
	in.mu.Lock()
	in.waiting = false
	interrupted, artim := in.interrupted, !in.artim.IsZero()
	in.mu.Unlock()
	if !idle {
		waited := time.Since(start)
		in.pduWaited += waited
		in.msgWaited += waited
	}
	in.msgBytes += int64(n)
	in.bytes += int64(n)
	in.a.metrics.received(n)
	switch {
	case n > 0:
		return n, nil
	case err == nil:
		return 0, io.ErrNoProgress
	case interrupted != nil:
		return 0, interrupted
	case errors.Is(err, os.ErrDeadlineExceeded) && artim:
		return 0, errArtim
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, errTimeout
	case errors.Is(err, io.EOF):
		return 0, ErrClosed
	}
	return 0, err
}

// fill reads until need bytes are buffered. need is small.
func (in *receiver) fill(need int, idle bool) error {
	for in.w-in.r < need {
		if in.r == in.w {
			in.r, in.w = 0, 0
		} else if len(in.buf)-in.r < need {
			in.w = copy(in.buf, in.buf[in.r:in.w])
			in.r = 0
		}
		n, err := in.read(in.buf[in.w:], idle && in.r == in.w)
		if err != nil {
			return err
		}
		in.w += n
	}
	return nil
}

// discard throws away whatever comes next.
func (in *receiver) discard() (int, error) {
	if n := in.w - in.r; n > 0 {
		in.r, in.w = 0, 0
		return n, nil
	}
	if in.buf == nil {
		return 0, net.ErrClosed
	}
	return in.read(in.buf, false)
}

// broken turns an error of the connection, a PDU or a rule into the end of the association.
func (in *receiver) broken(err error) error {
	if in.err != nil {
		return in.err
	}
	var network *net.OpError
	switch {
	case errors.Is(err, errArtim):
		_, _ = in.a.step(Evt18, nil)
		in.err = errs.E(errs.Canceled, "dimse.Receive", err)
	case errors.Is(err, ErrClosed), errors.Is(err, net.ErrClosed), errors.As(err, &network):
		in.err = in.a.lost(err)
	default:
		in.err = in.a.fail(err)
	}
	return in.err
}

// header reads the next PDU's header and checks it.
func (in *receiver) header(idle bool) (pdu.Type, uint32, error) {
	in.pduWaited = 0
	if err := in.fill(pdu.HeaderLen, idle); err != nil {
		return 0, 0, err
	}
	t, n := pdu.ParseHeader(in.buf[in.r:])
	in.r += pdu.HeaderLen
	limit := in.maxPDU + pduSlack
	return t, n, pdu.CheckHeader(t, n, limit)
}

// body reads a PDU that is not data. What is kept grows with what comes, not with what the
// length promises.
func (in *receiver) body(t pdu.Type, n uint32) (pdu.PDU, error) {
	var b []byte
	for left := int(n); left > 0; {
		if err := in.fill(1, false); err != nil {
			return nil, err
		}
		k := min(left, in.w-in.r)
		b = append(b, in.buf[in.r:in.r+k]...)
		in.r += k
		left -= k
	}
	return pdu.Decode(t, b)
}

// nextPDV reads up to the next PDV of the association and checks that its context was
// accepted. idle is set when no message is at hand.
func (in *receiver) nextPDV(idle bool) error {
	if in.err != nil {
		return in.err
	}
	for in.pduLeft == 0 {
		t, n, err := in.header(idle)
		if err != nil {
			return in.broken(err)
		}
		if t != pdu.TypeData {
			return in.other(t, n)
		}
		// PS3.8 Table 9-10: DT-2 and AR-6 indicate data; in all other states it aborts.
		if act, _ := in.a.step(Evt10, nil); act != DT2 && act != AR6 {
			in.err = unexpected(t)
			return in.err
		}
		if n == 0 {
			return in.broken(&pdu.Error{Reason: pdu.InvalidParameterValue, What: "P-DATA-TF without PDV"})
		}
		in.pduLeft = n
	}
	if in.pduLeft < pdu.PDVHeaderLen {
		return in.broken(&pdu.Error{Reason: pdu.InvalidParameterValue, What: "bytes behind the last PDV"})
	}
	if err := in.fill(pdu.PDVHeaderLen, false); err != nil {
		return in.broken(err)
	}
	v, n, err := pdu.ParsePDVHeader(in.buf[in.r:], in.pduLeft-pdu.PDVHeaderLen)
	if err != nil {
		return in.broken(err)
	}
	in.r += pdu.PDVHeaderLen
	in.pduLeft -= pdu.PDVHeaderLen + n
	in.pdv, in.pdvLeft = v, n
	if _, ok := in.a.context(v.ContextID); !ok {
		return in.broken(&pdu.Error{Reason: pdu.InvalidParameterValue, What: "PDV of a context that was not accepted"})
	}
	return nil
}

// other takes a PDU that is not data and ends what is being read.
func (in *receiver) other(t pdu.Type, n uint32) error {
	p, err := in.body(t, n)
	if err != nil {
		return in.broken(err)
	}
	const op = "dimse.Receive"
	act, _ := in.a.step(eventOf(t), nil)
	switch act {
	case AR2, AR8: // the peer asks for release
		in.err = errs.E(errs.Canceled, op, ErrReleased)
	case AR3, AR10: // the peer confirmed ours
		in.err = errs.E(errs.Canceled, op, ErrReleased)
	case AA2, AA3:
		abort, _ := p.(*pdu.Abort)
		in.err = errs.E(errs.Canceled, op, &AbortError{Source: abort.Source, Reason: abort.Reason})
	default:
		in.err = unexpected(t)
	}
	return in.err
}

func unexpected(t pdu.Type) error {
	err := &AbortError{pdu.ServiceProvider, pdu.UnexpectedPDU, true, errors.New("unexpected " + t.String())}
	return errs.E(errs.Invalid, "dimse.Receive", err)
}

// control reads the next PDU outside of data transfer: while the association is made or
// released. P-DATA-TF is skipped, and returned as nil.
func (in *receiver) control() (pdu.Type, pdu.PDU, error) {
	if n := in.pduLeft + in.pdvLeft; n > 0 { // the rest of what was being received
		in.pduLeft, in.pdvLeft = 0, 0
		if err := in.skip(n); err != nil {
			return 0, nil, err
		}
	}
	t, n, err := in.header(false)
	if err != nil {
		return t, nil, err
	}
	if t == pdu.TypeData {
		return t, nil, in.skip(n)
	}
	p, err := in.body(t, n)
	return t, p, err
}

func (in *receiver) skip(n uint32) error {
	for n > 0 {
		if err := in.fill(1, false); err != nil {
			return err
		}
		k := min(n, uint32(in.w-in.r))
		in.r += int(k)
		n -= k
	}
	return nil
}

// eventOf returns the event that a PDU's arrival is.
func eventOf(t pdu.Type) Event {
	switch t {
	case pdu.TypeAssociateRQ:
		return Evt6
	case pdu.TypeAssociateAC:
		return Evt3
	case pdu.TypeAssociateRJ:
		return Evt4
	case pdu.TypeData:
		return Evt10
	case pdu.TypeReleaseRQ:
		return Evt12
	case pdu.TypeReleaseRP:
		return Evt13
	case pdu.TypeAbort:
		return Evt16
	}
	return Evt19
}
