package scp

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// move serves C-MOVE (PS3.4 C.4.2): the instances go to an Application Entity that the peer
// directory knows, on an association of our own.
func (d *Door) move(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	address, ok := d.peers.Lookup(strings.TrimSpace(r.Command.MoveDestination))
	if !ok {
		rsp := r.Command.Response(dimse.StatusMoveDestinationUnknown)
		rsp.ErrorComment = "Move Destination is not a known AE title"
		r.Association.Logger().Warn("request refused", "request", r.Command.Field.String(), "status", rsp.Status.String())
		_ = w.Send(rsp, nil)
		return
	}
	entries, err := d.selection(ctx, r)
	if err != nil {
		refuse(ctx, w, r, retrieving, err)
		return
	}
	s := d.suboperations(w, r, len(entries))
	for _, l := range plan(entries, maxContexts, d.archive.Lossless) {
		d.sendLeg(ctx, s, address, l)
	}
	s.finish(ctx)
}

// maxFruitless is how many associations in a row may end with their first instance before the
// rest is given up: a damaged object or a touchy destination costs what it touches, no more.
const maxFruitless = 3

// sendLeg sends one leg, over a new association after each that failed on the way.
func (d *Door) sendLeg(ctx context.Context, s *suboperations, address string, l leg) {
	rest := l.entries
	for fruitless := 0; len(rest) > 0 && ctx.Err() == nil; {
		to, err := d.dial(ctx, s.r, address, l.proposals)
		if err != nil {
			if ctx.Err() == nil {
				s.fail(err, rest...)
			}
			return
		}
		done, err := s.send(ctx, rest, to)
		to.close(ctx, err)
		if err == nil {
			return
		}
		rest = rest[done:]
		if done > 1 {
			fruitless = 0
		}
		if fruitless++; fruitless == maxFruitless {
			s.fail(err, rest...)
			return
		}
	}
}

// mover is the destination of a C-MOVE.
type mover struct {
	client   *scu.Client
	accepted map[string][]string // transfer syntaxes by SOP Class
	r        *dimse.Request
}

// dial opens the association to a move destination.
func (d *Door) dial(ctx context.Context, r *dimse.Request, address string, proposals []proposal) (*mover, error) {
	contexts := make([]dimse.Proposal, len(proposals))
	for i, p := range proposals {
		contexts[i] = dimse.Proposal{AbstractSyntax: p.SOPClassUID, TransferSyntaxes: []string{p.TransferSyntax}}
	}
	client, err := scu.Dial(ctx, address, scu.Config{
		CallingAE: d.cfg.AETitle,
		CalledAE:  strings.TrimSpace(r.Command.MoveDestination),
		Contexts:  contexts,
		Timeouts:  dimse.Timeouts{Associate: d.cfg.MoveTimeout, Idle: d.cfg.MoveTimeout, Read: d.cfg.MoveTimeout, Write: d.cfg.MoveTimeout},
		Logger:    r.Association.Logger(),
	})
	if err != nil {
		return nil, &errs.Error{Kind: errs.KindOf(err), Op: "scp.move", Msg: "Move Destination cannot be reached", Err: err}
	}
	to := &mover{client: client, accepted: map[string][]string{}, r: r}
	for _, p := range proposals {
		to.accepted[p.SOPClassUID] = client.AcceptedSyntaxes(p.SOPClassUID)
	}
	return to, nil
}

func (to *mover) accepts(SOPClassUID string) []string { return to.accepted[SOPClassUID] }

func (to *mover) store(ctx context.Context, e index.Entry, TransferSyntaxUID string, data io.Reader) (dimse.Status, error) {
	status, err := to.client.StoreInstance(ctx, scu.Instance{
		SOPClassUID:             e.SOPClassUID,
		SOPInstanceUID:          e.SOPInstanceUID,
		TransferSyntaxUID:       TransferSyntaxUID,
		Priority:                to.r.Command.Priority,
		MoveOriginatorAETitle:   to.r.Association.CallingAETitle(),
		MoveOriginatorMessageID: to.r.Command.MessageID,
	}, data)
	var answer *scu.StatusError
	if errors.As(err, &answer) { // an answer, if no friendly one: the association goes on
		return answer.Status, nil
	}
	return status, err
}

// releaseTimeout is how long a destination may take to answer our release.
const releaseTimeout = 5 * time.Second

// close ends the association: in order, or at once after an error.
func (to *mover) close(ctx context.Context, err error) {
	if err != nil {
		_ = to.client.Abort()
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_ = to.client.Release(ctx)
}
