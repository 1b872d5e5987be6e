package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Native images that are old enough can be kept compressed without loss. The order is that of a
// store: blob, index, and then the old bytes are erased. Each frame is decoded again and compared
// before it is written. A crash leaves one of two things: a record without a row, which recovery
// or a sweep finds to be the same object as the one that has it, and erases; or an erasure that is
// pending. The new record says in its File Meta Information what was received (PS3.10 7.1, Private
// Information): so the object is known again when it is sent once more, and after the index was
// rebuilt from the records.

// RecompressReport says what a piece of recompressing did.
type RecompressReport struct {
	Instances     int   // that were compressed
	Kept          int   // images that stay as they are: they have no such form, or a larger one
	Before, After int64 // bytes of those that were compressed
	Finished      bool  // all that is old enough was looked at
}

// marksPerRecompress is how many changes are looked at between two marks of how far it got.
const marksPerRecompress = 100

// RecompressOnce compresses the tenant's native images that were stored longer ago than
// Config.RecompressAfter, going on where the last call ended, until ctx ends or all are done. One
// node at a time should: it is to be called by a job.
func (a *Archive) RecompressOnce(ctx context.Context, t storage.TenantID) (report RecompressReport, err error) {
	const op = "archive.Recompress"
	to := syntax(a.cfg.Recompress)
	if _, err := a.encoder(to); err != nil || a.cfg.Ledger == nil || !to.Encapsulated || a.Lossy(to.UID) {
		return report, errs.Errorf(errs.Unsupported, op, "nothing can be kept in transfer syntax %q", to.UID)
	}
	mark := "recompress/" + string(t) + "/" + to.UID
	s, err := a.cfg.Ledger.Mark(ctx, mark)
	if err != nil {
		return report, err
	}
	after, _ := strconv.ParseInt(s, 10, 64) // "": from the beginning
	old := time.Now().Add(-a.cfg.RecompressAfter)
	for ctx.Err() == nil {
		changes, err := a.index.Changes(ctx, t, after, marksPerRecompress)
		if err != nil {
			return report, err
		}
		report.Finished = len(changes) == 0
		for _, c := range changes {
			if report.Finished = c.Time.After(old); report.Finished || ctx.Err() != nil {
				break
			}
			if c.Kind == index.InstanceStored {
				if err := a.recompress(ctx, t, c.Ref, to, &report); err != nil {
					return report, err
				}
			}
			after = c.Sequence
		}
		if err := a.cfg.Ledger.SetMark(context.WithoutCancel(ctx), mark, strconv.FormatInt(after, 10)); err != nil || report.Finished {
			return report, err
		}
	}
	return report, nil
}

// recompress compresses one instance. Only what would fail for the next one too is an error.
func (a *Archive) recompress(ctx context.Context, t storage.TenantID, r index.Ref, to dicom.TransferSyntax, report *RecompressReport) error {
	e, err := a.one(ctx, t, r, index.WithFrames)
	switch {
	case errs.Is(err, errs.NotFound): // deleted since
		return nil
	case err != nil:
		return err
	case !nativeObjects(syntax(e.TransferSyntaxUID)) || len(e.Frames) == 0 || a.damage.at(e.Location):
		return nil
	}
	if a.space.refuses(ctx) {
		return errs.Errorf(errs.Exhausted, "archive.Recompress", "storage is nearly full")
	}
	after, err := a.compress(ctx, t, e, to)
	switch kind := errs.KindOf(err); {
	case ctx.Err() != nil:
		return nil // it is looked at again
	case err == nil && after > 0:
		report.Instances++
		report.Before += e.Location.Length
		report.After += after
	case err == nil, kind == errs.Unsupported, kind == errs.Invalid, kind == errs.NotFound:
		report.Kept++
	case kind == errs.Internal: // damaged, or a codec that is: it stays, and the others go on
		report.Kept++
		a.log.Error("an object could not be compressed, and stays as it is", "err", err)
	default:
		return err
	}
	return nil
}

// compress writes the object in the other syntax and puts it in the place of the old one. It
// returns its size, 0 when the old one stays.
func (a *Archive) compress(ctx context.Context, t storage.TenantID, e index.Entry, to dicom.TransferSyntax) (int64, error) {
	head, err := a.notedHead(ctx, e, to)
	if err != nil {
		return 0, err
	}
	recoded, err := a.openRecoded(ctx, t, e, []dicom.TransferSyntax{to}, true)
	if err != nil {
		return 0, err
	}
	dataset := pipe(recoded, recoded.write)
	done := sync.OnceFunc(func() { dataset.Close() })
	defer done()
	w, err := a.blobs.Create(ctx, t)
	if err != nil {
		return 0, err
	}
	defer w.Abort()
	h, begin, size, err := a.receive(w, Incoming{Data: io.MultiReader(bytes.NewReader(head), dataset)})
	if err != nil || size >= e.Location.Length {
		return 0, err
	}
	known, err := identify(h, Incoming{SOPClassUID: e.SOPClassUID, SOPInstanceUID: e.SOPInstanceUID, StudyInstanceUID: e.StudyInstanceUID})
	if err != nil {
		return 0, err
	}
	row, err := instance(h, known, "")
	if err != nil {
		return 0, err
	}
	if row.Blob, err = w.Commit(ctx); err != nil {
		return 0, err
	}
	row.DatasetCRC = crcBehind(row.Blob.CRC32C, begin[:h.DatasetOffset], row.Blob.Location.Length-h.DatasetOffset)
	ctx = context.WithoutCancel(ctx)
	moved, err := a.index.Relocate(ctx, t, e.Location, row)
	switch {
	case unknown(err): // it may be there
		return 0, err
	case err != nil || !moved:
		if undo := a.takeBack(ctx, t, row.Blob.Location); undo != nil {
			a.log.Error("a record that is no instance stays for fsck", "object", string(row.Blob.Location.Object), "err", undo)
		}
		return 0, err
	}
	done() // an open reader would keep the old bytes
	a.quotas.refresh(t)
	a.eraseNoted(ctx, e.Location)
	return size, nil
}

