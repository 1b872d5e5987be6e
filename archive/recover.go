package archive

import (
	"context"
	"fmt"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// Recover finishes what a crash left undone: erasures that were noted, and objects that are
// durable but not in the index (killed between blob and index, or rows lost in a power cut). It
// looks only behind what the index knows of each object, so that a clean start costs nothing.
// With an empty index it rebuilds everything from the blobs.
func (a *Archive) Recover(ctx context.Context) (adopted int, err error) {
	if err := a.erasePending(ctx); err != nil {
		return 0, err
	}
	tails, err := a.index.Tails(ctx)
	if err != nil {
		return 0, err
	}
	for rec, err := range a.blobs.List(ctx, func(k storage.Key) int64 { return tails[k] }) {
		if err != nil {
			return adopted, err
		}
		if err := a.adopt(ctx, rec); err != nil {
			if kind := errs.KindOf(err); kind == errs.Exhausted || kind == errs.Unavailable || ctx.Err() != nil {
				return adopted, err
			}
			a.log.Error("an object could not be indexed; it stays for fsck", "err", err)
			continue
		}
		adopted++
	}
	if adopted > 0 {
		a.log.Info("objects behind the index were indexed", "count", adopted)
	}
	return adopted, nil
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
	hr := recorder{src: r, dst: discard{}}
	h, err := dicom.ReadHeader(&hr, dicom.Source{}, a.cfg.Limits)
	if err != nil {
		return err
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
	if _, err = a.enter(ctx, rec.Tenant, row, s); errs.Is(err, errs.Conflict) {
		return nil
	}
	return err
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
