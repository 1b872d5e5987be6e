package archive

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Delete takes the study, series or instance out of the archive. With Config.Trash it can be
// brought back for that long (Undelete); else its bytes go at once, as Purge says.
func (a *Archive) Delete(ctx context.Context, t storage.TenantID, r index.Ref) error {
	if a.cfg.Trash <= 0 {
		return a.remove(ctx, t, r)
	}
	_, err := a.index.Discard(ctx, t, r, time.Now().Add(a.cfg.Trash))
	a.audit(ctx, Access{Tenant: t, Action: Deleted, Ref: r, Err: err})
	if err == nil {
		a.changed()
		a.unseal(context.WithoutCancel(ctx))
	}
	return err
}

// Purge deletes for good what is under r, what was deleted before included.
func (a *Archive) Purge(ctx context.Context, t storage.TenantID, r index.Ref) error {
	live := a.remove(ctx, t, r)
	if live != nil && !errs.Is(live, errs.NotFound) {
		return live
	}
	err := a.PurgeTrash(ctx, t, r)
	if errs.Is(err, errs.NotFound) {
		return live
	}
	return err
}

// PurgeTrash deletes for good what was deleted before under r; what can be found stays.
func (a *Archive) PurgeTrash(ctx context.Context, t storage.TenantID, r index.Ref) error {
	gone, err := a.index.Purge(ctx, t, r)
	a.audit(ctx, Access{Tenant: t, Action: Purged, Ref: r, Err: err})
	if err != nil {
		return err
	}
	a.quotas.refresh(t)
	a.eraseLater(context.WithoutCancel(ctx), gone...)
	return nil
}

// Undelete brings back what was deleted under r and is not gone yet; it returns how many. None is
// errs.NotFound: also when all of it was stored again meanwhile.
func (a *Archive) Undelete(ctx context.Context, t storage.TenantID, r index.Ref) (int, error) {
	n, err := a.index.Restore(ctx, t, r)
	a.audit(ctx, Access{Tenant: t, Action: Undeleted, Ref: r, Err: err})
	if err == nil {
		a.changed()
	}
	return n, err
}

// Discarded lists what Undelete can bring back, latest first.
func (a *Archive) Discarded(ctx context.Context, t storage.TenantID, r index.Ref, limit int) ([]index.Discarded, error) {
	a.audit(ctx, Access{Tenant: t, Action: Searched, Ref: r})
	return a.index.Discarded(ctx, t, r, limit)
}

// expireBatch bounds how long one transaction keeps the index from its senders.
const expireBatch = 500

// Expire erases what was deleted so long ago that nobody can bring it back; Run calls it. It
// returns how many.
func (a *Archive) Expire(ctx context.Context) (int, error) {
	n := 0
	for {
		gone, err := a.index.Expire(ctx, time.Now(), expireBatch)
		if err != nil || len(gone) == 0 {
			return n, err
		}
		n += len(gone)
		a.eraseLater(ctx, gone...)
	}
}
