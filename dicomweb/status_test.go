package dicomweb_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicomweb"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// TestEveryKindHasAStatus holds the door's table to the vocabulary of errs.
func TestEveryKindHasAStatus(t *testing.T) {
	t.Parallel()
	for _, k := range errs.Kinds() {
		http, stow, reason, ok := dicomweb.StatusOf(k)
		if !ok || http < 400 || http > 599 || stow < 400 || stow > 599 || reason == 0 {
			t.Errorf("%s: status %d, store %d, reason %04X", k, http, stow, reason)
		}
	}
}
