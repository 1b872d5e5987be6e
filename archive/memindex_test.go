package archive_test

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// memIndex is an index of one tenant in memory that can be made to forget and to fail, which no
// real engine offers.
type memIndex struct {
	index.Index // nil: what the tests here do not need
	mu          sync.Mutex
	rows        []index.Entry
	tails       map[storage.Key]int64
	ends        map[blob.Location]int64
	pending     []blob.Location
	addErr      error

	before    func() // an Add that waits for somebody else
	lost      error  // the answer of Add
	lostAfter bool   // it was written all the same
}

func newMemIndex() *memIndex {
	return &memIndex{tails: map[storage.Key]int64{}, ends: map[blob.Location]int64{}}
}

func under(e index.Entry, r index.Ref) bool {
	return (r.StudyInstanceUID == "" || r.StudyInstanceUID == e.StudyInstanceUID) &&
		(r.SeriesInstanceUID == "" || r.SeriesInstanceUID == e.SeriesInstanceUID) &&
		(r.SOPInstanceUID == "" || r.SOPInstanceUID == e.SOPInstanceUID)
}

func (x *memIndex) Add(ctx context.Context, t storage.TenantID, in index.Instance, replace bool) (index.Added, error) {
	if wait := x.before; wait != nil {
		wait()
	}
	if x.lost == nil || x.lostAfter {
		added, err := x.add(ctx, t, in, replace)
		if x.lost == nil {
			return added, err
		}
	}
	return index.Added{}, x.lost
}

func (x *memIndex) add(_ context.Context, _ storage.TenantID, in index.Instance, replace bool) (index.Added, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.addErr != nil {
		return index.Added{}, x.addErr
	}
	e := index.Entry{
		Ref:         index.Ref{StudyInstanceUID: in.StudyInstanceUID, SeriesInstanceUID: in.SeriesInstanceUID, SOPInstanceUID: in.SOPInstanceUID},
		SOPClassUID: in.SOPClassUID, TransferSyntaxUID: in.TransferSyntaxUID, Location: in.Blob.Location,
		DatasetOffset: in.DatasetOffset, DatasetCRC: in.DatasetCRC, Received: in.Blob.Received, Header: in.Header, Frames: in.Frames,
	}
	x.tails[in.Blob.Location.Object] = max(x.tails[in.Blob.Location.Object], in.Blob.End)
	x.ends[in.Blob.Location] = in.Blob.End
	for i, old := range x.rows {
		if old.SOPInstanceUID != e.SOPInstanceUID {
			continue
		}
		if !replace {
			return index.Added{Existing: &old}, nil
		}
		x.rows[i] = e
		x.pending = append(x.pending, old.Location)
		return index.Added{Sequence: 1, Replaced: &old}, nil
	}
	x.rows = append(x.rows, e)
	return index.Added{Sequence: int64(len(x.rows))}, nil
}

// forget loses the rows from n on, as a power cut does.
func (x *memIndex) forget(n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rows = x.rows[:n]
	x.tails = map[storage.Key]int64{}
	for _, e := range x.rows {
		x.tails[e.Location.Object] = max(x.tails[e.Location.Object], x.ends[e.Location])
	}
}

func (x *memIndex) Find(context.Context, storage.TenantID, *query.Query) iter.Seq2[*dicom.Dataset, error] {
	return func(func(*dicom.Dataset, error) bool) {}
}

func (x *memIndex) Count(context.Context, storage.TenantID, *query.Query) (int64, error) {
	return 0, nil
}

func (x *memIndex) Locate(_ context.Context, _ storage.TenantID, r index.Ref, _ index.Fields) iter.Seq2[index.Entry, error] {
	return func(yield func(index.Entry, error) bool) {
		x.mu.Lock()
		rows := slices.Clone(x.rows)
		x.mu.Unlock()
		for _, e := range rows {
			if under(e, r) && !yield(e, nil) {
				return
			}
		}
	}
}

func (x *memIndex) Series(context.Context, storage.TenantID, index.Ref) ([]index.SeriesState, error) {
	return nil, nil
}

func (x *memIndex) Remove(_ context.Context, _ storage.TenantID, r index.Ref) ([]blob.Location, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var gone []blob.Location
	x.rows = slices.DeleteFunc(x.rows, func(e index.Entry) bool {
		if under(e, r) {
			gone = append(gone, e.Location)
			return true
		}
		return false
	})
	if gone == nil {
		return nil, errs.Errorf(errs.NotFound, "index.Remove", "nothing there")
	}
	x.pending = append(x.pending, gone...)
	return gone, nil
}

func (x *memIndex) Changes(context.Context, storage.TenantID, int64, int) ([]index.Change, error) {
	return nil, nil
}

func (x *memIndex) Recent(context.Context, storage.TenantID, int) ([]*dicom.Dataset, error) {
	return nil, nil
}

func (x *memIndex) PendingErasures(context.Context) ([]blob.Location, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.pending), nil
}

func (x *memIndex) Erased(_ context.Context, ls []blob.Location) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pending = slices.DeleteFunc(x.pending, func(l blob.Location) bool { return slices.Contains(ls, l) })
	return nil
}

func (x *memIndex) Tails(context.Context) (map[storage.Key]int64, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.tails, nil
}

func (x *memIndex) Has(_ context.Context, l blob.Location) (bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lies(l) || slices.Contains(x.pending, l), nil
}

func (x *memIndex) lies(l blob.Location) bool {
	return slices.ContainsFunc(x.rows, func(e index.Entry) bool { return e.Location == l })
}

func (x *memIndex) NoteErasure(_ context.Context, _ storage.TenantID, l blob.Location) (bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lies(l) {
		return false, nil
	}
	x.pending = append(x.pending, l)
	return true, nil
}

func (x *memIndex) Discarded(context.Context, storage.TenantID, index.Ref, int) ([]index.Discarded, error) {
	return nil, nil
}

func (x *memIndex) Close() error { return nil }
