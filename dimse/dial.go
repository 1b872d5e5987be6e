package dimse

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// DialConfig says what to ask for in an association.
type DialConfig struct {
	CallingAETitle string // default "AURELIUS"
	CalledAETitle  string // default "ANY-SCP"
	// Contexts to propose, at most 128; IDs are given in order: 1, 3, 5, ...
	Contexts     []Proposal
	Roles        []pdu.Role
	Extended     []pdu.Extended
	Async        *pdu.AsyncOperations
	UserIdentity *pdu.UserIdentity
	MaxPDU       uint32 // announced; default DefaultMaxPDU
	Timeouts     Timeouts
	Logger       *slog.Logger          // default slog.Default()
	Metrics      prometheus.Registerer // nil: none
	// Dial opens the connection; default TCP. TLS comes in here.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Proposal is a presentation context to ask for.
type Proposal struct {
	AbstractSyntax   string
	TransferSyntaxes []string
}

func (c DialConfig) withDefaults() DialConfig {
	if c.CallingAETitle == "" {
		c.CallingAETitle = "AURELIUS"
	}
	if c.CalledAETitle == "" {
		c.CalledAETitle = "ANY-SCP"
	}
	if c.MaxPDU == 0 {
		c.MaxPDU = DefaultMaxPDU
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	c.Timeouts = c.Timeouts.withDefaults()
	return c
}

// Dial opens an association as its requestor. A refusal is a *RejectError.
func Dial(ctx context.Context, addr string, cfg DialConfig) (*Association, error) {
	const op = "dimse.Dial"
	cfg = cfg.withDefaults()
	switch {
	case len(cfg.Contexts) == 0 || len(cfg.Contexts) > pdu.MaxContexts:
		return nil, errs.Errorf(errs.Invalid, op, "%d presentation contexts, 1 to 128 are possible", len(cfg.Contexts))
	case len(cfg.CallingAETitle) > 16, len(cfg.CalledAETitle) > 16:
		return nil, errs.Errorf(errs.Invalid, op, "AE title is longer than 16 characters")
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeouts.Associate)
	defer cancel()
	conn, err := cfg.Dial(ctx, "tcp", addr) // Evt1, AE-1, Evt2: the transport connection
	if err != nil {
		return nil, errs.E(errs.Unavailable, op, err)
	}
	a := newAssociation(conn, true, cfg.Timeouts, cfg.Logger, newMetrics(cfg.Metrics), cfg.MaxPDU)
	a.callingAETitle, a.calledAETitle = cfg.CallingAETitle, cfg.CalledAETitle
	a.transit(Evt1)
	stop := context.AfterFunc(ctx, func() {
		a.in.interrupt(context.Cause(ctx))
		a.out.interrupt(context.Cause(ctx))
	})
	err = a.ask(cfg)
	if !stop() && err == nil {
		err = errs.E(errs.Canceled, op, a.fail(context.Cause(ctx)))
	}
	if err != nil {
		a.end()
		a.metrics.association("failed")
		return nil, err
	}
	a.established()
	return a, nil
}

// ask sends the A-ASSOCIATE-RQ and takes the answer (Sta4 to Sta6).
func (a *Association) ask(cfg DialConfig) error {
	rq := &pdu.AssociateRQ{
		ProtocolVersion:    pdu.ProtocolVersion,
		CalledAETitle:      cfg.CalledAETitle,
		CallingAETitle:     cfg.CallingAETitle,
		ApplicationContext: pdu.ApplicationContext,
		User: pdu.UserInformation{
			MaxLength:                 cfg.MaxPDU,
			ImplementationClassUID:    uid.ImplementationClassUID,
			ImplementationVersionName: uid.ImplementationVersionName,
			AsyncOperations:           cfg.Async,
			Roles:                     cfg.Roles,
			Extended:                  cfg.Extended,
			UserIdentity:              cfg.UserIdentity,
		},
	}
	for i, p := range cfg.Contexts {
		rq.Contexts = append(rq.Contexts, pdu.ContextRQ{ID: byte(2*i + 1), AbstractSyntax: p.AbstractSyntax, TransferSyntaxes: p.TransferSyntaxes})
	}
	if _, err := a.step(Evt2, rq); err != nil {
		return err
	}
	t, p, err := a.in.control()
	if err != nil {
		return a.in.broken(err)
	}
	switch p := p.(type) {
	case *pdu.AssociateAC:
		if _, err := a.step(Evt3, nil); err != nil {
			return err
		}
		return a.accepted(rq, p)
	case *pdu.AssociateRJ:
		_, _ = a.step(Evt4, nil)
		kind := errs.Forbidden
		if p.Result == pdu.RejectedTransient {
			kind = errs.Unavailable
		}
		return errs.E(kind, "dimse.Dial", &RejectError{p.Result, p.Source, p.Reason})
	case *pdu.Abort:
		_, _ = a.step(Evt16, nil)
		return errs.E(errs.Unavailable, "dimse.Dial", &AbortError{Source: p.Source, Reason: p.Reason})
	}
	_, _ = a.step(eventOf(t), nil)
	return unexpected(t)
}

// accepted joins the answer with what was proposed. Contexts the peer did not answer count as
// refused; ones that were not proposed, or a syntax that was not, end the association.
func (a *Association) accepted(rq *pdu.AssociateRQ, ac *pdu.AssociateAC) error {
	a.peer = ac.User
	a.sendMax = sendLimit(ac.User.MaxLength)
	contexts := make([]PresentationContext, len(rq.Contexts))
	for i, p := range rq.Contexts {
		contexts[i] = PresentationContext{ID: p.ID, AbstractSyntax: p.AbstractSyntax, Result: ContextNoReason, RequestorSCU: true}
	}
	for _, c := range ac.Contexts {
		i := int(c.ID) / 2
		if c.ID%2 == 0 || i >= len(contexts) {
			return a.in.broken(&pdu.Error{Reason: pdu.InvalidParameterValue, What: "answer to a context that was not proposed"})
		}
		contexts[i].Result = ContextResult(c.Result)
		if c.Result != byte(ContextAccepted) {
			continue
		}
		contexts[i].TransferSyntax = c.TransferSyntax
		known := false
		for _, ts := range rq.Contexts[i].TransferSyntaxes {
			known = known || ts == c.TransferSyntax
		}
		if !known {
			contexts[i].Result = ContextTransferSyntaxesNotSupported
		}
	}
	for _, r := range ac.User.Roles {
		for i := range contexts {
			if contexts[i].AbstractSyntax == r.SOPClassUID {
				contexts[i].RequestorSCU, contexts[i].RequestorSCP = r.SCU, r.SCP
			}
		}
	}
	a.setContexts(contexts)
	return nil
}

// Release ends the association in order (PS3.8 7.2): A-RELEASE-RQ, and wait for the answer.
// Data that still comes is dropped. It also takes a release that collides with the peer's.
func (a *Association) Release(ctx context.Context) error {
	defer a.end()
	stop := context.AfterFunc(ctx, func() { a.in.interrupt(context.Cause(ctx)) })
	defer stop()
	if errors.Is(a.in.err, ErrReleased) { // the peer was first (Sta8)
		_, err := a.step(Evt14, &pdu.ReleaseRP{})
		return err
	}
	if _, err := a.step(Evt11, &pdu.ReleaseRQ{}); err != nil {
		return err
	}
	for {
		t, _, err := a.in.control()
		if err != nil {
			return a.in.broken(err)
		}
		act, err := a.step(eventOf(t), nil)
		if err != nil {
			return err
		}
		switch act {
		case AR3: // confirmed
			return nil
		case AR6: // data after our request: dropped
		case AR8: // collision; as requestor we answer first (AR-9), else we wait (AR-10)
			if a.requestor {
				if _, err := a.step(Evt14, &pdu.ReleaseRP{}); err != nil {
					return err
				}
			}
		case AR10:
			_, err := a.step(Evt14, &pdu.ReleaseRP{})
			return err
		default:
			return unexpected(t)
		}
	}
}

// Abort ends the association at once (A-ABORT of the service user). It may be called while
// another goroutine sends or receives.
func (a *Association) Abort() error {
	_, err := a.step(Evt15, &pdu.Abort{Source: pdu.ServiceUser})
	a.close()
	a.out.release()
	return err
}

// end frees what a requestor's association holds. Unlike an acceptor it does not wait in Sta13
// for the peer to close: it closes itself, which no peer minds.
func (a *Association) end() {
	a.close()
	a.out.release()
	a.in.release()
}
