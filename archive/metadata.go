package archive

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/gzipped"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Headers streams the headers of the instances under r with their entries, in order. Nothing
// there is an empty sequence.
func (a *Archive) Headers(ctx context.Context, t storage.TenantID, r index.Ref) iter.Seq2[*dicom.Header, error] {
	return func(yield func(*dicom.Header, error) bool) {
		a.audit(ctx, Access{Tenant: t, Action: Retrieved, Ref: r})
		for h, err := range a.headers(ctx, t, r) {
			if !yield(h, err) {
				return
			}
		}
	}
}

func (a *Archive) headers(ctx context.Context, t storage.TenantID, r index.Ref) iter.Seq2[*dicom.Header, error] {
	return func(yield func(*dicom.Header, error) bool) {
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

// Form is how a door writes metadata.
type Form struct {
	// Name tells forms apart: two that differ in one byte of what they write have two names
	// (encoding, base URL).
	Name string
	// New returns what appends the header of one instance; it is used by one goroutine.
	New func() func(dst []byte, h *dicom.Header) []byte
}

// Sealed reports whether the series is sealed in this form: SeriesMetadata then gives the same
// bytes each time, and Sealed.ETag names them.
func (f Form) Sealed(s index.SeriesState) bool {
	return s.Sealed != nil && strings.HasSuffix(s.Sealed.ETag, f.suffix())
}

type metadataKey struct {
	tenant        storage.TenantID
	study, series string
	revision      int64
	form          string
}

// SeriesMetadata returns the metadata of the series in the given state: its instances in a form,
// with commas between them, compressed. What is sealed is read as it lies, else it is made of
// the headers; both are kept in memory until the series changes. Concurrent calls do it once.
// The result is shared and must not be changed.
func (a *Archive) SeriesMetadata(ctx context.Context, t storage.TenantID, s index.SeriesState, f Form) (gzipped.Piece, error) {
	a.audit(ctx, Access{Tenant: t, Action: Retrieved, Ref: seriesRef(s)})
	if a.form.Load() == nil {
		a.form.CompareAndSwap(nil, &f)
	}
	key := metadataKey{t, s.StudyInstanceUID, s.SeriesInstanceUID, s.Revision, f.Name}
	if p, ok := a.metadata.get(key); ok {
		return p, nil
	}
	v, err, _ := a.building.Do(fmt.Sprint(key), func() (any, error) {
		// Others may wait for this answer when its first client goes away.
		p, err := a.obtainMetadata(context.WithoutCancel(ctx), t, s, f)
		if err == nil {
			a.metadata.put(key, p, int64(len(p.Blocks)+len(f.Name)+256))
		}
		return p, err
	})
	if err != nil {
		return gzipped.Piece{}, err
	}
	return v.(gzipped.Piece), nil
}

func seriesRef(s index.SeriesState) index.Ref {
	return index.Ref{StudyInstanceUID: s.StudyInstanceUID, SeriesInstanceUID: s.SeriesInstanceUID}
}

// buildMetadata makes the metadata of a series of its headers; no object is opened.
func (a *Archive) buildMetadata(ctx context.Context, t storage.TenantID, s index.SeriesState, f Form, level int) (gzipped.Piece, error) {
	const chunk = 64 << 10
	w := gzipped.NewWriter(level)
	write := f.New()
	buf := make([]byte, 0, chunk+8<<10)
	first := true
	for h, err := range a.headers(ctx, t, seriesRef(s)) {
		if err != nil {
			return gzipped.Piece{}, err
		}
		if !first {
			buf = append(buf, ',')
		}
		first = false
		if buf = write(buf, h); len(buf) > chunk {
			_, _ = w.Write(buf) // into memory
			buf = buf[:0]
		}
	}
	_, _ = w.Write(buf)
	return w.Piece(), nil
}
