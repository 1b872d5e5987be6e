package archive

import (
	"context"
	"fmt"
	"iter"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Headers streams the headers of the instances under r with their entries, in order. Nothing
// there is an empty sequence.
func (a *Archive) Headers(ctx context.Context, t storage.TenantID, r index.Ref) iter.Seq2[*dicom.Header, error] {
	return func(yield func(*dicom.Header, error) bool) {
		a.audit(ctx, Access{Tenant: t, Action: Retrieved, Ref: r})
		for e, err := range a.index.Locate(ctx, t, r, index.WithHeader) {
			var h *dicom.Header
			if err == nil {
				h, err = dicom.ParseHeader(e.Header)
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

// Series lists the series under r with their revisions: what validators (ETag) are made of.
func (a *Archive) Series(ctx context.Context, t storage.TenantID, r index.Ref) ([]index.SeriesState, error) {
	return a.index.Series(ctx, t, r)
}

type metadataKey struct {
	tenant  storage.TenantID
	series  index.SeriesState
	variant string
}

// SeriesMetadata returns what build makes of the series in the given state, kept until the
// series changes: a body ready to send. variant tells bodies of one series apart (encoding, base
// URL). Concurrent calls build once. The result is shared and must not be changed.
func (a *Archive) SeriesMetadata(t storage.TenantID, s index.SeriesState, variant string, build func() ([]byte, error)) ([]byte, error) {
	key := metadataKey{t, s, variant}
	if b, ok := a.metadata.get(key); ok {
		return b, nil
	}
	flight := fmt.Sprintf("%s %s %d %s", t, s.SeriesInstanceUID, s.Revision, variant)
	v, err, _ := a.building.Do(flight, func() (any, error) {
		b, err := build()
		if err == nil {
			a.metadata.put(key, b, int64(len(b)+len(variant)+256))
		}
		return b, err
	})
	if err != nil {
		return nil, err
	}
	return v.([]byte), nil
}
