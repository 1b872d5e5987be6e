package archive

import (
	"context"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Action says what was done with patient data.
type Action string

// The actions.
const (
	Received  Action = "received"
	Searched  Action = "searched"
	Retrieved Action = "retrieved" // objects, frames, values or headers
	Deleted   Action = "deleted"
	Undeleted Action = "undeleted"
	Purged    Action = "purged" // deleted for good after it was deleted
)

// Access is one access to patient data. Empty fields of Ref mean all.
type Access struct {
	Tenant storage.TenantID
	Action Action
	Ref    index.Ref
	Err    error // set when it was refused or failed
}

// Auditor is told of every access; the archive calls it, so that no door can forget to. Who it
// was is in the context. It must not block.
type Auditor interface {
	Audit(ctx context.Context, a Access)
}

func (a *Archive) audit(ctx context.Context, x Access) {
	if a.cfg.Auditor != nil {
		a.cfg.Auditor.Audit(ctx, x)
	}
}
