// Package dimse is the DICOM message service: associations over TCP by the upper layer state
// machine of PS3.8 9.2, negotiation (PS3.7 D), and the DIMSE messages of PS3.7. Server and Mux
// serve; Dial, Send and Receive are what package scu asks with. It knows no service class and
// no archive, and it leaves out TLS, which a listener or dialer can bring.
//
// Messages of an association are handled in order by one goroutine, which reads data sets
// straight from the socket. While a C-FIND, C-MOVE or C-GET runs a second goroutine reads, so
// that C-CANCEL and the responses to sub-operations are seen. Memory per association is one
// read buffer and one write buffer, whatever the size of the objects.
package dimse

import (
	"context"
	"errors"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom"
)

// Request is one DIMSE request on an association.
type Request struct {
	Association    *Association
	Context        PresentationContext // accepted context the message came on
	Command        *Command
	TransferSyntax dicom.TransferSyntax
	// Data streams the data set as it arrives; nil when the command has none. A handler that
	// returns without reading it to the end makes the association drain it. A read fails when
	// the association is aborted, the peer stalls, or a PDV breaks the rules. It implements
	// io.WriterTo. Identifiers of C-FIND, C-MOVE and C-GET are in memory already.
	Data io.Reader
}

// Handler serves one kind of request. ctx ends when the association ends or C-CANCEL names
// the message (then context.Cause is ErrCanceled). The handler sends every response, the final
// one included, through w; what it forgets is answered with 0110 (processing failure).
type Handler interface {
	ServeDIMSE(ctx context.Context, w *ResponseWriter, r *Request)
}

// ErrCanceled is the cause of a context that a C-CANCEL request ended.
var ErrCanceled = errors.New("dimse: canceled by C-CANCEL")
