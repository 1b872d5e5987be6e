package archive

import (
	"context"
	"errors"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// remove deletes the study, series or instance: rows first, then bytes. When it returns nil the
// rows are durably gone and the bytes are too, unless somebody is reading them or the store is
// away: then they go as soon as can be (Run), also after a crash.
func (a *Archive) remove(ctx context.Context, t storage.TenantID, r index.Ref) error {
	gone, err := a.index.Remove(ctx, t, r)
	a.audit(ctx, Access{Tenant: t, Action: Deleted, Ref: r, Err: err})
	if err != nil {
		return err
	}
	a.quotas.refresh(t)
	a.changed()
	a.eraseLater(context.WithoutCancel(ctx), gone...)
	return nil
}

// changed tells who waits for the feed.
func (a *Archive) changed() {
	if a.cfg.Changed != nil {
		a.cfg.Changed()
	}
}

// eraseLater removes bytes of former instances, whose erasure is pending in the index, and what
// was derived of them.
func (a *Archive) eraseLater(ctx context.Context, ls ...blob.Location) {
	a.unseal(ctx)
	a.eraseNoted(ctx, ls...)
}

// eraseNoted carries out erasures that are pending in the index; what cannot be done now, because
// it is being read or the engine is away, is left to the eraser.
func (a *Archive) eraseNoted(ctx context.Context, ls ...blob.Location) {
	err := a.blobs.Erase(ctx, ls...)
	if err == nil {
		err = a.erased(ctx, ls)
	}
	if err == nil {
		return
	}
	if !errs.Is(err, errs.Unavailable) {
		a.log.Error("erasing failed, will be tried again", "err", err)
	}
	a.wake()
}

// erased forgets what is known of records that are gone.
func (a *Archive) erased(ctx context.Context, ls []blob.Location) error {
	for _, l := range ls {
		a.found(ctx, l, false)
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

// erasePending carries out the erasures that are still due, of instances and of what was made of
// them.
func (a *Archive) erasePending(ctx context.Context) error {
	due, err := a.index.PendingErasures(ctx)
	if err == nil {
		err = eraseEach(ctx, a.blobs, due, a.erased)
	}
	return errors.Join(err, a.eraseSeals(ctx))
}

// eraseEach removes bytes and has those that are gone forgotten. If that fails it is done one by
// one, so that one that is being read does not hold up the others.
func eraseEach(ctx context.Context, from blob.Store, ls []blob.Location, forget func(context.Context, []blob.Location) error) error {
	if len(ls) == 0 {
		return nil
	}
	if from.Erase(ctx, ls...) == nil {
		return forget(ctx, ls)
	}
	var done []blob.Location
	var failed error
	for _, l := range ls {
		if err := from.Erase(ctx, l); err != nil {
			failed = err
			continue
		}
		done = append(done, l)
	}
	return errors.Join(forget(ctx, done), failed)
}

// Run erases what could not be erased at once and what was deleted long ago, and looks after the
// medium, until ctx ends.
func (a *Archive) Run(ctx context.Context) error {
	const pause = 2 * time.Second // a reader is seldom longer
	var retry <-chan time.Time
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	begun, swept := time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.care(ctx)
			swept = swept || a.sweepBefore(ctx, begun)
			a.wake() // for what a node that died has left
			continue
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

// care does what is due by the clock. What fails is tried again at the next tick.
func (a *Archive) care(ctx context.Context) {
	a.space.refuses(ctx) // keeps the gauges fresh, and ends a refusal when nobody sends
	if err := a.learnDamage(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn("reading the ledger of damaged objects failed", "err", err)
	}
	if _, err := a.Expire(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn("emptying the trash failed, will be tried again", "err", err)
	}
	if _, err := a.SealOnce(ctx, sealsPerTick); err != nil && ctx.Err() == nil {
		a.log.Warn("sealing series failed, will be tried again", "err", err)
	}
}
