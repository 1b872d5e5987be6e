package archive

import (
	"context"
	"fmt"
	"hash/crc32"
	"iter"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Recover finishes what a crash left undone: erasures that were noted, and objects that are
// durable but not in the index (killed between blob and index, or rows lost in a power cut). It
// looks only behind what the index knows of each object, so that a clean start costs nothing.
// What other nodes write to as well is left to SweepOnce.
func (a *Archive) Recover(ctx context.Context) (adopted int, err error) {
	if err := a.erasePending(ctx); err != nil {
		a.log.Error("erasing failed, will be tried again", "err", err)
		a.wake()
	}
	if err := a.learnDamage(ctx); err != nil {
		return 0, err
	}
	if _, shared := a.blobs.(blob.SinceLister); shared && a.cfg.Grace >= 0 {
		return 0, nil
	}
	return a.Rebuild(ctx)
}

// Rebuild indexes every object behind what the index knows of: with an empty index, all.
func (a *Archive) Rebuild(ctx context.Context) (adopted int, err error) {
	tails, err := a.index.Tails(ctx)
	if err != nil {
		return 0, err
	}
	return a.adoptFrom(ctx, a.blobs.List(ctx, func(k storage.Key) int64 { return tails[k] }))
}

// adoptFrom indexes the records that have no row.
func (a *Archive) adoptFrom(ctx context.Context, records iter.Seq2[blob.Record, error]) (adopted int, err error) {
	var count atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(adopters)
	var object []blob.Record // records of one object, in their order
	adopt := func() {
		rs := object
		object = nil
		g.Go(func() error { return a.adoptAll(gctx, rs, &count) })
	}
	for rec, err := range records {
		if gctx.Err() != nil {
			break
		}
		if err != nil { // one damaged object must not keep the others from being served
			a.log.Error("a storage object could not be read; see fsck", "err", err)
			continue
		}
		if len(object) > 0 && object[0].Location.Object != rec.Location.Object {
			adopt()
		}
		object = append(object, rec)
	}
	adopt()
	err = g.Wait()
	if err == nil && ctx.Err() != nil {
		err = errs.E(errs.Canceled, "archive.Recover", ctx.Err())
	}
	if n := count.Load(); n > 0 {
		a.log.Info("objects behind the index were indexed", "count", n)
	}
	return int(count.Load()), err
}

// adopters is how many objects are indexed side by side: enough to share commits of the index.
const adopters = 8

// adoptAll indexes records of one object in their order, so that the tail the index knows never
// has a gap before it.
func (a *Archive) adoptAll(ctx context.Context, rs []blob.Record, count *atomic.Int64) error {
	for _, rec := range rs {
		has, err := a.index.Has(ctx, rec.Location)
		if has {
			continue // behind a gap that an erased record left
		}
		if err == nil {
			err = a.adopt(ctx, rec)
		}
		if err != nil {
			if kind := errs.KindOf(err); kind == errs.Exhausted || kind == errs.Unavailable || ctx.Err() != nil {
				return err
			}
			a.log.Error("an object could not be indexed; it stays for fsck", "err", err)
			continue
		}
		count.Add(1)
	}
	return nil
}

// adopt indexes a committed blob. Nobody was told that it is stored, or it was stored and its
// rows are lost: either way it counts as received when it was. A blob that turns out to be a
// duplicate is erased.
func (a *Archive) adopt(ctx context.Context, rec blob.Record) error {
	r, err := a.blobs.Open(ctx, rec.Location, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := crc32.New(castagnoli)
	hr := recorder{src: r, dst: sum, keep: maxHead}
	h, err := dicom.ReadHeader(&hr, dicom.Source{}, a.cfg.Limits)
	if err != nil {
		return err
	}
	if sum.Sum32() != rec.CRC32C {
		return errs.Errorf(errs.Invalid, "archive.Recover", "stored bytes do not match their checksum")
	}
	if h.DatasetOffset > int64(len(hr.head)) {
		return errs.E(errs.Invalid, "archive.Recover", fmt.Errorf("meta information of %d bytes", h.DatasetOffset))
	}
	s, err := identify(h, Incoming{})
	if err != nil {
		return err
	}
	row, err := instance(h, s, "")
	if err != nil {
		return err
	}
	row.Blob = rec
	row.DatasetCRC = crcBehind(rec.CRC32C, hr.head[:h.DatasetOffset], rec.Location.Length-h.DatasetOffset)
	r.Close() // an open reader would keep a duplicate from being erased
	return a.readmit(ctx, rec.Tenant, row)
}

// readmit is enter for an object of the past: when another one is stored under its UID, the time
// at which each was received decides, as it did then, and not the order in which they are found.
func (a *Archive) readmit(ctx context.Context, t storage.TenantID, row index.Instance) error {
	added, err := a.index.Add(ctx, t, row, false)
	if err != nil || added.Existing == nil || added.Existing.Location == row.Blob.Location {
		return err
	}
	same, err := a.identical(ctx, *added.Existing, row)
	if err != nil {
		return err
	}
	earlier := row.Blob.Received.Before(added.Existing.Received)
	if same || earlier == (a.cfg.Duplicates == Replace) {
		return a.erase(ctx, row.Blob.Location)
	}
	added, err = a.index.Add(ctx, t, row, true)
	if err != nil || added.Replaced == nil {
		return err
	}
	return a.eraseLater(ctx, added.Replaced.Location)
}
