package archive

import (
	"context"
	"slices"
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
	Trash    int // of those deleted that can be brought back, the latest 10,000 of each tenant
	Orphans  int // records without row
	Adopted  int // orphans that were indexed or, as duplicates, erased (Repair)
	Missing  int // rows, and trash, whose record is not there
	Damaged  int // records that fail their checksum (Verify)
	Derived  int // derived objects that no series uses (Repair: erased)
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
		if o.Repair && a.adopt(ctx, rec, rowStays) == nil {
			report.Adopted++
			continue
		}
		report.problem("record without row in", rec.Location.Object)
	}
	for t := range tenants {
		if err := a.fsckRows(ctx, t, &report); err != nil {
			return report, err
		}
		if err := a.fsckTrash(ctx, t, &report); err != nil {
			return report, err
		}
	}
	var err error
	if o.Repair {
		report.Derived, err = a.sweepSeals(ctx, young)
		return report, err
	}
	orphans, err := a.derivedOrphans(ctx, young)
	report.Derived = len(orphans)
	return report, err
}

// fsckRows looks for rows whose record is gone.
func (a *Archive) fsckRows(ctx context.Context, t storage.TenantID, report *FsckReport) error {
	for e, err := range a.index.Locate(ctx, t, index.Ref{}, 0) {
		if err != nil {
			return err
		}
		report.Rows++
		there, err := a.there(ctx, e.Location)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		now, err := a.one(ctx, t, e.Ref, 0)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if err != nil || now.Location != e.Location { // deleted or replaced since it was read
			report.Rows--
			continue
		}
		report.Missing++
		report.problem("row without record in", e.Location.Object)
	}
	return nil
}

// fsckTrash looks for discarded instances that could not be brought back.
func (a *Archive) fsckTrash(ctx context.Context, t storage.TenantID, report *FsckReport) error {
	trash, err := a.index.Discarded(ctx, t, index.Ref{}, 0)
	if err != nil {
		return err
	}
	for _, d := range trash {
		report.Trash++
		there, err := a.there(ctx, d.Location)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		// Emptied since it was read, or brought back and deleted?
		now, err := a.index.Discarded(ctx, t, d.Ref, 0)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(now, func(n index.Discarded) bool { return n.Location == d.Location }) {
			report.Trash--
			continue
		}
		report.Missing++
		report.problem("discarded row without record in", d.Location.Object)
	}
	return nil
}

// there reports whether a record can be opened.
func (a *Archive) there(ctx context.Context, l blob.Location) (bool, error) {
	r, err := a.blobs.Open(ctx, l, 0, 0)
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Invalid) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Close()
}
