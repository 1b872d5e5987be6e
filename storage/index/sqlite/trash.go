package sqlite

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Discard is not there yet.
func (ix *Index) Discard(ctx context.Context, t storage.TenantID, r index.Ref, until time.Time) (int, error) {
	return 0, errs.Errorf(errs.Unsupported, "sqlite.Discard", "not yet")
}

// Discarded is not there yet.
func (ix *Index) Discarded(ctx context.Context, t storage.TenantID, r index.Ref, limit int) ([]index.Discarded, error) {
	return nil, errs.Errorf(errs.Unsupported, "sqlite.Discarded", "not yet")
}

// Restore is not there yet.
func (ix *Index) Restore(ctx context.Context, t storage.TenantID, r index.Ref) (int, error) {
	return 0, errs.Errorf(errs.Unsupported, "sqlite.Restore", "not yet")
}

// Expire is not there yet.
func (ix *Index) Expire(ctx context.Context, now time.Time, limit int) ([]blob.Location, error) {
	return nil, nil
}

// Usage is not there yet.
func (ix *Index) Usage(ctx context.Context, t storage.TenantID) (index.Usage, error) {
	return index.Usage{}, errs.Errorf(errs.Unsupported, "sqlite.Usage", "not yet")
}
