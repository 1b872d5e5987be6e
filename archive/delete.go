package archive

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Delete removes the study, series or instance: rows first, then bytes. When it returns nil the
// rows are durably gone and the bytes are too, unless somebody is reading them: then they go as
// soon as the reader is done (Run), also after a crash.
func (a *Archive) Delete(ctx context.Context, t storage.TenantID, r index.Ref) error {
	gone, err := a.index.Remove(ctx, t, r)
	a.audit(ctx, Access{Tenant: t, Action: Deleted, Ref: r, Err: err})
	if err != nil {
		return err
	}
	return a.eraseLater(context.WithoutCancel(ctx), gone...)
}

// erase removes bytes that no row names.
func (a *Archive) erase(ctx context.Context, ls ...blob.Location) error {
	return a.blobs.Erase(ctx, ls...)
}

// eraseLater removes bytes whose erasure is pending in the index; what is being read is left to
// the eraser.
func (a *Archive) eraseLater(ctx context.Context, ls ...blob.Location) error {
	if err := a.blobs.Erase(ctx, ls...); err != nil {
		if !errs.Is(err, errs.Unavailable) {
			a.log.Error("erasing failed, will be tried again", "err", err)
		}
		a.wake()
		return nil
	}
	return a.index.Erased(ctx, ls)
}

// wake makes Run look for erasures that are due.
func (a *Archive) wake() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// erasePending carries out the erasures that are still due, one by one, so that one that cannot
// be done yet does not hold up the others.
func (a *Archive) erasePending(ctx context.Context) error {
	due, err := a.index.PendingErasures(ctx)
	if err != nil || len(due) == 0 {
		return err
	}
	if a.blobs.Erase(ctx, due...) == nil {
		return a.index.Erased(ctx, due)
	}
	var done []blob.Location
	var failed error
	for _, l := range due {
		if err := a.blobs.Erase(ctx, l); err != nil {
			failed = err
			continue
		}
		done = append(done, l)
	}
	if err := a.index.Erased(ctx, done); err != nil {
		return err
	}
	return failed
}

// Run erases what could not be erased at once, until ctx ends.
func (a *Archive) Run(ctx context.Context) error {
	const pause = 2 * time.Second // a reader is seldom longer
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.kick:
		case <-retry:
		}
		retry = nil
		if err := a.erasePending(ctx); err != nil && ctx.Err() == nil {
			retry = time.After(pause)
			if !errs.Is(err, errs.Unavailable) {
				a.log.Error("erasing failed, will be tried again", "err", err)
			}
		}
	}
}
