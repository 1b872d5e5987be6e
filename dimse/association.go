package dimse

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// DefaultMaxPDU is the longest P-DATA-TF we receive unless configured. 128 KiB costs the least
// CPU per byte (0.10 ms per 526 kB slice against 0.16 ms at 16 KiB).
const DefaultMaxPDU = 128 << 10

// Timeouts of an association. Zero fields are the defaults.
type Timeouts struct {
	Associate time.Duration // ARTIM (PS3.8 9.1.4): for the request to come, and for the peer to close; default 30 s
	Idle      time.Duration // between messages; default 10 min
	Read      time.Duration // waiting within a PDU or message; default 60 s
	Write     time.Duration // one write; default 60 s
	Grace     time.Duration // for messages at hand when the server stops; default 8 s
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&t.Associate, 30*time.Second)
	set(&t.Idle, 10*time.Minute)
	set(&t.Read, time.Minute)
	set(&t.Write, time.Minute)
	set(&t.Grace, 8*time.Second)
	return t
}

// Association is an association, on either side of it. Receiving is for one goroutine at a
// time (the server's own); the accessors and what sends are safe for concurrent use. Memory is
// bounded by a read buffer of 256 KiB and a write buffer of the same order.
type Association struct {
	id        uint64
	requestor bool
	timeouts  Timeouts
	log       *slog.Logger
	metrics   *metrics
	opened    time.Time

	// Set by the negotiation, then read only.
	callingAETitle, calledAETitle string
	contexts                      []PresentationContext
	byID                          [256]uint8 // index + 1 into contexts
	peer                          pdu.UserInformation
	sendMax                       int // bytes of a P-DATA-TF that we send

	stateMu sync.Mutex // held for moments only, never while writing
	state   State

	in  receiver
	out sender
	ops operations

	messageID atomic.Uint32
	counted   atomic.Bool // among the open associations
	closeOnce sync.Once
}

var associationID atomic.Uint64

func newAssociation(conn net.Conn, requestor bool, t Timeouts, log *slog.Logger, m *metrics, maxPDU uint32) *Association {
	a := &Association{
		id: associationID.Add(1), requestor: requestor, timeouts: t, metrics: m,
		opened: time.Now(), state: Sta1,
	}
	a.log = log.With("assoc", a.id)
	a.in.init(a, conn, maxPDU)
	a.out.init(a, conn)
	return a
}

// ID numbers the associations of the process; it is the "assoc" of log lines.
func (a *Association) ID() uint64 { return a.id }

// CallingAETitle returns the requestor's AE title.
func (a *Association) CallingAETitle() string { return a.callingAETitle }

// CalledAETitle returns the AE title that the requestor asked for.
func (a *Association) CalledAETitle() string { return a.calledAETitle }

// RemoteAddr returns the peer's network address.
func (a *Association) RemoteAddr() net.Addr { return a.in.conn.RemoteAddr() }

// Logger returns the logger of the association.
func (a *Association) Logger() *slog.Logger { return a.log }

// Peer returns what the peer said in its user information: implementation, window, roles,
// user identity.
func (a *Association) Peer() *pdu.UserInformation { return &a.peer }

// UserIdentity returns the identity that the requestor gave, or nil. It must not be logged.
func (a *Association) UserIdentity() *pdu.UserIdentity { return a.peer.UserIdentity }

// Contexts returns all presentation contexts, refused ones included.
func (a *Association) Contexts() []PresentationContext { return a.contexts }

// ContextsFor returns the accepted contexts of an abstract syntax, in order of their IDs.
func (a *Association) ContextsFor(AbstractSyntax string) []PresentationContext {
	var out []PresentationContext
	for _, c := range a.contexts {
		if c.Accepted() && c.AbstractSyntax == AbstractSyntax {
			out = append(out, c)
		}
	}
	return out
}

// State returns the state of PS3.8 9.2 that the association is in.
func (a *Association) State() State {
	a.stateMu.Lock()
	defer a.stateMu.Unlock()
	return a.state
}

func (a *Association) context(id byte) (PresentationContext, bool) {
	if i := a.byID[id]; i > 0 && a.contexts[i-1].Accepted() {
		return a.contexts[i-1], true
	}
	return PresentationContext{}, false
}

func (a *Association) setContexts(contexts []PresentationContext) {
	a.contexts = contexts
	for i, c := range contexts {
		a.byID[c.ID] = uint8(i + 1)
	}
}

// AbortError is an association that ended with A-ABORT, by the peer or by us.
type AbortError struct {
	Source pdu.AbortSource
	Reason pdu.AbortReason
	Local  bool // we sent it
	Err    error
}

