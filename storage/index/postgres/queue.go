package postgres

import (
	"context"
	"slices"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
)

// maxBatch bounds how many Adds share a commit.
const maxBatch = 256

// addition is one Add on its way.
type addition struct {
	in      index.Instance
	replace bool

	levels *attribute.Split
	attrs  []byte // of the instance
	number int64
	header []byte // packed

	result index.Added
	gives  bool // the entry there must give way: a transaction of its own
	err    error

	wake     chan struct{}
	finished bool // when woken: else this caller is to write
}

// queue lets concurrent Adds of one tenant share a commit without a goroutine of its own: a
// caller who finds nobody writing writes, and what arrived meanwhile is written together by the
// first of those who wait.
type queue struct {
	lock    sync.Mutex
	idle    sync.Cond
	pending []*addition
	busy    bool
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
	q, lead, err := ix.enter(t, a)
	if err != nil {
		return index.Added{}, err
	}
	// Once it is queued it will be written: an answer is due whatever becomes of ctx. It comes in
	// bounded time, as every call to the server does.
	if !lead {
		<-a.wake
		lead = !a.finished
	}
	if lead {
		batch := q.take()
		ix.addBatch(t, batch)
		q.leave(batch, a)
	}
	return a.result, a.err
}

// enter queues a and reports whether its caller is to write.
func (ix *Index) enter(t storage.TenantID, a *addition) (q *queue, lead bool, err error) {
	ix.lock.Lock()
	defer ix.lock.Unlock()
	if ix.closed {
		return nil, false, errs.Errorf(errs.Unavailable, "postgres.Add", "the index is closed")
	}
	if q = ix.queues[t]; q == nil {
		q = &queue{}
		q.idle.L = &q.lock
		ix.queues[t] = q
	}
	q.lock.Lock()
	defer q.lock.Unlock()
	q.pending = append(q.pending, a)
	lead = !q.busy
	q.busy = true
	return q, lead, nil
}

// take returns the next batch; the caller who leads is its first.
func (q *queue) take() []*addition {
	q.lock.Lock()
	defer q.lock.Unlock()
	n := min(len(q.pending), maxBatch)
	batch := slices.Clone(q.pending[:n])
	q.pending = slices.Delete(q.pending, 0, n)
	return batch
}

// leave answers the callers of the batch and passes the lead on.
func (q *queue) leave(batch []*addition, self *addition) {
	for _, a := range batch {
		if a != self {
			a.finished = true
			a.wake <- struct{}{}
		}
	}
	q.lock.Lock()
	defer q.lock.Unlock()
	if len(q.pending) > 0 {
		q.pending[0].wake <- struct{}{}
		return
	}
	q.busy = false
	q.idle.Broadcast()
}

// wait returns when nobody writes.
func (q *queue) wait() {
	q.lock.Lock()
	defer q.lock.Unlock()
	for q.busy {
		q.idle.Wait()
	}
}

func prepare(in index.Instance, replace bool) (*addition, error) {
	const op = "postgres.Add"
	if in.Dataset == nil || in.StudyInstanceUID == "" || in.SeriesInstanceUID == "" || in.SOPInstanceUID == "" {
		return nil, errs.Errorf(errs.Invalid, op, "study, series or SOP Instance UID is missing")
	}
	a := &addition{in: in, replace: replace, wake: make(chan struct{}, 1)}
	a.in.StudyInstanceUID, a.in.SeriesInstanceUID = text(in.StudyInstanceUID), text(in.SeriesInstanceUID)
	a.in.SOPInstanceUID = text(in.SOPInstanceUID)
	a.levels = attribute.SplitLevels(in.Dataset)
	attrs, err := attribute.Encode(a.levels.Level(a.levels.Instance))
	if err != nil {
		return nil, errs.E(errs.Invalid, op, err)
	}
	a.attrs = attrs
	a.number = attribute.Number(in.Dataset.Get(tag.InstanceNumber))
	a.header = attribute.PackHeader(in.Header)
	return a, nil
}

// addBatch carries out a batch. If its transaction fails for what is in it, each item gets one
// of its own, so that one that cannot be written does not take the others with it. A server that
// is away fails them all.
func (ix *Index) addBatch(t storage.TenantID, batch []*addition) {
	// The queue outlives the context of any one caller.
	ctx := context.Background()
	fail := func(err error) {
		for _, a := range batch {
			a.err = err
		}
	}
	tenant, err := ix.newTenantID(ctx, "postgres.Add", t)
	if err != nil {
		fail(err)
		return
	}
	switch err := ix.addAll(ctx, tenant, batch); {
	case err == nil:
	case len(batch) == 1 || errs.Is(err, errs.Unavailable) || errs.Is(err, errs.Exhausted):
		fail(err)
	default:
		for _, a := range batch {
			a.err = ix.addAll(ctx, tenant, []*addition{a})
		}
	}
	for _, a := range batch {
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
