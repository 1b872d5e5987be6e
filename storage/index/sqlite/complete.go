package sqlite

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// CompleteStudies is not there yet.
func (ix *Index) CompleteStudies(ctx context.Context, quiet time.Time, limit int) (int, error) {
	return 0, errs.Errorf(errs.Unsupported, "sqlite.CompleteStudies", "not yet")
}