func (e *AbortError) Error() string {
	who := "peer aborted"
	if e.Local {
		who = "aborted"
	}
	if e.Err != nil {
		return fmt.Sprintf("dimse: %s (source %d, reason %d): %v", who, e.Source, e.Reason, e.Err)
	}
	return fmt.Sprintf("dimse: %s (source %d, reason %d)", who, e.Source, e.Reason)
}

func (e *AbortError) Unwrap() error { return e.Err }

// RejectError is an association that was not accepted (PS3.8 Table 9-21).
type RejectError struct{ Result, Source, Reason byte }

func (e *RejectError) Error() string {
	return fmt.Sprintf("dimse: association rejected (result %d, source %d, reason %d)", e.Result, e.Source, e.Reason)
}

// Ends of an association.
var (
	ErrReleased = errors.New("dimse: association released")
	ErrClosed   = errors.New("dimse: connection closed by the peer")
	errArtim    = errors.New("dimse: ARTIM timer expired")
	errHandler  = errors.New("dimse: handler panicked")
	errState    = errors.New("dimse: not possible in this state of the association")
	errTimeout  = errors.New("dimse: peer makes no progress")
	errStopping = errors.New("dimse: server is stopping")
)

// step feeds an event to the state machine of PS3.8 9.2 and carries out the action. p is the
// PDU that a sending action sends. It returns the action; NoAction means that the local user
// asked for what the state does not allow, and nothing was done.
func (a *Association) step(e Event, p pdu.PDU) (Action, error) {
	act := a.transit(e)
	if act == NoAction {
		return act, errState
	}
	what := outcomes[act].effect
	if what&stopARTIM != 0 {
		a.in.setARTIM(0)
	}
	var err error
	if what&sendPDU != 0 && p != nil {
		err = a.out.control(p)
	}
	if what&sendAbort != 0 {
		abort, _ := p.(*pdu.Abort)
		switch {
		case act == AA1: // PS3.8 Table 9-9: service-user source
			abort = &pdu.Abort{Source: pdu.ServiceUser}
		case abort == nil:
			abort = &pdu.Abort{Source: pdu.ServiceProvider, Reason: pdu.UnexpectedPDU}
		}
		err = a.out.abort(abort)
	}
	if what&startARTIM != 0 {
		a.in.setARTIM(a.timeouts.Associate)
	}
	if what&closeConn != 0 {
		a.close()
	}
	return act, err
}

// transit moves the state machine without side effects. P-DATA uses it alone: DT-1 and AR-7
// send from the write buffer, DT-2 and AR-6 hand the data to whoever reads.
func (a *Association) transit(e Event) Action {
	a.stateMu.Lock()
	defer a.stateMu.Unlock()
	act, next := Transition(a.state, e, a.requestor)
	a.state = next
	return act
}

// fail ends the association for a reason found locally: invalid bytes (Evt19 with a reason), a
// stalled peer or a local stop (Evt15). It returns the error that readers get.
func (a *Association) fail(err error) error {
	var bad *pdu.Error
	if errors.As(err, &bad) {
		abort := &pdu.Abort{Source: pdu.ServiceProvider, Reason: bad.Reason}
		_, _ = a.step(Evt19, abort)
		return errs.E(errs.Invalid, "dimse.Receive", &AbortError{abort.Source, abort.Reason, true, err})
	}
	abort := &pdu.Abort{Source: pdu.ServiceUser}
	_, _ = a.step(Evt15, abort)
	return errs.E(errs.Canceled, "dimse.Receive", &AbortError{abort.Source, abort.Reason, true, err})
}

// lost notes that the transport connection is gone (Evt17).
func (a *Association) lost(err error) error {
	_, _ = a.step(Evt17, nil)
	return errs.E(errs.Canceled, "dimse.Receive", err)
}

// established counts the association as open until it is closed.
func (a *Association) established() {
	a.metrics.association("accepted")
	a.counted.Store(true)
	a.metrics.opened(1)
}

// close closes the transport connection. What still reads or writes fails with net.ErrClosed.
func (a *Association) close() {
	a.closeOnce.Do(func() { _ = a.in.conn.Close() })
	if a.counted.Swap(false) {
		a.metrics.opened(-1)
	}
}

// linger waits in Sta13 for the peer to close, ignoring what still comes, as AA-6, AA-7, AR-5
// and AA-2 say. The bound keeps a peer that sends on and on from being served for nothing.
func (a *Association) linger(hurry bool) {
	a.in.resume()
	wait := min(5*time.Second, a.timeouts.Associate) // a closed association must not hold its place for long
	if hurry {
		wait = time.Second
	}
	a.in.setARTIM(wait)
	const most = 16 << 20
	for n := 0; n < most && a.State() == Sta13; {
		got, err := a.in.discard()
		n += got
		switch {
		case errors.Is(err, errArtim):
			_, _ = a.step(Evt18, nil)
		case err != nil:
			_, _ = a.step(Evt17, nil)
		}
	}
	a.close()
}
