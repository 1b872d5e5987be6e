package scp

import (
	"context"
	"io"
	"slices"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// get serves C-GET (PS3.4 C.4.3): the instances go back on the association the request came
// on, in the contexts for which the requestor took the SCP role (PS3.7 D.3.3.4). Instances of
// other SOP Classes count as failed.
func (d *Door) get(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	entries, err := d.selection(ctx, r)
	if err != nil {
		refuse(ctx, w, r, retrieving, err)
		return
	}
	s := d.suboperations(w, r, len(entries))
	if done, err := s.send(ctx, entries, newRequestor(r)); err != nil {
		// A data set that was begun and cannot be ended takes the association with it: a message
		// is over with its last fragment (PS3.8 E.2) and nothing takes it back, so that to end it
		// early would be a cut object for the requestor to keep. No response can say what failed
		// (PS3.4 C.4.3.1.4 counts only in responses); asked again the archive knows of such an
		// object beforehand, and it fails alone.
		s.fail(err, entries[done:]...)
		r.Association.Logger().Warn("C-GET ended", "failed", s.counters.Failed, "completed", s.counters.Completed, "err", s.cause)
		return
	}
	s.finish(ctx)
}

// requestor is the destination of a C-GET.
type requestor struct {
	r        *dimse.Request
	contexts map[string][]dimse.PresentationContext // by SOP Class
}

func newRequestor(r *dimse.Request) *requestor {
	to := &requestor{r: r, contexts: map[string][]dimse.PresentationContext{}}
	for _, pc := range r.Association.Contexts() {
		if pc.Accepted() && pc.RequestorSCP {
			to.contexts[pc.AbstractSyntax] = append(to.contexts[pc.AbstractSyntax], pc)
		}
	}
	return to
}

func (to *requestor) accepts(SOPClassUID string) []string {
	return syntaxes(to.contexts[SOPClassUID])
}

func (to *requestor) store(ctx context.Context, e index.Entry, TransferSyntaxUID string, data io.Reader) (dimse.Status, error) {
	contexts := to.contexts[e.SOPClassUID]
	i := slices.IndexFunc(contexts, func(pc dimse.PresentationContext) bool { return pc.TransferSyntax == TransferSyntaxUID })
	if i < 0 {
		return 0, errs.Errorf(errs.Internal, "scp.get", "no context for %s", TransferSyntaxUID)
	}
	rsp, err := to.r.Association.Store(ctx, contexts[i], &dimse.Command{
		Field:                  dimse.CStoreRQ,
		AffectedSOPClassUID:    e.SOPClassUID,
		AffectedSOPInstanceUID: e.SOPInstanceUID,
		Priority:               to.r.Command.Priority,
		HasDataset:             true,
	}, data)
	if err != nil {
		return 0, err
	}
	return rsp.Status, nil
}

// syntaxes lists the transfer syntaxes of contexts.
func syntaxes(contexts []dimse.PresentationContext) []string {
	out := make([]string, len(contexts))
	for i, pc := range contexts {
		out[i] = pc.TransferSyntax
	}
	return out
}
