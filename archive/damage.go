package archive

import (
	"context"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Ledger remembers what care has found and how far it got: across restarts, and for all nodes.
// It must be safe for concurrent use.
type Ledger interface {
	// Mark returns a small value by its name, "" when there is none.
	Mark(ctx context.Context, name string) (string, error)
	SetMark(ctx context.Context, name, value string) error
	// Damaged lists records whose bytes fail their checksum.
	Damaged(ctx context.Context) ([]blob.Location, error)
	// SetDamaged notes that a record is damaged, or that it is not any more.
	SetDamaged(ctx context.Context, l blob.Location, damaged bool) error
}

// damage is what this node knows of damaged records. Safe for concurrent use.
type damage struct {
	count atomic.Int64 // no lock where nothing is damaged, which is always
	mu    sync.RWMutex
	known map[blob.Location]bool
}

func (d *damage) at(l blob.Location) bool {
	if d.count.Load() == 0 {
		return false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.known[l]
}

// set replaces what is known, or changes one.
func (d *damage) set(damaged bool, ls ...blob.Location) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = make(map[blob.Location]bool)
	}
	for _, l := range ls {
		if damaged {
			d.known[l] = true
		} else {
			delete(d.known, l)
		}
	}
	d.count.Store(int64(len(d.known)))
}

func (d *damage) replace(ls []blob.Location) {
	d.mu.Lock()
	d.known = nil
	d.mu.Unlock()
	d.set(true, ls...)
}

// open opens a record for a reader, unless its bytes are known to be wrong.
func (a *Archive) open(ctx context.Context, l blob.Location, off, n int64) (io.ReadCloser, error) {
	if a.damage.at(l) {
		return nil, errDamaged()
	}
	return a.blobs.Open(ctx, l, off, n)
}

func errDamaged() error {
	return errs.Errorf(errs.Internal, "archive.Open", "the stored object is damaged")
}

// found remembers that a record is damaged, or whole again.
func (a *Archive) found(ctx context.Context, l blob.Location, damaged bool) {
	if a.damage.at(l) == damaged {
		return
	}
	a.damage.set(damaged, l)
	a.metrics.damaged.Set(float64(a.damage.count.Load()))
	if damaged {
		a.log.Error("a stored object is damaged: reads of it are refused", "object", string(l.Object), "offset", l.Offset)
	} else {
		a.log.Info("a damaged object is whole again, or gone", "object", string(l.Object), "offset", l.Offset)
	}
	if a.cfg.Ledger == nil {
		return
	}
	if err := a.cfg.Ledger.SetDamaged(context.WithoutCancel(ctx), l, damaged); err != nil {
		a.log.Warn("noting a damaged object failed: it is refused by this node alone", "err", err)
	}
}

// learnDamage takes over what other nodes and earlier runs found.
func (a *Archive) learnDamage(ctx context.Context) error {
	if a.cfg.Ledger == nil {
		return nil
	}
	ls, err := a.cfg.Ledger.Damaged(ctx)
	if err != nil {
		return err
	}
	a.damage.replace(ls)
	a.metrics.damaged.Set(float64(len(ls)))
	return nil
}

// checked reads a whole data set and holds it against its checksum: the last Read fails when the
// bytes are not those that were received, so whoever passes them on never ends the object.
type checked struct {
	io.ReadCloser
	a     *Archive
	ctx   context.Context
	entry index.Entry
	left  int64
	sum   uint32
}

func (a *Archive) check(ctx context.Context, e index.Entry, r io.ReadCloser) io.ReadCloser {
	return &checked{ReadCloser: r, a: a, ctx: ctx, entry: e, left: e.Location.Length - e.DatasetOffset}
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum = crc32.Update(c.sum, castagnoli, p[:n])
	c.left -= int64(n)
	// A store that checks what it reads says so itself.
	if errs.Is(err, errs.Invalid) || n > 0 && c.left == 0 && c.sum != c.entry.DatasetCRC || c.left < 0 || err == io.EOF && c.left > 0 {
		return 0, c.a.mismatch(c.ctx, c.entry) // the last bytes are kept back
	}
	return n, err
}

// blame asks whether pixels that cannot be decoded came so, or are damaged here.
func (a *Archive) blame(ctx context.Context, e index.Entry, err error) error {
	if errs.Is(err, errs.Invalid) && errs.Is(a.blobs.Verify(context.WithoutCancel(ctx), e.Location), errs.Invalid) {
		a.found(ctx, e.Location, true)
		return errDamaged()
	}
	return err
}

// mismatch says that an object was not read as it was received, and notes it if it is the
// medium's fault.
func (a *Archive) mismatch(ctx context.Context, e index.Entry) error {
	switch err := a.blobs.Verify(context.WithoutCancel(ctx), e.Location); {
	case errs.Is(err, errs.Invalid):
		a.found(ctx, e.Location, true)
	case errs.Is(err, errs.NotFound):
		return errs.Errorf(errs.Internal, "archive.Open", "the instance was replaced, and is not what it was byte for byte")
	}
	return errDamaged()
}
