package imaging

import (
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Palette gives index First+i the colour Colors[i]; indices before and behind take the first and
// the last (PS3.3 C.7.6.3.1.5).
type Palette struct {
	First  int
	Colors [][3]uint8
}

// At returns the colour of an index.
func (p *Palette) At(i int) [3]uint8 {
	return p.Colors[min(max(i-p.First, 0), len(p.Colors)-1)]
}

var paletteTags = [3]struct{ descriptor, data, segmented tag.Tag }{
	{tag.RedPaletteColorLookupTableDescriptor, tag.RedPaletteColorLookupTableData, tag.SegmentedRedPaletteColorLookupTableData},
	{tag.GreenPaletteColorLookupTableDescriptor, tag.GreenPaletteColorLookupTableData, tag.SegmentedGreenPaletteColorLookupTableData},
	{tag.BluePaletteColorLookupTableDescriptor, tag.BluePaletteColorLookupTableData, tag.SegmentedBluePaletteColorLookupTableData},
}

// ReadPalette reads the Palette Color Lookup Tables of an image or a presentation state, in
// segments or not; nil when there is none. signed: First counts in two's complement, as the
// pixels do.
func ReadPalette(ds *dicom.Dataset, bulk Bulk, signed bool) (*Palette, error) {
	const op = "imaging.Palette"
	if !ds.Has(paletteTags[0].descriptor) {
		return nil, nil
	}
	var entries [3][]uint16
	var first descriptor
	for c, t := range paletteTags {
		d, err := readDescriptor(ds, t.descriptor, signed)
		if err != nil {
			return nil, err
		}
		if c == 0 {
			first = d
		} else if d.count != first.count {
			return nil, errs.Errorf(errs.Invalid, op, "the palettes of red, green and blue have different lengths")
		}
		if ds.Has(t.segmented) && !ds.Has(t.data) {
			b, err := value(ds, t.segmented, bulk)
			if err != nil {
				return nil, err
			}
			if entries[c], err = expand(b, d); err != nil {
				return nil, err
			}
		} else if entries[c], err = words(ds, t.data, bulk, d); err != nil {
			return nil, err
		}
		if len(entries[c]) == 0 {
			return nil, errs.Errorf(errs.Invalid, op, "a palette has no entries")
		}
	}
	// Some say 16 bits and mean 8.
	shift := 0
	for _, e := range entries {
		if first.bits > 8 && slices.Max(e) > 255 {
			shift = 8
		}
	}
	p := &Palette{First: first.first, Colors: make([][3]uint8, first.count)}
	for i := range p.Colors {
		for c, e := range entries {
			p.Colors[i][c] = uint8(e[min(i, len(e)-1)] >> shift)
		}
	}
	return p, nil
}

// expand decodes a segmented palette (PS3.3 C.7.9.2): discrete runs, lines, and segments that
// are used again. The result has as many entries as the descriptor counts, or less.
func expand(b []byte, d descriptor) ([]uint16, error) {
	var in []uint16
	if d.bits <= 8 { // opcodes, lengths and values have 8 bits, and indirect offsets two of them
		in = make([]uint16, len(b))
		for i, v := range b {
			in[i] = uint16(v)
		}
	} else {
		in = littleEndian(b)
	}
	out := make([]uint16, 0, d.count)
	out, err := segments(out, in, 0, len(in), d, false)
	return out[:min(len(out), d.count)], err
}

// segments appends what the segments from in[at] on say, at most count of them.
func segments(out, in []uint16, at, count int, d descriptor, nested bool) ([]uint16, error) {
	const op = "imaging.Palette"
	for first := true; count > 0 && len(out) < d.count && (first || at+1 < len(in)); count-- {
		if first = false; at+1 >= len(in) || in[at+1] == 0 { // each segment makes an entry, so this ends
			return out, errs.Errorf(errs.Invalid, op, "a segment of a palette is empty")
		}
		code, n := in[at], int(in[at+1])
		at += 2
		switch code {
		case 0: // discrete
			if n > len(in)-at {
				return out, errs.Errorf(errs.Invalid, op, "a segment of a palette is cut short")
			}
			out = append(out, in[at:at+n]...)
			at += n
		case 1: // a line from the last entry
			if at >= len(in) || len(out) == 0 {
				return out, errs.Errorf(errs.Invalid, op, "a segment of a palette is cut short")
			}
			from, to := float64(out[len(out)-1]), float64(in[at])
			at++
			for i := 1; i <= n; i++ {
				out = append(out, uint16(from+(to-from)*float64(i)/float64(n)+0.5))
			}
		case 2: // n segments again, from an offset in bytes
			offsetWords := 2
			if d.bits <= 8 {
				offsetWords = 4
			}
			if nested || at+offsetWords > len(in) {
				return out, errs.Errorf(errs.Invalid, op, "a segment of a palette is cut short or goes round in circles")
			}
			var offset int
			for i := offsetWords - 1; i >= 0; i-- {
				offset = offset<<(32/offsetWords) | int(in[at+i])
			}
			at += offsetWords
			if d.bits > 8 {
				offset /= 2
			}
			var err error
			if out, err = segments(out, in, offset, n, d, true); err != nil {
				return out, err
			}
		default:
			return out, errs.Errorf(errs.Invalid, op, "a palette has a segment of an unknown type")
		}
	}
	return out, nil
}
