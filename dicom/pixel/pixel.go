// Package pixel finds frames: where in an object each frame's bytes lie, from native slices or
// from fragments with an Extended or Basic Offset Table or none (PS3.5 8 and A.4, PS3.3
// C.7.6.3.1.8). It never decodes. Frame numbers are 1-based.
//
// The table is made once, when an object is stored, and is kept in its encoded form: three
// numbers for native pixel data, two or three bytes per frame for fragments. Looking a frame up
// reads the encoded bytes in place, so that parsing a table costs nothing however long it is.
//
// Left out: video streams (MPEG-2, MPEG-4, HEVC) have no frames that stand alone and count as
// one frame, whatever Number of Frames says. Bytes are as encoded: in Explicit VR Big Endian
// words keep their order.
package pixel

import (
	"math"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Span is a run of bytes in the object.
type Span struct{ Offset, Length int64 }

// FrameIndex tells where the frames of one instance lie. Immutable, safe for concurrent use;
// memory is a few bytes per frame.
type FrameIndex struct {
	frames int
	native native // where table is nil
	table  *table // fragments
}

// maxFrames bounds Number of Frames: IS holds no more (PS3.5 Table 6.2-1).
const maxFrames = math.MaxInt32

// Index builds the table from a header. Objects without pixel data give nil, nil. When the
// offset table is missing or wrong and frames cannot be told apart, the error is errs.Invalid
// and says why; the object can still be stored.
func Index(h *dicom.Header) (*FrameIndex, error) {
	const op = "pixel.Index"
	p := h.Pixel
	if p == nil {
		return nil, nil
	}
	// A syntax that this version does not know has no name and may be either.
	if ts := h.TransferSyntax; ts.Name != "" && ts.Encapsulated != p.Encapsulated {
		return nil, errs.Errorf(errs.Invalid, op, "pixel data is not encoded as the transfer syntax says")
	}
	frames, err := numberOfFrames(h.Dataset)
	if err != nil {
		return nil, err
	}
	if p.Encapsulated {
		return fromFragments(h, frames)
	}
	return fromNative(h, frames)
}

// numberOfFrames returns Number of Frames, 1 where it is absent or empty (PS3.3 C.7.6.6).
func numberOfFrames(d *dicom.Dataset) (int, error) {
	e := d.Get(tag.NumberOfFrames)
	if e == nil || e.IsEmpty() {
		return 1, nil
	}
	n, ok := e.Int()
	if !ok || n < 1 || n > maxFrames {
		return 0, errs.Errorf(errs.Invalid, "pixel.Index", "Number of Frames is no positive number")
	}
	return int(n), nil
}

// Frames returns the number of frames.
func (x *FrameIndex) Frames() int { return x.frames }

// Frame returns the spans that joined are frame n (1-based); more than one when the frame has
// several fragments. For native bit-packed frames that do not begin on a byte, bit says how many
// bits of the first byte belong to the frame before. Pad bytes are part of the frame where the
// object does not say otherwise.
func (x *FrameIndex) Frame(n int) (spans []Span, bit int, err error) {
	if n < 1 || n > x.frames {
		return nil, 0, errs.Errorf(errs.NotFound, "pixel.Frame", "no frame %d, the instance has %d", n, x.frames)
	}
	if x.table != nil {
		spans, err = x.table.frame(n - 1)
		return spans, 0, err
	}
	span, bit := x.native.frame(n - 1)
	return []Span{span}, bit, nil
}
