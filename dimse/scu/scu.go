// Package scu is the client side of DIMSE: Verification, Storage, Query/Retrieve with FIND,
// MOVE and GET, and the N-services (PS3.7 9 and 10, PS3.4 B and C). It asks on one association
// and in order; it knows no archive, and leaves the choice of destinations and retries to its
// callers.
package scu

import (
	"context"
	"io"
	"log/slog"
	"net"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Transfer syntaxes that every peer knows (PS3.5 10.1).
const (
	ImplicitVRLittleEndian = "1.2.840.10008.1.2"
	ExplicitVRLittleEndian = "1.2.840.10008.1.2.1"
)

// Verification is the SOP Class of C-ECHO.
const Verification = "1.2.840.10008.1.1"

// Information models of Query/Retrieve (PS3.4 C.6).
const (
	PatientRootFind = "1.2.840.10008.5.1.4.1.2.1.1"
	PatientRootMove = "1.2.840.10008.5.1.4.1.2.1.2"
	PatientRootGet  = "1.2.840.10008.5.1.4.1.2.1.3"
	StudyRootFind   = "1.2.840.10008.5.1.4.1.2.2.1"
	StudyRootMove   = "1.2.840.10008.5.1.4.1.2.2.2"
	StudyRootGet    = "1.2.840.10008.5.1.4.1.2.2.3"
	WorklistFind    = "1.2.840.10008.5.1.4.31"
)

// Config says what to ask for.
type Config struct {
	CallingAE    string           // default "AURELIUS"
	CalledAE     string           // default "ANY-SCP"
	Contexts     []dimse.Proposal // default Verification in Implicit VR Little Endian
	StoreRoles   []string         // SOP Classes that the peer may send us (C-GET)
	UserIdentity *pdu.UserIdentity
	MaxPDU       uint32
	Timeouts     dimse.Timeouts
	Logger       *slog.Logger
	Metrics      prometheus.Registerer
	Dial         func(ctx context.Context, network, addr string) (net.Conn, error) // for TLS
}

// Client is an association as its requestor. It is for one goroutine at a time.
type Client struct {
	a *dimse.Association
}

// Dial opens an association with addr ("host:port").
func Dial(ctx context.Context, addr string, cfg Config) (*Client, error) {
	if len(cfg.Contexts) == 0 {
		cfg.Contexts = []dimse.Proposal{{AbstractSyntax: Verification, TransferSyntaxes: []string{ImplicitVRLittleEndian}}}
	}
	var roles []pdu.Role
	for _, uid := range cfg.StoreRoles {
		roles = append(roles, pdu.Role{SOPClassUID: uid, SCU: true, SCP: true})
	}
	a, err := dimse.Dial(ctx, addr, dimse.DialConfig{
		CallingAETitle: cfg.CallingAE, CalledAETitle: cfg.CalledAE, Contexts: cfg.Contexts, Roles: roles,
		UserIdentity: cfg.UserIdentity, MaxPDU: cfg.MaxPDU, Timeouts: cfg.Timeouts,
		Logger: cfg.Logger, Metrics: cfg.Metrics, Dial: cfg.Dial,
	})
	if err != nil {
		return nil, err
	}
	return &Client{a: a}, nil
}

// Association returns the association, for its contexts and its peer.
func (c *Client) Association() *dimse.Association { return c.a }

// Release ends the association in order.
func (c *Client) Release(ctx context.Context) error { return c.a.Release(ctx) }

// Abort ends the association at once.
func (c *Client) Abort() error { return c.a.Abort() }

// Proposals pairs each SOP Class with its transfer syntaxes. With apart every pair gets a
// context of its own, so that the peer's choice cannot exclude a syntax; otherwise one context
// per class. It is an error when an association cannot hold them.
func Proposals(classes map[string][]string, apart bool) ([]dimse.Proposal, error) {
	uids := make([]string, 0, len(classes))
	for uid := range classes {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	var out []dimse.Proposal
	for _, uid := range uids {
		if !apart {
			out = append(out, dimse.Proposal{AbstractSyntax: uid, TransferSyntaxes: classes[uid]})
			continue
		}
		for _, ts := range classes[uid] {
			out = append(out, dimse.Proposal{AbstractSyntax: uid, TransferSyntaxes: []string{ts}})
		}
	}
	if len(out) > pdu.MaxContexts {
		return nil, errs.Errorf(errs.Invalid, "scu.Proposals", "%d presentation contexts, 128 are possible", len(out))
	}
	return out, nil
}

// Accepts reports whether an instance can be sent as it is.
func (c *Client) Accepts(SOPClassUID, TransferSyntaxUID string) bool {
	_, ok := c.context(SOPClassUID, TransferSyntaxUID)
	return ok
}

// AcceptedSyntaxes returns the transfer syntaxes in which instances of the class can be sent.
func (c *Client) AcceptedSyntaxes(SOPClassUID string) []string {
	var out []string
	for _, pc := range c.a.ContextsFor(SOPClassUID) {
		if pc.RequestorSCU && !slices.Contains(out, pc.TransferSyntax) {
			out = append(out, pc.TransferSyntax)
		}
	}
	return out
}

// context finds an accepted context; without TransferSyntaxUID the first of the class.
func (c *Client) context(SOPClassUID, TransferSyntaxUID string) (dimse.PresentationContext, bool) {
	for _, pc := range c.a.ContextsFor(SOPClassUID) {
		if TransferSyntaxUID == "" || pc.TransferSyntax == TransferSyntaxUID {
			return pc, true
		}
	}
	return dimse.PresentationContext{}, false
}

func (c *Client) need(op, SOPClassUID, TransferSyntaxUID string) (dimse.PresentationContext, error) {
	pc, ok := c.context(SOPClassUID, TransferSyntaxUID)
	if !ok {
		return pc, errs.Errorf(errs.Unsupported, op, "peer accepted no presentation context for %s", SOPClassUID)
	}
	return pc, nil
}

// StatusError is a response that reports failure.
type StatusError struct {
	Status  dimse.Status
	Comment string // Error Comment of the peer: for people, not for logs
}

func (e *StatusError) Error() string { return "scu: status " + e.Status.String() }

// failure returns the error that a final response is; nil for success and warnings.
func failure(op string, rsp *dimse.Command) error {
	kind := errs.Internal
	switch rsp.Status.Class() {
	case dimse.Success, dimse.Warning, dimse.Pending:
		return nil
	case dimse.Canceled:
		kind = errs.Canceled
	default:
		switch rsp.Status {
		case dimse.StatusSOPClassNotSupported, dimse.StatusNoSuchSOPClass, dimse.StatusUnrecognizedOperation:
			kind = errs.Unsupported
		case dimse.StatusNotAuthorized:
			kind = errs.Forbidden
		case dimse.StatusDuplicateSOPInstance:
			kind = errs.Conflict
		case dimse.StatusNoSuchSOPInstance, dimse.StatusMoveDestinationUnknown:
			kind = errs.NotFound
		case dimse.StatusDataSetMismatch:
			kind = errs.Mismatch
		case dimse.StatusOutOfResources, dimse.StatusOutOfResourcesMatches, dimse.StatusOutOfResourcesSubOps, dimse.StatusResourceLimitation:
			kind = errs.Exhausted
		}
		if rsp.Status&0xF000 == 0xC000 {
			kind = errs.Invalid
		}
	}
	return errs.E(kind, op, &StatusError{Status: rsp.Status, Comment: rsp.ErrorComment})
}

// request sends a request and reads its one response. The data set of the response is read
// whole.
func (c *Client) request(ctx context.Context, op string, pc dimse.PresentationContext, cmd *dimse.Command, data io.Reader) (*dimse.Command, []byte, error) {
	cmd.MessageID = c.a.NextMessageID()
	if err := c.a.Send(ctx, pc.ID, cmd, data); err != nil {
		return nil, nil, c.sendError(ctx, err)
	}
	for {
		msg, err := c.a.Receive(ctx)
		if err != nil {
			return nil, nil, err
		}
		if !answers(msg, cmd) {
			if err := c.refuse(msg); err != nil {
				return nil, nil, err
			}
			continue
		}
		b, err := readDataset(op, msg)
		return msg.Command, b, err
	}
}

// sendError prefers what the peer said (A-ABORT) to the broken pipe that came of it.
func (c *Client) sendError(ctx context.Context, err error) error {
	if errs.Is(err, errs.Canceled) && ctx.Err() == nil {
		if _, said := c.a.Receive(ctx); said != nil {
			return said
		}
	}
	return err
}

func answers(msg *dimse.Message, cmd *dimse.Command) bool {
	return msg.Command.Field == cmd.Field|0x8000 && msg.Command.MessageIDBeingRespondedTo == cmd.MessageID
}

// refuse answers a request that the peer may not send, and drops stray responses.
func (c *Client) refuse(msg *dimse.Message) error {
	if msg.Command.Field.Response() || msg.Command.Field == dimse.CCancelRQ {
		return nil
	}
	return c.a.SendBytes(msg.Context.ID, msg.Command.Response(dimse.StatusUnrecognizedOperation), nil)
}

// maxDataset bounds a data set that is read into memory: identifiers of responses.
const maxDataset = 64 << 20

func readDataset(op string, msg *dimse.Message) ([]byte, error) {
	if msg.Data == nil {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(msg.Data, maxDataset+1))
	if err == nil && len(b) > maxDataset {
		err = errs.Errorf(errs.Exhausted, op, "data set of the response is too long")
	}
	return b, err
}

// Echo verifies the association (C-ECHO).
func (c *Client) Echo(ctx context.Context) error {
	const op = "scu.Echo"
	pc, err := c.need(op, Verification, "")
	if err != nil {
		return err
	}
	rsp, _, err := c.request(ctx, op, pc, &dimse.Command{Field: dimse.CEchoRQ, AffectedSOPClassUID: Verification}, nil)
	if err != nil {
		return err
	}
	return failure(op, rsp)
}
