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
	tails, err := a.index.Tails(ctx)
	if err != nil {
		return 0, err
	}
	rival := asReceived
	if len(tails) == 0 {
		rival = laterCounts // a new index: the old one is lost
	}
	return a.adoptFrom(ctx, a.blobs.List(ctx, func(k storage.Key) int64 { return tails[k] }), rival)
}

// Rebuild indexes every object, into an empty index.
func (a *Archive) Rebuild(ctx context.Context) (adopted int, err error) {
	return a.adoptFrom(ctx, a.blobs.List(ctx, nil), laterCounts)
}

// rivalry says what becomes of an object without a row when another one, not the same, has the
// row of its UID.
type rivalry uint8

const (
	// rowStays: the one with a row was acknowledged. The other was not, unless the index was
	// restored from a copy: it stays, for a person to look at.
	rowStays rivalry = iota
	// asReceived: the rows of the last moments are lost. The policy decides between the two as it
	// did then; the loser, of which nobody was told that it is stored, is erased.
	asReceived
	// laterCounts: all rows are lost, and with them which object was discarded or replaced before
	// the other was stored. That one stays without a row, for a person to look at.
	laterCounts
)

// adoptFrom indexes the records that have no row.
func (a *Archive) adoptFrom(ctx context.Context, records iter.Seq2[blob.Record, error], rival rivalry) (adopted int, err error) {
	var count atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(adopters)
	var object []blob.Record // records of one object, in their order
	adopt := func() {
		rs := object
		object = nil
		g.Go(func() error { return a.adoptAll(gctx, rs, rival, &count) })
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
	if count.Load() > 0 {
		a.changed()
	}
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
func (a *Archive) adoptAll(ctx context.Context, rs []blob.Record, rival rivalry, count *atomic.Int64) error {
	for _, rec := range rs {
		has, err := a.index.Has(ctx, rec.Location)
		if has {
			continue
		}
		if err == nil {
			err = a.adopt(ctx, rec, rival)
		}
		if errs.Is(err, errs.NotFound) {
			continue // erased since it was listed
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
func (a *Archive) adopt(ctx context.Context, rec blob.Record, rival rivalry) error {
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
	return a.readmit(ctx, rec.Tenant, row, rival)
}

// readmit is enter for an object of the past. An error leaves it where it is.
func (a *Archive) readmit(ctx context.Context, t storage.TenantID, row index.Instance, rival rivalry) error {
	o, displaced, err := a.contend(ctx, t, row, func(e index.Entry) bool {
		earlier := row.Blob.Received.Before(e.Received)
		switch {
		case a.heals(ctx, e, row):
			return true
		case rival == asReceived:
			return earlier == (a.cfg.Duplicates == KeepFirst)
		case rival == laterCounts:
			return !earlier
		default:
			return false
		}
	})
	switch {
	case err != nil:
		return err
	case o == same, o == beaten && rival == asReceived:
		return a.takeBack(ctx, t, row.Blob.Location)
	case o == beaten:
		return errs.Errorf(errs.Conflict, "archive.Recover", "another object is stored under its SOP Instance UID")
	case o == replaced && rival == laterCounts:
		return a.index.Erased(ctx, []blob.Location{displaced}) // but it was not
	case o == replaced:
		a.eraseLater(ctx, displaced)
	}
	return nil
}