// received is what identifies the data set that came in.
type received struct {
	syntax string
	length int64
	crc    uint32
	sum    string // SHA-256
}

// The note in the File Meta Information, and what marks it as ours.
const (
	noteForm    = "received %s %d %08x %s"
	noteCreator = uid.ImplementationClassUID + ".1"
)

// notedHead returns preamble and File Meta Information of the object in its new syntax, with a
// note of what was received. One that has a note already, of whatever kind, is errs.Unsupported.
func (a *Archive) notedHead(ctx context.Context, e index.Entry, to dicom.TransferSyntax) ([]byte, error) {
	preamble, meta, err := a.meta(ctx, e.Location, e.DatasetOffset)
	if err != nil {
		return nil, err
	}
	if meta.Has(tag.PrivateInformationCreatorUID) || meta.Has(tag.PrivateInformation) {
		return nil, errs.Errorf(errs.Unsupported, "archive.Recompress", "its file meta information has no room for a note")
	}
	r, err := a.digest(ctx, e.Location, e.DatasetOffset, e.TransferSyntaxUID)
	if err != nil {
		return nil, err
	}
	if r.crc != e.DatasetCRC {
		return nil, a.mismatch(ctx, e)
	}
	note := fmt.Appendf(nil, noteForm, r.syntax, r.length, r.crc, r.sum)
	meta.SetUID(tag.TransferSyntaxUID, to.UID)
	meta.SetUID(tag.PrivateInformationCreatorUID, noteCreator)
	meta.SetElement(dicom.Element{Tag: tag.PrivateInformation, VR: vr.OB, Value: append(note, make([]byte, len(note)%2)...)})
	return (&dicom.File{Preamble: preamble, Meta: meta, Dataset: &dicom.Dataset{}, TransferSyntax: to}).Bytes()
}

// meta reads preamble and File Meta Information of a record.
func (a *Archive) meta(ctx context.Context, l blob.Location, datasetOffset int64) (preamble []byte, meta *dicom.Dataset, err error) {
	const prefix = 128 + 4
	if datasetOffset < prefix || datasetOffset > maxHead {
		return nil, nil, errs.Errorf(errs.Invalid, "archive.meta", "file meta information of %d bytes", datasetOffset)
	}
	r, err := a.blobs.Open(ctx, l, 0, datasetOffset)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	b := make([]byte, datasetOffset)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, nil, err
	}
	meta, err = dicom.ParseDataset(b[prefix:], dicom.ExplicitVRLittleEndian)
	return b[:128], meta, err
}

// digest reads a data set for what identifies it.
func (a *Archive) digest(ctx context.Context, l blob.Location, datasetOffset int64, transferSyntaxUID string) (received, error) {
	r, err := a.blobs.Open(ctx, l, datasetOffset, -1)
	if err != nil {
		return received{}, err
	}
	defer r.Close()
	crc, sum := crc32.New(castagnoli), sha256.New()
	n, err := io.Copy(io.MultiWriter(crc, sum), onlyReader{r})
	return received{transferSyntaxUID, n, crc.Sum32(), hex.EncodeToString(sum.Sum(nil))}, err
}

// note reads what a record that was compressed here says of what was received.
func (a *Archive) note(ctx context.Context, l blob.Location, datasetOffset int64) (r received, found bool, err error) {
	_, meta, err := a.meta(ctx, l, datasetOffset)
	if errs.Is(err, errs.Invalid) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	e := meta.Get(tag.PrivateInformation)
	if e == nil || meta.UID(tag.PrivateInformationCreatorUID) != noteCreator {
		return r, false, nil
	}
	_, err = fmt.Sscanf(string(bytes.TrimRight(e.Value, "\x00")), noteForm, &r.syntax, &r.length, &r.crc, &r.sum)
	return r, err == nil, nil
}

// sameOrigin reports whether an entry and a committed record, which are not the same bytes, were
// received as the same data set, because one of them was compressed here.
func (a *Archive) sameOrigin(ctx context.Context, e index.Entry, row index.Instance) (bool, error) {
	if !syntax(e.TransferSyntaxUID).Encapsulated && !syntax(row.TransferSyntaxUID).Encapsulated {
		return false, nil
	}
	one, noted, err := a.note(ctx, e.Location, e.DatasetOffset)
	if err != nil {
		return false, err
	}
	other, too, err := a.note(ctx, row.Blob.Location, row.DatasetOffset)
	switch {
	case err != nil || !noted && !too:
		return false, err
	case !noted:
		one, err = a.digest(ctx, e.Location, e.DatasetOffset, e.TransferSyntaxUID)
	case !too:
		other, err = a.digest(ctx, row.Blob.Location, row.DatasetOffset, row.TransferSyntaxUID)
	}
	return one == other, err
}
