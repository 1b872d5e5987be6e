package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// remote is a peer as the command line spells it: AET@HOST:PORT.
type remote struct {
	AETitle string
	Address string
}

// UnmarshalText implements encoding.TextUnmarshaler for kong.
func (r *remote) UnmarshalText(b []byte) error {
	aet, address, found := strings.Cut(string(b), "@")
	if _, port, err := net.SplitHostPort(address); !found || err != nil || port == "" {
		return fmt.Errorf("%q: want AET@HOST:PORT, as in ORTHANC@127.0.0.1:4242", b)
	}
	if err := checkAET(aet); err != nil {
		return err
	}
	r.AETitle, r.Address = aet, address
	return nil
}

// checkAET refuses what no Application Entity may be called (PS3.5 6.2, VR AE).
func checkAET(aet string) error {
	if strings.TrimSpace(aet) == "" || len(aet) > 16 {
		return fmt.Errorf("AE title %q: want 1 to 16 characters", aet)
	}
	for _, c := range []byte(aet) {
		if c < 0x20 || c > 0x7e || c == '\\' {
			return fmt.Errorf("AE title %q: only printable ASCII without backslash", aet)
		}
	}
	return nil
}

// clientFlags are what all client commands share.
type clientFlags struct {
	Peer    remote        `arg:"" placeholder:"AET@HOST:PORT" help:"AE title and address of the server to talk to."`
	AET     string        `name:"aet" default:"AURELIUS" placeholder:"TITLE" help:"Our own AE title (${default})."`
	Timeout time.Duration `default:"60s" help:"How long the server may be silent (${default})."`
}

// Validate implements kong's hook.
func (f *clientFlags) Validate() error { return checkAET(f.AET) }

// dial opens an association that proposes the contexts.
func (f *clientFlags) dial(ctx context.Context, contexts []dimse.Proposal, roles ...string) (*scu.Client, error) {
	client, err := scu.Dial(ctx, f.Peer.Address, scu.Config{
		CallingAE: f.AET, CalledAE: f.Peer.AETitle, Contexts: contexts, StoreRoles: roles,
		Timeouts: dimse.Timeouts{Associate: f.Timeout, Idle: f.Timeout, Read: f.Timeout, Write: f.Timeout},
		Logger:   slog.New(slog.DiscardHandler),
	})
	return client, f.Peer.explain(err)
}

// identifierSyntaxes are proposed where data sets are queries.
var identifierSyntaxes = []string{scu.ExplicitVRLittleEndian, scu.ImplicitVRLittleEndian}

// operation names one of the services FIND, MOVE and GET in its two information models.
type operation struct{ patientRoot, studyRoot string }

var (
	finding = operation{scu.PatientRootFind, scu.StudyRootFind}
	moving  = operation{scu.PatientRootMove, scu.StudyRootMove}
	getting = operation{scu.PatientRootGet, scu.StudyRootGet}
)

// model picks the information model: Study Root, but for what only Patient Root has.
func (o operation) model(level string) string {
	if level == "patient" {
		return o.patientRoot
	}
	return o.studyRoot
}

func proposal(model string) []dimse.Proposal {
	return []dimse.Proposal{{AbstractSyntax: model, TransferSyntaxes: identifierSyntaxes}}
}

// hangUp ends an association that is not needed any more; how the peer takes it does not matter.
func hangUp(client *scu.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = client.Release(ctx)
}

// explain says in plain words why a peer could not be talked to.
func (r remote) explain(err error) error {
	var (
		dns      *net.DNSError
		rejected *dimse.RejectError
		aborted  *dimse.AbortError
		answer   *scu.StatusError
		timeout  interface{ Timeout() bool }
	)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: connection refused: nothing listens there", r.Address)
	case errors.As(err, &dns):
		return fmt.Errorf("%s: no host of that name was found", r.Address)
	case errors.As(err, &rejected):
		return fmt.Errorf("%s at %s rejected the association: %s", r.AETitle, r.Address, rejection(rejected))
	case errors.As(err, &answer):
		return fmt.Errorf("%s at %s answered %s", r.AETitle, r.Address, spell(answer))
	case errors.As(err, &aborted):
		return fmt.Errorf("%s at %s aborted the association", r.AETitle, r.Address)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, dimse.ErrClosed):
		return fmt.Errorf("%s: the server closed the connection", r.Address)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s: no answer in time", r.Address)
	case errs.Is(err, errs.Unsupported):
		return fmt.Errorf("%s at %s does not offer this service", r.AETitle, r.Address)
	}
	return fmt.Errorf("%s at %s: %w", r.AETitle, r.Address, err)
}

// rejection names the reasons of PS3.8 Table 9-21.
func rejection(e *dimse.RejectError) string {
	reasons := map[[2]byte]string{
		{1, 2}: "it does not know the application context",
		{1, 3}: "it does not know our AE title (see --aet)",
		{1, 7}: "it does not go by the AE title that was called",
		{2, 2}: "it does not speak this version of the protocol",
		{3, 1}: "it has too many associations at the moment; try again later",
		{3, 2}: "it has too many associations; try again later",
	}
	if text, ok := reasons[[2]byte{e.Source, e.Reason}]; ok {
		return text
	}
	if e.Result == 2 {
		return "not now; try again later"
	}
	return "without a reason"
}

// spell writes a failure status with what it means, and the peer's own words.
func spell(e *scu.StatusError) string {
	meanings := map[dimse.Status]string{
		dimse.StatusProcessingFailure:      "processing failure",
		dimse.StatusDuplicateSOPInstance:   "another object has this SOP Instance UID",
		dimse.StatusSOPClassNotSupported:   "SOP Class not supported",
		dimse.StatusNotAuthorized:          "not authorized",
		dimse.StatusUnrecognizedOperation:  "unrecognized operation",
		dimse.StatusOutOfResources:         "out of resources",
		dimse.StatusOutOfResourcesMatches:  "out of resources",
		dimse.StatusOutOfResourcesSubOps:   "no instance could be sent",
		dimse.StatusMoveDestinationUnknown: "it does not know the move destination",
		dimse.StatusDataSetMismatch:        "data set does not match the SOP Class",
	}
	text := e.Status.String()
	meaning, ok := meanings[e.Status]
	if !ok && e.Status&0xF000 == 0xC000 {
		meaning, ok = "it cannot understand or process the request", true
	}
	if ok {
		text += ", " + meaning
	}
	if e.Comment != "" {
		text += " (" + clean(e.Comment) + ")"
	}
	return text
}

// isTerminal tells whether a person watches f.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
