package pixel

import (
	"encoding/binary"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// itemHeader is the size of an item's tag and length, which stand before every fragment.
const itemHeader = 8

func fromFragments(h *dicom.Header, frames int) (*FrameIndex, error) {
	const op = "pixel.Index"
	full := h.Pixel.Fragments
	if slices.ContainsFunc(full, empty) {
		full = slices.DeleteFunc(slices.Clone(full), empty)
	}
	if h.TransferSyntax.Video() {
		frames = 1 // PS3.5 8.2.5 and on: fragments are cut anywhere in the stream
	}
	switch {
	case len(full) == 0:
		return nil, errs.Errorf(errs.Invalid, op, "pixel data has no fragments")
	case frames > len(full):
		return nil, errs.Errorf(errs.Invalid, op, "pixel data has %d fragments for %d frames", len(full), frames)
	}
	starts, exact := frameStarts(h.Pixel, full, frames)
	if starts == nil {
		return nil, errs.Errorf(errs.Invalid, op,
			"%d fragments are not told apart into %d frames by an offset table or by their content", len(full), frames)
	}
	b := builder{item: full[0].Offset - itemHeader}
	trim := trimmer(h, frames, exact)
	for i, start := range starts {
		end := len(full)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		spans := b.next(end - start)
		for j, f := range full[start:end] {
			spans[j] = Span{f.Offset, f.Length}
		}
		if len(spans) == 1 {
			spans[0].Length = trim(i, spans[0].Length)
		}
	}
	t, err := b.table(frames)
	if err != nil {
		return nil, err
	}
	return &FrameIndex{frames: frames, table: t}, nil
}

func empty(f dicom.Fragment) bool { return f.Length == 0 }

// frameStarts returns the index in full (the fragments that are not empty) of each frame's
// first fragment, nil when nothing tells. exact: the Extended Offset Table told, so its lengths
// hold too.
//
// An offset table is only believed when it fits the fragments. Where there are as many fragments
// as frames it can say nothing new, and a wrong one does no harm.
func frameStarts(p *dicom.PixelData, full []dicom.Fragment, frames int) (starts []int, exact bool) {
	if len(p.ExtOffsets) == 8*frames {
		starts = startsFromTable(p, frames, func(i int) uint64 { return binary.LittleEndian.Uint64(p.ExtOffsets[8*i:]) })
		if starts != nil {
			return starts, true
		}
	}
	switch {
	case frames == 1: // all there is, a table of several offsets or not
		return []int{0}, false
	case frames == len(full): // also the rule of RLE (PS3.5 A.4.2)
		starts = make([]int, frames)
		for i := range starts {
			starts[i] = i
		}
		return starts, false
	}
	if len(p.BasicOffsets) == 4*frames {
		starts = startsFromTable(p, frames, func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(p.BasicOffsets[4*i:])) })
		if starts != nil {
			return starts, false
		}
	}
	return startsFromContent(full, frames), false
}

// startsFromTable matches offsets, which count from the first item's tag, with the items. It
// returns nil unless they ascend, each is that of an item, and each frame has a byte.
func startsFromTable(p *dicom.PixelData, frames int, offset func(i int) uint64) []int {
	starts := make([]int, 0, frames)
	full := 0 // fragments with content before the one looked at
	for _, f := range p.Fragments {
		if len(starts) == frames {
			if f.Length > 0 {
				full++
			}
			continue
		}
		at := uint64(f.Offset - itemHeader - p.FirstItem)
		switch want := offset(len(starts)); {
		case at == want:
			if len(starts) > 0 && starts[len(starts)-1] == full {
				return nil // the frame before is empty
			}
			starts = append(starts, full)
		case at > want:
			return nil
		}
		if f.Length > 0 {
			full++
		}
	}
	// Fragments before the first frame, a frame behind the last fragment, or only an empty last one.
	if len(starts) != frames || starts[0] != 0 || starts[frames-1] == full {
		return nil
	}
	return starts
}

// startsFromContent takes the fragments that begin a codestream as the frames' first, if there
// are as many of them as frames.
func startsFromContent(full []dicom.Fragment, frames int) []int {
	if !full[0].Start {
		return nil
	}
	starts := make([]int, 0, frames)
	for i, f := range full {
		if !f.Start {
			continue
		}
		if len(starts) == frames {
			return nil
		}
		starts = append(starts, i)
	}
	if len(starts) != frames {
		return nil
	}
	return starts
}

// trimmer returns a function that takes the pad byte (PS3.5 A.4) off the fragment of a frame
// that has only one, where the object says how long the frame is.
func trimmer(h *dicom.Header, frames int, exact bool) func(i int, length int64) int64 {
	p := h.Pixel
	if exact && len(p.ExtLengths) == 8*frames {
		return func(i int, length int64) int64 {
			if binary.LittleEndian.Uint64(p.ExtLengths[8*i:]) == uint64(length-1) {
				return length - 1
			}
			return length
		}
	}
	if h.TransferSyntax.UID == dicom.EncapsulatedUncompressed.UID && p.Tag == tag.PixelData {
		if bits, err := frameBits(h, frames); err == nil {
			return func(_ int, length int64) int64 {
				if (bits+7)/8 == length-1 {
					return length - 1
				}
				return length
			}
		}
	}
	return func(_ int, length int64) int64 { return length }
}
