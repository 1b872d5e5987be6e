package render

import (
	"image/color"
	"math"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/seg"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// DefaultOpacity is how much of the image a segment hides where nobody says.
const DefaultOpacity = 0.5

// maxResampled bounds the pixels that are looked at for a picture's layers: 200 segments over
// 10 megapixels. Frames of a few bits can name a source of any size.
const maxResampled = 1 << 31

// LayersOf returns the segments of a segmentation that lie over a source frame as layers, in the
// order of their numbers; segments that show zero there make none. decode gives the samples
// of one of its frames (1-based). palette is that of a label map in PALETTE COLOR, else nil.
// Masks have the source's rows and columns: each pixel has the sample that its middle falls on.
func LayersOf(s *seg.Segmentation, src seg.Source, palette *imaging.Palette, decode func(frame int) (codec.Frame, error)) ([]Layer, error) {
	const op = "render.LayersOf"
	if src.Rows < 1 || src.Columns < 1 || src.Rows > maxSource/src.Columns {
		return nil, errs.Errorf(errs.Exhausted, op, "a frame of %d by %d pixels is more than is drawn on", src.Columns, src.Rows)
	}
	numbers := map[int]int{} // of segments that are shown, to their place
	shown := s.Shown()
	for i, sg := range shown {
		numbers[sg.Number] = i
	}
	masks := make([][]byte, len(shown))
	budget := maxSource // all masks together
	maskOf := func(i int) ([]byte, error) {
		if masks[i] == nil {
			if budget -= src.Rows * src.Columns; budget < 0 {
				return nil, errs.Errorf(errs.Exhausted, op, "too many segments over a frame of this size")
			}
			masks[i] = make([]byte, src.Rows*src.Columns)
		}
		return masks[i], nil
	}
	over := s.Over(src)
	if len(over) > maxResampled/(src.Rows*src.Columns+s.Rows*s.Columns) {
		return nil, errs.Errorf(errs.Exhausted, op, "%d frames of a segmentation lie over a frame of this size", len(over))
	}
	for _, o := range over {
		f, err := decode(o.Number)
		if err != nil {
			return nil, err
		}
		if f.Rows != s.Rows || f.Columns != s.Columns || f.SamplesPerPixel != 1 || f.Width() > 2 || len(f.Data) != f.Rows*f.Columns*f.Width() {
			return nil, errs.Errorf(errs.Invalid, op, "frame %d of the segmentation has other pixels than its header says", o.Number)
		}
		place := func(v int) (int, byte, bool) { i, ok := numbers[o.Segment]; return i, byte(min(v, 255)), ok && v != 0 }
		switch s.Type {
		case seg.LabelMap:
			place = func(v int) (int, byte, bool) { i, ok := numbers[v]; return i, 1, ok }
		case seg.Binary:
			place = func(v int) (int, byte, bool) { i, ok := numbers[o.Segment]; return i, 1, ok && v != 0 }
		}
		if err := resample(&f, o.Map, src, place, maskOf); err != nil {
			return nil, err
		}
	}
	var out []Layer
	for i, sg := range shown {
		if masks[i] == nil {
			continue
		}
		l := Layer{Name: sg.Label, Rows: src.Rows, Columns: src.Columns, Mask: masks[i], Max: 1, Color: segmentColor(s, sg, palette), Opacity: DefaultOpacity}
		if s.Type == seg.Fractional {
			l.Max = byte(s.MaxFractional)
		}
		if l.Name == "" {
			l.Name = sg.Property.Meaning
		}
		out = append(out, l)
	}
	return out, nil
}

// resample puts the samples of a frame into the masks of the source's pixels, where place says: the
// larger one where two frames meet.
func resample(f *codec.Frame, m [6]float64, src seg.Source, place func(int) (int, byte, bool), mask func(int) ([]byte, error)) error {
	wide := f.Width() == 2
	_, _, zero := place(0) // a zero is something
	last, lastMask := -1, []byte(nil)
	find := sampler(f, m, src)
	for y := range src.Rows {
		for x, at := range find(y) {
			if at < 0 {
				continue
			}
			v := int(f.Data[at])
			if wide {
				v = int(f.Data[2*at]) | int(f.Data[2*at+1])<<8
			}
			if v == 0 && !zero { // most of a mask
				continue
			}
			i, value, ok := place(v)
			if !ok {
				continue
			}
			if i != last {
				var err error
				if lastMask, err = mask(i); err != nil {
					return err
				}
				last = i
			}
			if p := &lastMask[y*src.Columns+x]; value > *p {
				*p = value
			}
		}
	}
	return nil
}

// sampler returns what gives the samples under a row of the source's pixels: their indices, -1
// where there are none. Rows that run along those of the frame share all but their beginning.
func sampler(f *codec.Frame, m [6]float64, src seg.Source) func(y int) []int {
	const straight = 1e-3 // of a pixel, over the whole frame
	row := make([]int, src.Columns)
	index := func(column, row float64) int {
		if !(column >= 0 && row >= 0 && column < float64(f.Columns) && row < float64(f.Rows)) {
			return -1
		}
		return int(row)*f.Columns + int(column)
	}
	if math.Abs(m[1])*float64(src.Rows) > straight || math.Abs(m[3])*float64(src.Columns) > straight {
		return func(y int) []int {
			c, r := m[1]*float64(y)+m[2]+0.5, m[4]*float64(y)+m[5]+0.5
			for x := range row {
				row[x] = index(m[0]*float64(x)+c, m[3]*float64(x)+r)
			}
			return row
		}
	}
	columns := make([]int, src.Columns)
	for x := range columns {
		columns[x] = index(m[0]*float64(x)+m[2]+0.5, 0)
	}
	return func(y int) []int {
		first := index(0, m[4]*float64(y)+m[5]+0.5)
		if first < 0 {
			return nil
		}
		for x, at := range columns {
			if row[x] = at + first; at < 0 {
				row[x] = -1
			}
		}
		return row
	}
}

// wheel are the colours of segments that recommend none: told apart easily, on grey (P. Green-
// Armytage's alphabet, the brighter ones).
var wheel = [...]iod.RGB{{255, 80, 5}, {43, 206, 72}, {0, 117, 220}, {255, 225, 0}, {240, 163, 255}, {94, 241, 242},
	{255, 0, 16}, {157, 204, 0}, {255, 164, 5}, {255, 168, 187}, {0, 153, 143}, {148, 255, 181}}

// segmentColor is the colour that a segment recommends, that of a label map's palette, its grey
// value, else one by its number.
func segmentColor(s *seg.Segmentation, sg seg.Segment, palette *imaging.Palette) color.RGBA {
	c := wheel[max(sg.Number-1, 0)%len(wheel)]
	switch {
	case sg.HasColor:
		c = sg.Color
	case s.Type == seg.LabelMap && palette != nil:
		c = palette.At(sg.Number)
	case sg.HasGray:
		return gray16(sg.Gray)
	}
	return opaque(c)
}
