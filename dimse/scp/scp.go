// Package scp is the DIMSE door: the service classes Aurelius provides, bound to the archive.
// Verification (PS3.4 A), Storage (PS3.4 B) and Query/Retrieve (PS3.4 C) with FIND, MOVE and GET
// in the Patient Root and Study Root information models at every level, with C-CANCEL.
//
// One table, Door.Services, says what is offered; negotiation, dispatch and the conformance
// statement all come from it. Handlers are thin: they turn a request into a call of the
// archive and its outcome into a status (status.go). Left out: worklist, MPPS, storage
// commitment, print; frame-level retrieval. Objects go out as stored where a peer takes them so,
// else in what they can be brought to without loss.
package scp

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/storage"
)

// Config of a Door. The zero value is usable.
type Config struct {
	// AETitle is ours when we call a move destination; default "AURELIUS".
	AETitle string
	// Tenant tells whose archive a called AE title means; nil: storage.DefaultTenant for all.
	Tenant func(calledAETitle string) storage.TenantID
	// KnownStorageOnly refuses storage of SOP Classes that are neither in the standard nor known
	// private ones. By default whatever is not known to be another service is taken: an
	// archive that refuses a new modality's objects loses them.
	KnownStorageOnly bool
	// UnknownTransferSyntaxes takes objects in transfer syntaxes that the standard does not
	// name; they can be given back only as they came.
	UnknownTransferSyntaxes bool
	// MoveTimeout is how long a move destination may be silent; default 60 s.
	MoveTimeout time.Duration
}

// PeerDirectory knows the Application Entities that objects may be moved to.
type PeerDirectory interface {
	// Lookup returns the network address of an AE title.
	Lookup(AETitle string) (address string, ok bool)
}

// Peers is a fixed PeerDirectory: AE titles and their addresses.
type Peers map[string]string

// Lookup implements PeerDirectory.
func (p Peers) Lookup(AETitle string) (string, bool) {
	address, ok := p[AETitle]
	return address, ok
}

// Door serves the DIMSE services of an archive. It is safe for concurrent use; its memory per
// running operation is bounded by the list of instances a retrieval has selected.
type Door struct {
	cfg     Config
	archive *archive.Archive
	peers   PeerDirectory
}

// New makes the door to an archive. Without peers (nil) every move destination is unknown.
func New(cfg Config, arch *archive.Archive, peers PeerDirectory) *Door {
	if cfg.AETitle == "" {
		cfg.AETitle = "AURELIUS"
	}
	if cfg.Tenant == nil {
		cfg.Tenant = func(string) storage.TenantID { return storage.DefaultTenant }
	}
	if cfg.MoveTimeout == 0 {
		cfg.MoveTimeout = time.Minute
	}
	if peers == nil {
		peers = Peers(nil)
	}
	return &Door{cfg: cfg, archive: arch, peers: peers}
}

// Register enters every service into the registries of a server that is about to start.
func (d *Door) Register(contexts *dimse.Contexts, mux *dimse.Mux) {
	for _, s := range d.Services() {
		contexts.Add(s.negotiation(), s.AbstractSyntaxes...)
		mux.Handle(s.field, dimse.HandlerFunc(s.handler), s.AbstractSyntaxes...)
	}
	if d.cfg.KnownStorageOnly {
		return
	}
	unknown := d.storageService().negotiation()
	contexts.Match = func(AbstractSyntax string) (dimse.Service, bool) {
		return unknown, maybeStorage(AbstractSyntax)
	}
	mux.HandleFunc(dimse.CStoreRQ, func(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
		if !maybeStorage(r.Context.AbstractSyntax) {
			_ = w.Respond(dimse.StatusUnrecognizedOperation) // C-STORE on a context of another service
			return
		}
		d.store(ctx, w, r)
	})
}

// tenant tells whose data a request is about.
func (d *Door) tenant(r *dimse.Request) storage.TenantID {
	return d.cfg.Tenant(r.Association.CalledAETitle())
}

// echo answers C-ECHO (PS3.4 A.4).
func (d *Door) echo(_ context.Context, w *dimse.ResponseWriter, _ *dimse.Request) {
	_ = w.Respond(dimse.StatusSuccess)
}
