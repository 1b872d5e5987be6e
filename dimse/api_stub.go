package dimse

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/dicom"
)

// Config of a Server.
type Config struct {
	Addr            string                   // for Run; default "127.0.0.1:4242"
	AETitle         string                   // ours; default "AURELIUS"
	StrictCalledAE  bool                     // refuse other called AE titles than AETitle
	Authorize       func(*Association) error // may refuse; errs kinds choose the reason
	Contexts        *Contexts
	Handler         Handler // usually a *Mux
	MaxPDU          uint32
	MaxAssociations int
	MaxIdentifier   int
	Timeouts        Timeouts
	Logger          *slog.Logger
	Metrics         prometheus.Registerer
}

// Timeouts of an association. Zero fields are the defaults.
type Timeouts struct {
	Associate, Idle, Read, Write, Grace time.Duration
}

// Server accepts associations.
type Server struct{ cfg Config }

func NewServer(cfg Config) (*Server, error)                       { panic("soon") }
func (s *Server) Run(ctx context.Context) error                   { panic("soon") }
func (s *Server) Serve(ctx context.Context, l net.Listener) error { panic("soon") }

// Association is one association.
type Association struct{}

func (a *Association) ID() uint64                                              { panic("soon") }
func (a *Association) CallingAETitle() string                                  { panic("soon") }
func (a *Association) CalledAETitle() string                                   { panic("soon") }
func (a *Association) RemoteAddr() net.Addr                                    { panic("soon") }
func (a *Association) Contexts() []PresentationContext                         { panic("soon") }
func (a *Association) ContextsFor(AbstractSyntax string) []PresentationContext { panic("soon") }
func (a *Association) Logger() *slog.Logger                                    { panic("soon") }

// Store sends one C-STORE sub-operation from inside a C-GET handler and waits for its response.
// cmd needs AffectedSOPClassUID, AffectedSOPInstanceUID; the message ID is chosen here.
func (a *Association) Store(ctx context.Context, pc PresentationContext, cmd *Command, data io.Reader) (*Command, error) {
	panic("soon")
}

// ResponseWriter sends the responses to one request.
type ResponseWriter struct{}

// Respond sends a response without data set.
func (w *ResponseWriter) Respond(s Status) error { panic("soon") }

// Send sends a response (start from Request.Command.Response); dataset is encoded in the
// context's transfer syntax, nil for none.
func (w *ResponseWriter) Send(rsp *Command, dataset []byte) error { panic("soon") }

// SendDataset encodes and sends.
func (w *ResponseWriter) SendDataset(rsp *Command, d *dicom.Dataset) error { panic("soon") }

// Flush sends buffered Pending responses.
func (w *ResponseWriter) Flush() error { panic("soon") }
