package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// outcome is what became of a committed blob that was to be the instance of its UID.
type outcome uint8

const (
	undecided  outcome = iota // nothing is said of its row
	unanswered                // the index was lost: the row may be there
	entered                   // it is the instance
	replaced                  // it is, in the place of another
	same                      // the same data set is the instance
	beaten                    // another object is
)

// maxTries is how often another node may delete the entry a blob is held against.
const maxTries = 3

// contend makes a committed blob the instance of its UID. Where another object is that, wins says
// which of the two is to be; displaced is the one that gave way, noted for erasure.
func (a *Archive) contend(ctx context.Context, t storage.TenantID, row index.Instance, wins func(index.Entry) bool) (
	o outcome, displaced blob.Location, err error) {
	for try := 1; ; try++ {
		added, err := a.index.Add(ctx, t, row, false)
		switch {
		case unknown(err):
			return unanswered, displaced, err
		case err != nil:
			return undecided, displaced, err
		case added.Existing == nil, added.Existing.Location == row.Blob.Location: // a sweep, or another try of the engine, was faster
			return entered, displaced, nil
		}
		identical, err := a.identical(ctx, *added.Existing, row)
		lost := errs.Is(err, errs.NotFound)
		switch {
		case lost && try < maxTries:
			continue // deleted between the two
		case err != nil && !lost:
			return undecided, displaced, err
		case identical:
			return same, displaced, nil
		case !wins(*added.Existing):
			return beaten, displaced, nil
		}
		added, err = a.index.Add(ctx, t, row, true)
		switch {
		case unknown(err):
			return unanswered, displaced, err
		case err != nil:
			return undecided, displaced, err
		case added.Replaced != nil:
			return replaced, added.Replaced.Location, nil
		}
		return entered, displaced, nil
	}
}

// unknown reports whether after this error of Add the row may be there all the same: the engine
// was lost before it answered, and its commit may still be on the way. The bytes must stay then;
// without a row they are an orphan.
func unknown(err error) bool {
	return errs.Is(err, errs.Unavailable) || errs.Is(err, errs.Canceled)
}

// enter makes a committed blob an instance of the index, or settles that it is a duplicate. A
// blob that does not become an instance is taken back, unless it may have become one.
func (a *Archive) enter(ctx context.Context, t storage.TenantID, row index.Instance, s Stored) (Stored, error) {
	o, displaced, err := a.contend(ctx, t, row, func(e index.Entry) bool {
		return a.cfg.Duplicates == Replace || a.heals(ctx, e, row)
	})
	switch o {
	case unanswered:
		return s, err
	case entered:
		return s, nil
	case replaced:
		s.Replaced = true
		a.eraseLater(ctx, displaced)
		return s, nil
	case same:
		s.Duplicate = true
	case beaten:
		err = errs.Errorf(errs.Conflict, "archive.Store", "another object is stored under this SOP Instance UID")
	}
	if undo := a.takeBack(ctx, t, row.Blob.Location); undo != nil {
		a.log.Error("a record that is no instance stays for fsck", "object", string(row.Blob.Location.Object), "err", undo)
	}
	return s, err
}

// takeBack erases a committed blob that is not to be an instance. It is noted first: left behind
// by a crash or an outage, unknown, a duplicate would come back as a new instance after its
// original was deleted. It fails when the blob is left behind all the same.
func (a *Archive) takeBack(ctx context.Context, t storage.TenantID, l blob.Location) error {
	noted, err := a.index.NoteErasure(ctx, t, l)
	switch {
	case unknown(err): // nor whether a sweep has made an instance of it
		return err
	case err != nil: // an index that is full, say
		return a.blobs.Erase(ctx, l)
	case noted:
		a.eraseNoted(ctx, l)
	}
	return nil
}

// heals reports whether the row is the same object as the entry, whose bytes are damaged or lost.
func (a *Archive) heals(ctx context.Context, e index.Entry, row index.Instance) bool {
	if e.TransferSyntaxUID != row.TransferSyntaxUID || e.DatasetCRC != row.DatasetCRC {
		if same, err := a.sameOrigin(ctx, e, row); err != nil || !same {
			return false
		}
	}
	return a.broken(ctx, e)
}

// broken reports whether the bytes of an entry are damaged or lost.
func (a *Archive) broken(ctx context.Context, e index.Entry) bool {
	err := a.blobs.Verify(ctx, e.Location)
	return errs.Is(err, errs.Invalid) || errs.Is(err, errs.NotFound)
}

// identical reports whether a committed blob was received as the same data set as an entry: byte
// by byte, or by the note of one that was compressed here.
func (a *Archive) identical(ctx context.Context, e index.Entry, row index.Instance) (bool, error) {
	same, err := a.sameBytes(ctx, e, row)
	if err != nil || same {
		return same, err
	}
	if same, err = a.sameOrigin(ctx, e, row); err != nil || !same {
		return false, err
	}
	return !a.broken(ctx, e), nil
}

// sameBytes compares the data set of a committed blob with that of an entry.
func (a *Archive) sameBytes(ctx context.Context, e index.Entry, row index.Instance) (bool, error) {
	if e.TransferSyntaxUID != row.TransferSyntaxUID || e.DatasetCRC != row.DatasetCRC ||
		e.Location.Length-e.DatasetOffset != row.Blob.Location.Length-row.DatasetOffset {
		return false, nil
	}
	one, err := a.blobs.Open(ctx, e.Location, e.DatasetOffset, -1)
	if err != nil {
		return false, err
	}
	defer one.Close()
	other, err := a.blobs.Open(ctx, row.Blob.Location, row.DatasetOffset, -1)
	if err != nil {
		return false, err
	}
	defer other.Close()
	var p, q [32 << 10]byte
	for {
		n, err := io.ReadFull(one, p[:])
		m, err2 := io.ReadFull(other, q[:])
		switch {
		case !bytes.Equal(p[:n], q[:m]):
			return false, nil
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return err2 == err, nil
		case err != nil || err2 != nil:
			return false, errs.E(errs.Unavailable, "archive.Store", fmt.Errorf("comparing: %v, %v", err, err2))
		}
	}
}
