package archive

import (
	"context"
	"io"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// maxBulk bounds what is read into memory of values that a header left in its object: one of a
// picture, or all of a data set together.
const maxBulk = 64 << 20

// bulkOf reads values that were left in an object, in little endian.
func (a *Archive) bulkOf(ctx context.Context, e index.Entry) imaging.Bulk {
	e.Header, e.Frames = nil, nil // large, and of no more use
	return func(el *dicom.Element) ([]byte, error) {
		if el.Bulk == nil {
			return el.Value, nil
		}
		if el.Bulk.Length > maxBulk {
			return nil, errs.Errorf(errs.Exhausted, "archive.Render", "%s has %d bytes, more than is read for a picture", el.Tag.Keyword(), el.Bulk.Length)
		}
		o, err := a.openSpan(ctx, e, el.Bulk.Offset, el.Bulk.Length, el.VR.Size())
		if err != nil {
			return nil, err
		}
		defer o.Close()
		b := make([]byte, el.Bulk.Length)
		_, err = io.ReadFull(o.ReadCloser, b)
		return b, err
	}
}

// Whole returns the header of one instance with every value in it, those that it left in its
// object too: long text, points, tables, profiles. Left out are pixel data, private values and an
// encapsulated document. More than 64 MiB of them are errs.Exhausted.
func (a *Archive) Whole(ctx context.Context, t storage.TenantID, r index.Ref) (*dicom.Header, error) {
	e, err := a.one(ctx, t, r, index.WithHeader)
	if err != nil {
		return nil, err
	}
	a.audit(ctx, Access{Tenant: t, Action: Retrieved, Ref: e.Ref})
	return a.whole(ctx, e)
}

func (a *Archive) whole(ctx context.Context, e index.Entry) (*dicom.Header, error) {
	h, err := dicom.ParseHeader(e.Header)
	if err != nil {
		return nil, err
	}
	return h, a.bring(ctx, e, h.Dataset, func(t tag.Tag) bool {
		return !t.Private() && t != tag.PixelData && t != tag.EncapsulatedDocument
	})
}

// bring reads the wanted values that were left in the object into its data set, or a part of it.
func (a *Archive) bring(ctx context.Context, e index.Entry, d *dicom.Dataset, wanted func(tag.Tag) bool) error {
	left := leftOut(nil, d, wanted)
	var total int64
	for _, el := range left {
		if el.Bulk.Length > maxBulk-total {
			return errs.Errorf(errs.Exhausted, "archive.bring", "its values are more than the %d bytes that are read", int64(maxBulk))
		}
		total += el.Bulk.Length
	}
	deflated := syntax(e.TransferSyntaxUID).Deflated
	for len(left) > 0 {
		n, end := 1, left[0].Bulk.Offset+left[0].Bulk.Length
		for ; n < len(left); n++ {
			gap := left[n].Bulk.Offset - end
			if gap < 0 || gap > skipped && !deflated {
				break
			}
			end = left[n].Bulk.Offset + left[n].Bulk.Length
		}
		if err := a.bringRun(ctx, e, left[:n], end); err != nil {
			return err
		}
		left = left[n:]
	}
	return nil
}

// skipped is how much between two values is read over rather than opened anew: in a bucket that
// is a request. A deflated object is read from its front each time, and so once.
const skipped = 256 << 10

// bringRun reads values one behind the other, the last of which ends at end.
func (a *Archive) bringRun(ctx context.Context, e index.Entry, run []*dicom.Element, end int64) error {
	at := run[0].Bulk.Offset
	o, err := a.openSpan(ctx, e, at, end-at, 0)
	if err != nil {
		return err
	}
	defer o.Close()
	for _, el := range run {
		if _, err := io.CopyN(io.Discard, o.ReadCloser, el.Bulk.Offset-at); err != nil {
			return unexpected(err)
		}
		at = el.Bulk.Offset + el.Bulk.Length
		var from io.Reader = o.ReadCloser
		if word := el.VR.Size(); word > 1 && o.TransferSyntax.BigEndian {
			from = &swapper{ReadCloser: io.NopCloser(io.LimitReader(from, el.Bulk.Length)), word: word}
		}
		b := make([]byte, el.Bulk.Length)
		if _, err := io.ReadFull(from, b); err != nil {
			return unexpected(err)
		}
		if fragments(el) {
			el.Fragments = items(b)
		} else {
			el.Value = b
		}
		el.Bulk = nil
	}
	return nil
}

// leftOut lists the wanted elements whose values are in the object, in their order there.
func leftOut(out []*dicom.Element, d *dicom.Dataset, wanted func(tag.Tag) bool) []*dicom.Element {
	for e := range d.All() {
		if !wanted(e.Tag) {
			continue
		}
		if e.Bulk != nil {
			out = append(out, e)
		}
		for _, item := range e.Items {
			out = leftOut(out, item, wanted)
		}
	}
	return out
}
