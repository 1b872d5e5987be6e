package sqlite

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Unsealed is not there yet.
func (ix *Index) Unsealed(ctx context.Context, quiet time.Time, limit int) (map[storage.TenantID][]index.SeriesState, error) {
	return nil, nil
}

// Seal is not there yet.
func (ix *Index) Seal(ctx context.Context, t storage.TenantID, s index.SeriesState, seal index.Seal) (bool, error) {
	return false, errs.Errorf(errs.Unsupported, "sqlite.Seal", "not yet")
}

// StaleSeals is not there yet.
func (ix *Index) StaleSeals(ctx context.Context) ([]blob.Location, error) { return nil, nil }

// SealsErased is not there yet.
func (ix *Index) SealsErased(ctx context.Context, ls []blob.Location) error { return nil }

// Relocate is not there yet.
func (ix *Index) Relocate(ctx context.Context, t storage.TenantID, rs []index.Relocation) ([]bool, error) {
	return nil, errs.Errorf(errs.Unsupported, "sqlite.Relocate", "not yet")
}
