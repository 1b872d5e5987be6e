package scp

import (
	"context"
	"errors"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// column is a column of the translation table.
type column uint8

const (
	storing column = iota
	finding
	retrieving // C-MOVE and C-GET
	columns
)

// statusOf is the door's one translation of errs.Kind (PS3.7 C; PS3.4 B.2.3, C.4.1.1.4,
// C.4.2.1.5, C.4.3.1.4). A canceled C-STORE is never answered: its association is gone.
var statusOf = map[errs.Kind][columns]dimse.Status{
	errs.Internal:        {dimse.StatusProcessingFailure, dimse.StatusUnableToProcess, dimse.StatusUnableToProcess},
	errs.Invalid:         {dimse.StatusCannotUnderstand, dimse.StatusCannotUnderstand, dimse.StatusCannotUnderstand},
	errs.Mismatch:        {dimse.StatusDataSetMismatch, dimse.StatusDataSetMismatch, dimse.StatusDataSetMismatch},
	errs.Unsupported:     {dimse.StatusSOPClassNotSupported, dimse.StatusSOPClassNotSupported, dimse.StatusSOPClassNotSupported},
	errs.NotFound:        {dimse.StatusProcessingFailure, dimse.StatusSuccess, dimse.StatusSuccess},
	errs.Conflict:        {dimse.StatusDuplicateSOPInstance, dimse.StatusUnableToProcess, dimse.StatusUnableToProcess},
	errs.Unauthenticated: {dimse.StatusNotAuthorized, dimse.StatusNotAuthorized, dimse.StatusNotAuthorized},
	errs.Forbidden:       {dimse.StatusNotAuthorized, dimse.StatusNotAuthorized, dimse.StatusNotAuthorized},
	errs.Exhausted:       {dimse.StatusOutOfResources, dimse.StatusOutOfResources, dimse.StatusOutOfResourcesMatches},
	errs.Unavailable:     {dimse.StatusOutOfResources, dimse.StatusOutOfResources, dimse.StatusOutOfResourcesSubOps},
	errs.Canceled:        {dimse.StatusProcessingFailure, dimse.StatusCancel, dimse.StatusCancel},
}

// status translates an error for a service; nil is success.
func status(c column, err error) dimse.Status {
	if err == nil {
		return dimse.StatusSuccess
	}
	return statusOf[errs.KindOf(err)][c]
}

// maxComment is what an Error Comment (0000,0902), VR LO, holds.
const maxComment = 64

// comment is what a peer may read of err as an Error Comment: safe, short, and in the default
// repertoire, for a command set has no Specific Character Set.
func comment(err error) string {
	text := []byte(errs.Safe(err))
	for i, c := range text {
		if c < 0x20 || c > 0x7e || c == '\\' {
			text[i] = '?'
		}
	}
	return string(text[:min(len(text), maxComment)])
}

// refuse answers a request that failed as a whole, and logs why once. After a C-CANCEL whatever
// failed is the cancel; when the association has ended there is nobody to answer.
func refuse(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request, c column, err error) {
	switch {
	case canceled(ctx):
		_ = w.Respond(dimse.StatusCancel)
		return
	case ctx.Err() != nil:
		r.Association.Logger().Info("request not finished", "request", r.Command.Field.String(), "err", err)
		return
	}
	s := status(c, err)
	rsp := r.Command.Response(s)
	if s.Class() == dimse.Failure {
		rsp.ErrorComment = comment(err)
		r.Association.Logger().Warn("request refused", "request", r.Command.Field.String(), "status", s.String(), "err", err)
	}
	_ = w.Send(rsp, nil)
}

// canceled tells whether C-CANCEL ended the request's context.
func canceled(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), dimse.ErrCanceled)
}
