// Package seg reads segmentations (PS3.3 A.51, C.8.20): binary, fractional and label map ones,
// tiled or not. It says what the segments are, which segment each frame shows and where it lies,
// and which frames lie over a frame of another instance.
//
// It leaves out the frames' samples, which a codec decodes, and surface segmentations.
package seg

import (
	"math"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Type says what a frame's samples are (PS3.3 C.8.20.2.3).
type Type string

// The types. A sample is 0 or 1; 0 to MaximumFractionalValue; or the number of a segment.
const (
	Binary     Type = "BINARY"
	Fractional Type = "FRACTIONAL"
	LabelMap   Type = "LABELMAP"
)

// MaxFrames bounds the frames of one segmentation: six segments on a slide of 100,000 x 100,000
// pixels. Those of TILED_FULL cost an object nothing, but what is read of it.
const MaxFrames = 1 << 18

// Segmentation is a segmentation without its samples.
type Segmentation struct {
	iod.Subject
	Type                Type
	FractionalType      string // PROBABILITY or OCCUPANCY
	MaxFractional       int    // the sample that is certain or full, 255 where it is not said
	Rows, Columns       int
	FrameOfReferenceUID string
	Overlap             string // Segments Overlap: YES, NO, UNDEFINED
	Background          int    // of a label map: the sample that is no segment; else -1
	Segments            []Segment
	Frames              []Frame // Frames[0] is frame 1

	byNumber map[int]int // index in Segments
}

// Segment is what a segment shows (PS3.3 C.8.20.4).
type Segment struct {
	Number             int
	Label, Description string
	Category, Property iod.Code // what kind of thing, and which
	Anatomy            []iod.Code
	Algorithm          string // AUTOMATIC, SEMIAUTOMATIC, MANUAL
	AlgorithmName      string
	Color              iod.RGB // Recommended Display CIELab Value
	HasColor           bool
	Gray               uint16 // Recommended Display Grayscale Value, a P-Value
	HasGray            bool
	TrackingID         string
	TrackingUID        string
}

// Frame is one frame of a segmentation.
type Frame struct {
	Number  int // from 1
	Segment int // its number; 0 of a label map, whose samples are numbers
	Sources []iod.Reference
	Plane   *iod.Plane // nil: not known
	// Column and Row are the tile's place in the total pixel matrix, from 1; 0 where there is
	// none.
	Column, Row int
}

// Read reads a segmentation. errs.Mismatch says that the data set is none.
func Read(d *dicom.Dataset) (*Segmentation, error) {
	const op = "seg.Read"
	s := &Segmentation{
		Subject:             iod.ReadSubject(d),
		Type:                Type(d.Text(tag.SegmentationType)),
		FractionalType:      d.Text(tag.SegmentationFractionalType),
		MaxFractional:       255,
		FrameOfReferenceUID: d.UID(tag.FrameOfReferenceUID),
		Overlap:             d.Text(tag.SegmentsOverlap),
		Background:          -1,
	}
	switch s.Type {
	case Binary, Fractional:
	case LabelMap: // Pixel Padding Value is required of it, and says what belongs to no segment
		s.Background = 0
		if n, ok := d.Int(tag.PixelPaddingValue); ok {
			s.Background = int(n)
		}
	default:
		return nil, errs.Errorf(errs.Mismatch, op, "the instance is no segmentation of a type that is known")
	}
	if n, ok := d.Int(tag.MaximumFractionalValue); ok && n > 0 && n <= 255 {
		s.MaxFractional = int(n)
	}
	rows, _ := d.Int(tag.Rows)
	columns, _ := d.Int(tag.Columns)
	if rows < 1 || columns < 1 || rows > math.MaxUint16 || columns > math.MaxUint16 {
		return nil, errs.Errorf(errs.Invalid, op, "Rows or Columns are missing or out of range")
	}
	s.Rows, s.Columns = int(rows), int(columns)
	s.byNumber = map[int]int{}
	for _, item := range d.Items(tag.SegmentSequence) {
		if sg, ok := readSegment(item); ok {
			s.byNumber[sg.Number] = len(s.Segments)
			s.Segments = append(s.Segments, sg)
		}
	}
	return s, s.readFrames(d)
}

// Segment returns the segment of a number; false when there is none.
func (s *Segmentation) Segment(number int) (Segment, bool) {
	if i, ok := s.byNumber[number]; ok {
		return s.Segments[i], true
	}
	return Segment{}, false
}

// Shown returns the segments that are something: not the background of a label map, which many
// writers list as a segment, too (DCM 125040).
func (s *Segmentation) Shown() []Segment {
	return slices.DeleteFunc(slices.Clone(s.Segments), func(sg Segment) bool {
		return s.Type == LabelMap && (sg.Number == s.Background || sg.Property.Is("125040", "DCM"))
	})
}

func readSegment(item *dicom.Dataset) (Segment, bool) {
	number, ok := item.Int(tag.SegmentNumber)
	if !ok || number < 0 || number > math.MaxUint16 {
		return Segment{}, false
	}
	s := Segment{
		Number: int(number), Label: item.Text(tag.SegmentLabel), Description: item.Text(tag.SegmentDescription),
		Category:      iod.FirstCode(item, tag.SegmentedPropertyCategoryCodeSequence),
		Property:      iod.FirstCode(item, tag.SegmentedPropertyTypeCodeSequence),
		Algorithm:     item.Text(tag.SegmentAlgorithmType),
		AlgorithmName: item.Text(tag.SegmentAlgorithmName),
		TrackingID:    item.Text(tag.TrackingID), TrackingUID: item.UID(tag.TrackingUID),
	}
	for _, a := range item.Items(tag.AnatomicRegionSequence) {
		s.Anatomy = append(s.Anatomy, iod.ReadCode(a))
	}
	if items := item.Items(tag.SegmentationAlgorithmIdentificationSequence); s.AlgorithmName == "" && len(items) > 0 {
		s.AlgorithmName = items[0].Text(tag.AlgorithmName)
	}
	s.Color, s.HasColor = iod.ReadCIELab(item, tag.RecommendedDisplayCIELabValue)
	if v, ok := item.Int(tag.RecommendedDisplayGrayscaleValue); ok {
		s.Gray, s.HasGray = uint16(v), true
	}
	return s, true
}

// readFrames reads what the functional groups say of each frame. There must be as many of them as
// frames, or none at all and an order that says where frames lie (TILED_FULL).
func (s *Segmentation) readFrames(d *dicom.Dataset) error {
	const op = "seg.Read"
	n, ok := d.Int(tag.NumberOfFrames)
	if !ok {
		n = 1
	}
	groups := len(d.Items(tag.PerFrameFunctionalGroupsSequence))
	full := groups == 0 && d.Text(tag.DimensionOrganizationType) == "TILED_FULL"
	switch {
	case n < 1:
		return errs.Errorf(errs.Invalid, op, "Number of Frames is no positive number")
	case n > MaxFrames:
		return errs.Errorf(errs.Exhausted, op, "a segmentation of %d frames is more than is read here", n)
	case !full && int64(groups) != n && n > 1:
		return errs.Errorf(errs.Invalid, op, "%d frames have functional groups of %d", n, groups)
	}
	var order []int
	if full {
		if order = s.fullOrder(d, int(n)); order == nil {
			return errs.Errorf(errs.Invalid, op, "the tiles of %d frames do not cover the total pixel matrix for each segment", n)
		}
	}
	s.Frames = make([]Frame, n)
	for i := range s.Frames {
		f := &s.Frames[i]
		f.Number = i + 1
		switch {
		case s.Type == LabelMap:
		case full:
			f.Segment = order[i*len(order)/int(n)]
		default:
			number, ok := iod.FunctionalGroup(d, i+1, tag.SegmentIdentificationSequence).Int(tag.ReferencedSegmentNumber)
			if _, known := s.Segment(int(number)); !ok || !known {
				return errs.Errorf(errs.Invalid, op, "frame %d is of a segment that is not there", i+1)
			}
			f.Segment = int(number)
		}
		derivation := iod.FunctionalGroup(d, i+1, tag.DerivationImageSequence)
		f.Sources = iod.ReadReferences(derivation, tag.SourceImageSequence)
		f.Plane = iod.ReadPlane(d, i+1)
		f.Column, f.Row, _ = iod.TilePosition(d, i+1)
	}
	return nil
}

// fullOrder returns the segment numbers of a TILED_FULL segmentation, which vary slowest: for
// each segment all focal planes, for each of them all tiles (PS3.3 C.7.6.17.3). Nil when frames,
// segments and tiles do not fit.
func (s *Segmentation) fullOrder(d *dicom.Dataset, frames int) []int {
	tiles, ok := iod.TilesPerPlane(d)
	if !ok || tiles > frames || frames%tiles != 0 {
		return nil
	}
	if s.Type == LabelMap {
		return []int{0}
	}
	order := make([]int, 0, len(s.Segments))
	for _, sg := range s.Segments {
		order = append(order, sg.Number)
	}
	if len(order) == 0 || frames/tiles%len(order) != 0 {
		return nil
	}
	return order
}
