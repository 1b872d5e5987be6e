package imaging

import (
	"encoding/binary"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Overlay is a plane of single bits over the image (PS3.3 C.9.2).
type Overlay struct {
	Group         uint16 // 0x6000 to 0x601E
	Rows, Columns int
	X, Y          int    // of its upper left pixel in the image, from 0; may lie outside
	ROI           bool   // a region of interest, else graphics
	Label         string // Overlay Label or Description
	Bits          []byte // a byte for each pixel, 0 or 1
}

// maxOverlay bounds the pixels of an overlay that is unpacked.
const maxOverlay = 1 << 26

// ReadOverlays reads the overlays of frame n (1-based) of an image or a presentation state. f is
// the frame where overlays may be embedded in its samples (retired, PS3.5 8.1.2), nil where
// not. What cannot be read is left out and named by its error.
func ReadOverlays(ds *dicom.Dataset, n int, f *codec.Frame, bulk Bulk) (out []Overlay, left []error) {
	for group := uint16(0x6000); group <= 0x601E; group += 2 {
		at := func(element uint16) tag.Tag { return tag.New(group, element) }
		if !ds.Has(at(0x0010)) && !ds.Has(at(0x3000)) {
			continue
		}
		number := func(element uint16, absent int) int {
			if v, ok := ds.Int(at(element)); ok {
				return int(min(max(v, -1<<20), 1<<20))
			}
			return absent
		}
		o := Overlay{Group: group, Rows: number(0x0010, 0), Columns: number(0x0011, 0), ROI: ds.Text(at(0x0040)) == "R", Label: ds.Text(at(0x1500))}
		if o.Label == "" {
			o.Label = ds.Text(at(0x0022))
		}
		if origin := ds.Ints(at(0x0050)); len(origin) == 2 { // row\column from 1
			o.Y, o.X = int(min(max(origin[0], -1<<20), 1<<20))-1, int(min(max(origin[1], -1<<20), 1<<20))-1
		}
		// Number of Frames in Overlay, Image Frame Origin: without them it lies over every frame.
		plane, frames := 0, number(0x0015, 1)
		if ds.Has(at(0x0015)) || ds.Has(at(0x0051)) {
			if plane = n - number(0x0051, 1); plane < 0 || plane >= frames {
				continue
			}
		}
		err := errs.Errorf(errs.Invalid, "imaging.Overlay", "overlay %04X has no pixels", group)
		switch pixels := o.Rows * o.Columns; {
		case o.Rows < 1 || o.Columns < 1:
		case pixels > maxOverlay:
			err = errs.Errorf(errs.Exhausted, "imaging.Overlay", "overlay %04X is too large", group)
		case ds.Has(at(0x3000)):
			err = o.unpack(ds, at(0x3000), plane, bulk)
		case f != nil:
			err = o.embedded(f, number(0x0102, 0))
		}
		if err != nil {
			left = append(left, err)
			continue
		}
		out = append(out, o)
	}
	return out, left
}

// unpack reads Overlay Data: bits from the lowest up, planes without gaps.
func (o *Overlay) unpack(ds *dicom.Dataset, t tag.Tag, plane int, bulk Bulk) error {
	b, err := value(ds, t, bulk)
	if err != nil {
		return err
	}
	n, from := o.Rows*o.Columns, plane*o.Rows*o.Columns
	if plane > 1<<20 || (from+n+7)/8 > len(b) {
		return errs.Errorf(errs.Invalid, "imaging.Overlay", "overlay %04X is shorter than its rows and columns", o.Group)
	}
	o.Bits = make([]byte, n)
	for i := range o.Bits {
		o.Bits[i] = b[(from+i)>>3] >> ((from + i) & 7) & 1
	}
	return nil
}

// embedded takes a bit of every sample that no sample value uses.
func (o *Overlay) embedded(f *codec.Frame, bit int) error {
	low := f.HighBit + 1 - f.BitsStored
	if o.Rows != f.Rows || o.Columns != f.Columns || f.SamplesPerPixel != 1 || bit < 0 || bit >= 8*f.Width() ||
		bit >= low && bit <= f.HighBit || f.Width() > 2 {
		return errs.Errorf(errs.Invalid, "imaging.Overlay", "overlay %04X is not in the pixel data", o.Group)
	}
	o.Bits = make([]byte, o.Rows*o.Columns)
	for i := range o.Bits {
		if f.Width() == 1 {
			o.Bits[i] = f.Data[i] >> bit & 1
		} else {
			o.Bits[i] = byte(binary.LittleEndian.Uint16(f.Data[2*i:])>>bit) & 1
		}
	}
	return nil
}

// Edge reports whether a set pixel, counted from the overlay's upper left, is at the border of
// what is set.
func (o *Overlay) Edge(x, y int) bool {
	if x == 0 || y == 0 || x == o.Columns-1 || y == o.Rows-1 {
		return true
	}
	i := y*o.Columns + x
	return o.Bits[i-1]&o.Bits[i+1]&o.Bits[i-o.Columns]&o.Bits[i+o.Columns] == 0
}
