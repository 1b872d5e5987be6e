package pixel

import (
	"math"
	"math/bits"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// native is pixel data whose frames are slices of one size that follow each other without
// padding, not even to whole bytes (PS3.5 8.1.1).
type native struct {
	offset int64 // of frame 1
	bits   int64 // of one frame
}

// frame locates a frame (0-based). fromNative and parseNative see to it that nothing overflows.
func (v native) frame(i int) (Span, int) {
	start := int64(i) * v.bits
	first, end := start/8, (start+v.bits+7)/8
	return Span{Offset: v.offset + first, Length: end - first}, int(start % 8)
}

// fits reports whether frames of that size can lie behind the offset in any object.
func (v native) fits(frames int) bool {
	if v.offset < 0 || v.bits <= 0 || frames < 1 || frames > maxFrames {
		return false
	}
	high, total := bits.Mul64(uint64(v.bits), uint64(frames))
	return high == 0 && total <= math.MaxInt64-7 && int64(total/8) < math.MaxInt64-v.offset
}

func fromNative(h *dicom.Header, frames int) (*FrameIndex, error) {
	const op = "pixel.Index"
	p := h.Pixel
	size, err := frameBits(h, frames)
	if err != nil {
		return nil, err
	}
	v := native{offset: p.Offset, bits: size}
	if !v.fits(frames) {
		return nil, errs.Errorf(errs.Invalid, op, "Rows, Columns, Bits Allocated and Number of Frames are beyond any pixel data")
	}
	if need := (size*int64(frames) + 7) / 8; need > p.Length {
		return nil, errs.Errorf(errs.Invalid, op, "pixel data has %d bytes, its %d frames need %d", p.Length, frames, need)
	}
	return &FrameIndex{frames: frames, native: v}, nil
}

// frameBits returns the size of a native frame (PS3.3 C.7.6.3).
func frameBits(h *dicom.Header, frames int) (int64, error) {
	const op = "pixel.Index"
	allocated := int64(0)
	switch h.Pixel.Tag {
	case tag.FloatPixelData: // Bits Allocated is 32 (PS3.3 C.7.6.24)
		allocated = 32
	case tag.DoubleFloatPixelData: // 64 (PS3.3 C.7.6.25)
		allocated = 64
	default:
		allocated, _ = h.Dataset.Int(tag.BitsAllocated)
	}
	rows, _ := h.Dataset.Int(tag.Rows)
	columns, _ := h.Dataset.Int(tag.Columns)
	photometric := h.Dataset.Text(tag.PhotometricInterpretation)
	samples, ok := h.Dataset.Int(tag.SamplesPerPixel)
	if !ok && (photometric == "" || strings.HasPrefix(photometric, "MONOCHROME")) {
		samples = 1 // ACR-NEMA images, which knew no colour, have no such element
	}
	for _, a := range [...]struct {
		value, max int64
		name       string
	}{
		{rows, math.MaxUint16, "Rows"}, {columns, math.MaxUint16, "Columns"},
		{samples, math.MaxUint16, "Samples per Pixel"}, {allocated, 64, "Bits Allocated"},
	} {
		if a.value < 1 || a.value > a.max {
			return 0, errs.Errorf(errs.Invalid, op, "%s is missing or out of range", a.name)
		}
	}
	plane := rows * columns * allocated // below 2^38, so that no product here overflows
	whole := plane * samples
	if samples != 3 {
		return whole, nil
	}
	switch photometric {
	case "YBR_FULL_422", "YBR_PARTIAL_422": // two of three samples are there (PS3.3 C.7.6.3.1.2)
		// Some writers keep the name from a JPEG they decoded to all three samples.
		if whole%8 == 0 {
			if full := whole / 8 * int64(frames); full == h.Pixel.Length || full+1 == h.Pixel.Length {
				return whole, nil
			}
		}
		return plane * 2, nil
	case "YBR_PARTIAL_420":
		return plane * 3 / 2, nil
	}
	return whole, nil
}
