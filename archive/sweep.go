package archive

import (
	"context"
	"iter"
	"time"

	"github.com/aurelius-imaging/aurelius/storage/blob"
)

const (
	// begunBefore is how long before its commit a record's object may have been begun.
	begunBefore = 24 * time.Hour
	// skew is how far the clocks of two nodes may be apart.
	skew = 10 * time.Minute

	defaultGrace = time.Hour
)

// SweepOnce looks for orphans that came since the last sweep. It is for stores that several nodes
// write to; on others Recover has found them at the start, and it does nothing. To be called by
// a job now and then.
func (a *Archive) SweepOnce(ctx context.Context) (adopted int, err error) {
	if _, shared := a.blobs.(blob.SinceLister); !shared {
		return 0, nil
	}
	begun := time.Now()
	var since time.Time // without a ledger: ever
	if a.cfg.Ledger != nil {
		if since, err = a.markedTime(ctx, markSweep); err != nil {
			return 0, err
		}
	}
	grace := a.cfg.Grace
	if grace < 0 {
		grace = defaultGrace // our own stores are on their way too
	}
	adopted, err = a.SweepOrphans(ctx, since, grace)
	if err == nil && a.cfg.Ledger != nil {
		err = a.markTime(ctx, markSweep, begun)
	}
	return adopted, err
}

// SweepOrphans indexes records that have no row although they are older than grace: the node that
// wrote them died before it could, and nobody was told that they are stored. Younger ones may be
// another node's that is about to add the row. since is when the last sweep began.
func (a *Archive) SweepOrphans(ctx context.Context, since time.Time, grace time.Duration) (adopted int, err error) {
	grace = max(grace, 0)
	young := time.Now().Add(-grace)
	seen := since.Add(-grace - skew) // older ones were no orphans then
	var all iter.Seq2[blob.Record, error]
	if l, ok := a.blobs.(blob.SinceLister); ok && !since.IsZero() {
		all = l.ListSince(ctx, seen.Add(-begunBefore))
	} else {
		all = a.blobs.List(ctx, nil)
	}
	var failed error // the walk may have ended with it
	orphans := func(yield func(blob.Record, error) bool) {
		for rec, err := range all {
			if err != nil {
				failed = err
			} else if rec.Received.After(young) || !since.IsZero() && rec.Received.Before(seen) {
				continue
			}
			if !yield(rec, err) {
				return
			}
		}
	}
	adopted, err = a.adoptFrom(ctx, orphans, rowStays)
	if err == nil {
		err = failed
	}
	return adopted, err
}
