package dimse

import (
	"errors"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse/pdu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// maxWindow is the asynchronous operations window that we grant. Requests are handled in
// order, so a larger one only lets the peer send ahead; the socket is the queue.
const maxWindow = 32

// negotiate answers an association request (PS3.8 7.1.1, PS3.7 D.3). Every proposed context
// gets an answer.
func (a *Association) negotiate(rq *pdu.AssociateRQ, reg *Contexts, maxPDU uint32) (*pdu.AssociateAC, error) {
	roles := make(map[string]pdu.Role, len(rq.User.Roles))
	for _, r := range rq.User.Roles {
		roles[r.SOPClassUID] = r
	}
	ac := &pdu.AssociateAC{
		ProtocolVersion:    pdu.ProtocolVersion,
		CalledAETitle:      rq.CalledAETitle,
		CallingAETitle:     rq.CallingAETitle,
		ApplicationContext: pdu.ApplicationContext,
		User: pdu.UserInformation{
			MaxLength:                 maxPDU,
			ImplementationClassUID:    uid.ImplementationClassUID,
			ImplementationVersionName: uid.ImplementationVersionName,
		},
	}
	var seen [256]bool
	var contexts []PresentationContext
	answered := make(map[string]bool)
	for _, p := range rq.Contexts {
		// PS3.8 9.3.2.2: IDs are odd, and one context has one ID.
		if p.ID%2 == 0 || seen[p.ID] {
			return nil, &pdu.Error{Reason: pdu.InvalidParameterValue, What: "presentation context ID even or repeated"}
		}
		seen[p.ID] = true
		service, known := reg.Lookup(p.AbstractSyntax)
		pc := answer(p, service, known)
		if role, ok := roles[p.AbstractSyntax]; ok && known {
			granted := pdu.Role{SOPClassUID: p.AbstractSyntax, SCU: role.SCU, SCP: role.SCP && service.PeerSCP}
			pc.RequestorSCU, pc.RequestorSCP = granted.SCU, granted.SCP
			if !answered[p.AbstractSyntax] {
				ac.User.Roles = append(ac.User.Roles, granted)
			}
		}
		answered[p.AbstractSyntax] = true
		contexts = append(contexts, pc)
		// PS3.8 9.3.3.2: the transfer syntax of a refused context is not significant, but the
		// item must be there.
		ts := pc.TransferSyntax
		if ts == "" && len(p.TransferSyntaxes) > 0 {
			ts = p.TransferSyntaxes[0]
		}
		ac.Contexts = append(ac.Contexts, pdu.ContextAC{ID: p.ID, Result: byte(pc.Result), TransferSyntax: ts})
	}
	a.setContexts(contexts)
	answerUser(&ac.User, &rq.User, reg)
	return ac, nil
}

// answer picks the transfer syntax of a context (PS3.8 Table 9-18).
func answer(p pdu.ContextRQ, service Service, known bool) PresentationContext {
	pc := PresentationContext{ID: p.ID, AbstractSyntax: p.AbstractSyntax, RequestorSCU: true}
	if !known {
		pc.Result = ContextAbstractSyntaxNotSupported
		return pc
	}
	acceptable := service.TransferSyntaxes
	if acceptable == nil {
		acceptable = p.TransferSyntaxes
	}
	first, second := p.TransferSyntaxes, acceptable
	if service.OwnOrder {
		first, second = acceptable, p.TransferSyntaxes
	}
	for _, ts := range first {
		if ts != "" && slices.Contains(second, ts) {
			pc.TransferSyntax = ts
			return pc
		}
	}
	pc.Result = ContextTransferSyntaxesNotSupported
	return pc
}

func answerUser(ac, rq *pdu.UserInformation, reg *Contexts) {
	if w := rq.AsyncOperations; w != nil {
		invoked := w.Invoked
		if invoked == 0 || invoked > maxWindow {
			invoked = maxWindow
		}
		ac.AsyncOperations = &pdu.AsyncOperations{Invoked: invoked, Performed: 1}
	}
	for _, e := range rq.Extended {
		if service, ok := reg.Lookup(e.SOPClassUID); ok && service.Extended != nil {
			if info := service.Extended(e.Info); info != nil {
				ac.Extended = append(ac.Extended, pdu.Extended{SOPClassUID: e.SOPClassUID, Info: info})
			}
		}
	}
	// PS3.7 D.3.3.7.2: the response is empty for user names.
	if id := rq.UserIdentity; id != nil && id.ResponseWanted {
		ac.UserIdentityResponse = new([]byte)
	}
}

// sendLimit is the P-DATA-TF length that we send to a peer with this Maximum Length.
func sendLimit(peerMax uint32) int {
	if peerMax == 0 || peerMax > maxSendPDU {
		return maxSendPDU
	}
	return max(int(peerMax), minSendPDU)
}

// refusal returns the A-ASSOCIATE-RJ for an association that may not be, or nil.
func (s *Server) refusal(a *Association, rq *pdu.AssociateRQ) *pdu.AssociateRJ {
	switch {
	case rq.ProtocolVersion&pdu.ProtocolVersion == 0:
		return &pdu.AssociateRJ{Result: pdu.RejectedPermanent, Source: pdu.RejectSourceACSE, Reason: pdu.RejectProtocolVersion}
	case rq.ApplicationContext != pdu.ApplicationContext:
		return &pdu.AssociateRJ{Result: pdu.RejectedPermanent, Source: pdu.RejectSourceUser, Reason: pdu.RejectApplicationContext}
	case s.cfg.StrictCalledAE && rq.CalledAETitle != s.cfg.AETitle:
		return &pdu.AssociateRJ{Result: pdu.RejectedPermanent, Source: pdu.RejectSourceUser, Reason: pdu.RejectCalledNotRecognized}
	case s.full():
		return &pdu.AssociateRJ{Result: pdu.RejectedTransient, Source: pdu.RejectSourcePresentation, Reason: pdu.RejectTemporaryCongestion}
	}
	if s.cfg.Authorize == nil {
		return nil
	}
	err := s.cfg.Authorize(a)
	if err == nil {
		return nil
	}
	a.log.Warn("association refused", "err", err)
	var reject *RejectError
	if errors.As(err, &reject) {
		return &pdu.AssociateRJ{Result: reject.Result, Source: reject.Source, Reason: reject.Reason}
	}
	rj := &pdu.AssociateRJ{Result: pdu.RejectedPermanent, Source: pdu.RejectSourceUser, Reason: pdu.RejectNoReason}
	switch errs.KindOf(err) {
	case errs.NotFound:
		rj.Reason = pdu.RejectCalledNotRecognized
	case errs.Forbidden:
		rj.Reason = pdu.RejectCallingNotRecognized
	case errs.Exhausted, errs.Unavailable:
		rj = &pdu.AssociateRJ{Result: pdu.RejectedTransient, Source: pdu.RejectSourcePresentation, Reason: pdu.RejectTemporaryCongestion}
	}
	return rj
}
