package archive

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// FsckOptions say what Fsck does beyond comparing index and blobs.
type FsckOptions struct {
	Verify bool // read every object against its checksum
	Repair bool // index whole objects that have no row
	// Grace: younger records without row are passed over. 0: Config.Grace where other nodes write
	// to the store, else none.
	Grace time.Duration
}

// FsckReport says what was found. Problems lists what needs a person; object keys and offsets
// only, no UID.
type FsckReport struct {
	Objects  int // records in the blob store
	Rows     int // instances in the index
	Orphans  int // records without row
	Adopted  int // orphans that were indexed or, as duplicates, erased (Repair)
	Missing  int // rows whose record is not there
	Damaged  int // records that fail their checksum (Verify)
	Problems []string
}

// Clean reports whether nothing is wrong (any more).
func (r FsckReport) Clean() bool { return r.Orphans == r.Adopted && r.Missing == 0 && r.Damaged == 0 }

// maxProblems bounds the list; the counters go on.
const maxProblems = 1000

func (r *FsckReport) problem(what string, k storage.Key) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, what+" "+string(k))
	}
}

// Fsck compares the index with the blobs. Where the store is not shared the archive must not be
// serving.
func (a *Archive) Fsck(ctx context.Context, o FsckOptions) (FsckReport, error) {
	var report FsckReport
	if err := a.erasePending(ctx); err != nil {
		a.log.Error("erasing failed, will be tried again", "err", err)
	}
	if _, shared := a.blobs.(blob.SinceLister); shared && o.Grace == 0 {
		o.Grace = a.cfg.Grace
	}
	young := time.Now().Add(-max(o.Grace, 0))
	tenants := map[storage.TenantID]bool{storage.DefaultTenant: true}
	for rec, err := range a.blobs.List(ctx, nil) {
		if ctx.Err() != nil {
			return report, errs.E(errs.Canceled, "archive.Fsck", ctx.Err())
		}
		if err != nil {
			report.Damaged++
			report.problem("unreadable storage object:", storage.Key(err.Error()))
			continue
		}
		report.Objects++
		tenants[rec.Tenant] = true
		if o.Verify {
			switch err := a.blobs.Verify(ctx, rec.Location); {
			case errs.Is(err, errs.Invalid):
				report.Damaged++
				report.problem("damaged record in", rec.Location.Object)
				a.found(ctx, rec.Location, true)
			case errs.Is(err, errs.NotFound): // erased meanwhile, by another node
				continue
			case err != nil:
				return report, err
			default:
				a.found(ctx, rec.Location, false)
			}
		}
		has, err := a.index.Has(ctx, rec.Location)
		if err != nil {
			return report, err
		}
		if has || rec.Received.After(young) {
			continue
		}
		report.Orphans++
		if o.Repair && a.adopt(ctx, rec) == nil {
			report.Adopted++
			continue
		}
		report.problem("record without row in", rec.Location.Object)
	}
	for t := range tenants {
		if err := a.fsckRows(ctx, t, &report); err != nil {
			return report, err
		}
	}
	return report, nil
}

// fsckRows looks for rows whose record is gone.
func (a *Archive) fsckRows(ctx context.Context, t storage.TenantID, report *FsckReport) error {
	for e, err := range a.index.Locate(ctx, t, index.Ref{}, 0) {
		if err != nil {
			return err
		}
		report.Rows++
		r, err := a.blobs.Open(ctx, e.Location, 0, 0)
		if err == nil {
			r.Close()
			continue
		}
		if !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.Invalid) {
			return err
		}
		// Deleted, or moved, since it was read?
		if has, err := a.index.Has(ctx, e.Location); err != nil {
			return err
		} else if !has {
			report.Rows--
			continue
		}
		report.Missing++
		report.problem("row without record in", e.Location.Object)
	}
	return nil
}
