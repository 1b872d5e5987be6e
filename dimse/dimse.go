// Package dimse is the DICOM message service: associations over TCP by the upper layer state
// machine of PS3.8, and the DIMSE messages of PS3.7. Server and Mux serve, Client (in scu)
// asks. It knows no service class and no archive.
package dimse

import (
	"context"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom"
)

// Command is a DIMSE command set (PS3.7 E).
type Command struct {
	// Field and friends are the helper's; accessors for AffectedSOPClassUID, MessageID,
	// Priority, MoveDestination, Status, counters, ErrorComment, OffendingElement.
}

// Request is one DIMSE request on an association.
type Request struct {
	Association    *Association
	Context        PresentationContext // accepted context the message came on
	Command        *Command
	TransferSyntax dicom.TransferSyntax
	// Data streams the data set as it arrives; nil when the command has none. A handler that
	// returns without reading it to the end makes the association drain it. A read fails when
	// the association is aborted, the peer stalls, or a PDV breaks the rules.
	Data io.Reader
}

// Handler serves one kind of request. ctx ends when the association ends or C-CANCEL names
// the message. The handler sends every response, the final one included, through w.
type Handler interface {
	ServeDIMSE(ctx context.Context, w *ResponseWriter, r *Request)
}

// Association, PresentationContext and ResponseWriter are the dimse helper's to define.
type (
	Association         struct{}
	PresentationContext struct{}
	ResponseWriter      struct{}
)
