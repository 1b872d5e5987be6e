package archive

import (
	"context"
	"strconv"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/gzipped"
	"github.com/aurelius-imaging/aurelius/platform/cache"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// sharedFor is how long metadata stays in the shared cache: as long as a series usually grows.
// What is quiet is sealed and needs no cache.
const sharedFor = 10 * time.Minute

// growingMetadata makes the metadata of a series that has no seal, once among the nodes that
// share a cache.
func (a *Archive) growingMetadata(ctx context.Context, t storage.TenantID, s index.SeriesState, f Form) (gzipped.Piece, error) {
	if a.cfg.Shared == nil {
		return a.buildMetadata(ctx, t, s, f, gzipped.Fast)
	}
	key := cache.KeyOf(t, "metadata", s.StudyInstanceUID, s.SeriesInstanceUID,
		strconv.FormatInt(s.Revision, 10), strconv.Itoa(s.Instances), f.Name)
	b, err := a.cfg.Shared.Do(ctx, key, sharedFor, func() ([]byte, error) {
		p, err := a.buildMetadata(ctx, t, s, f, gzipped.Fast)
		if err != nil {
			return nil, err
		}
		return appendSealed(nil, p), nil
	})
	if err != nil {
		return gzipped.Piece{}, err
	}
	if len(b) < sealTrailer { // not ours
		return a.buildMetadata(ctx, t, s, f, gzipped.Fast)
	}
	return parseSealed(b), nil
}
