package mem_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
	"github.com/aurelius-imaging/aurelius/storage/blob/mem"
)

func TestStore(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Engine{
		New:  func(*testing.T) blob.Store { return mem.New() },
		Flip: func(_ *testing.T, s blob.Store, l blob.Location, at int64) { s.(*mem.Store).Flip(l, at) },
	})
}
