package dicomweb

import "github.com/aurelius-imaging/aurelius/internal/errs"

// StatusOf opens the status table to its test.
func StatusOf(k errs.Kind) (http, stow int, reason uint16, ok bool) {
	st, ok := statuses[k]
	return st.http, st.stow, st.reason, ok
}
