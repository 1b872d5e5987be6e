// Package pixel finds frames: where in an object each frame's bytes lie, from native slices or
// from fragments with a Basic or Extended Offset Table or none (PS3.5 A.4, PS3.3 C.7.6.3.1.8).
// It never decodes. Frame numbers are 1-based.
package pixel

import "github.com/aurelius-imaging/aurelius/dicom"

// Span is a run of bytes in the object.
type Span struct{ Offset, Length int64 }

// FrameIndex tells where the frames of one instance lie. Immutable, safe for concurrent use;
// memory is a few bytes per frame.
type FrameIndex struct {
	// fields are the helper's
}

// Index builds the table from a header. Objects without pixel data give nil, nil. When the
// offset table is missing or wrong and frames cannot be told apart, the error is errs.Invalid
// and says why; the object can still be stored.
func Index(h *dicom.Header) (*FrameIndex, error) { panic("dicom helper") }

// Frames returns the number of frames.
func (x *FrameIndex) Frames() int { panic("dicom helper") }

// Frame returns the spans that joined are frame n (1-based); more than one when the frame has
// several fragments. For native bit-packed frames that do not begin on a byte, bit says how many
// bits of the first byte belong to the frame before.
func (x *FrameIndex) Frame(n int) (spans []Span, bit int, err error) { panic("dicom helper") }

// Append appends the table's encoding (kept by the index) to dst.
func (x *FrameIndex) Append(dst []byte) []byte { panic("dicom helper") }

// Parse reads what Append wrote.
func Parse(b []byte) (*FrameIndex, error) { panic("dicom helper") }
