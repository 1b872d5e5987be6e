package postgres

import (
	"context"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/index/batch"
)

// maxBatch bounds how many Adds share a commit.
const maxBatch = 256

// addition is one Add on its way.
type addition struct {
	in      index.Instance
	replace bool
	attribute.Prepared

	result index.Added
	gives  bool // the entry there must give way: a transaction of its own
	err    error
}

// Add writes one instance, durably.
func (ix *Index) Add(ctx context.Context, t storage.TenantID, in index.Instance, replace bool) (index.Added, error) {
	const op = "postgres.Add"
	if err := ctx.Err(); err != nil {
		return index.Added{}, errs.E(errs.Canceled, op, err)
	}
	a, err := prepare(in, replace)
	if err != nil {
		return index.Added{}, err
	}
	// Once it is queued it will be written: an answer is due whatever becomes of ctx. It comes in
	// bounded time, as every call to the server does.
	q := ix.queue(t)
	if q == nil || !q.Do(a, func(items []*addition) { ix.addBatch(t, items) }) {
		return index.Added{}, errs.Errorf(errs.Unavailable, op, "the index is closed")
	}
	return a.result, a.err
}

func prepare(in index.Instance, replace bool) (*addition, error) {
	prepared, err := attribute.Prepare("postgres.Add", in)
	if err != nil {
		return nil, err
	}
	in.StudyInstanceUID, in.SeriesInstanceUID = text(in.StudyInstanceUID), text(in.SeriesInstanceUID)
	in.SOPInstanceUID = text(in.SOPInstanceUID)
	return &addition{in: in, replace: replace, Prepared: prepared}, nil
}

// queue returns where Adds of the tenant meet, nil when the index is closed.
func (ix *Index) queue(t storage.TenantID) *batch.Queue[*addition] {
	ix.lock.Lock()
	defer ix.lock.Unlock()
	if ix.closed {
		return nil
	}
	q := ix.queues[t]
	if q == nil {
		q = batch.New[*addition](maxBatch)
		ix.queues[t] = q
	}
	return q
}

// addBatch carries out a batch. If its transaction fails for what is in it, each item gets one
// of its own, so that one that cannot be written does not take the others with it. A server that
// is away fails them all.
func (ix *Index) addBatch(t storage.TenantID, items []*addition) {
	// The queue outlives the context of any one caller.
	ctx := context.Background()
	fail := func(err error) {
		for _, a := range items {
			a.err = err
		}
	}
	tenant, err := ix.newTenantID(ctx, "postgres.Add", t)
	if err != nil {
		fail(err)
		return
	}
	switch err := ix.addAll(ctx, tenant, items); {
	case err == nil:
	case len(items) == 1 || errs.Is(err, errs.Unavailable) || errs.Is(err, errs.Exhausted):
		fail(err)
	default:
		for _, a := range items {
			a.err = ix.addAll(ctx, tenant, []*addition{a})
		}
	}
	for _, a := range items {
		if a.err == nil && a.gives {
			a.err = ix.replace(ctx, tenant, a)
		}
	}
}

// addAll writes the items in one transaction, all or none.
func (ix *Index) addAll(ctx context.Context, tenant int64, items []*addition) error {
	return ix.write(ctx, "postgres.Add", tenant, func(w *writer) error {
		if err := w.gather(items); err != nil {
			return err
		}
		for _, a := range items {
			if err := w.add(a); err != nil {
				return err
			}
		}
		return w.flush()
	})
}

// replace puts an instance in the place of the one that is there, in one transaction.
func (ix *Index) replace(ctx context.Context, tenant int64, a *addition) error {
	return ix.write(ctx, "postgres.Add", tenant, func(w *writer) error {
		if err := w.gather([]*addition{a}); err != nil {
			return err
		}
		old := w.existing[a.in.SOPInstanceUID]
		if old != nil && old.Location == a.in.Blob.Location { // a sweep was faster, or our own try whose answer was lost
			a.result.Existing = old
			return nil
		}
		if old != nil {
			if _, err := w.remove(index.Ref{SOPInstanceUID: a.in.SOPInstanceUID}, 0); err != nil {
				return err
			}
			if err := w.gather([]*addition{a}); err != nil {
				return err
			}
		}
		if err := w.add(a); err != nil {
			return err
		}
		a.result.Replaced = old
		return w.flush()
	})
}
