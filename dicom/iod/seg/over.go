package seg

import (
	"math"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// Source is the frame to look for segments over.
type Source struct {
	SOPInstanceUID      string
	Frame               int // from 1
	Rows, Columns       int
	FrameOfReferenceUID string
	Plane               *iod.Plane // nil: not known
}

// SourceOf describes frame n (1-based) of an image.
func SourceOf(d *dicom.Dataset, n int) Source {
	rows, _ := d.Int(tag.Rows)
	columns, _ := d.Int(tag.Columns)
	return Source{
		SOPInstanceUID: d.UID(tag.SOPInstanceUID), Frame: n, Rows: int(rows), Columns: int(columns),
		FrameOfReferenceUID: d.UID(tag.FrameOfReferenceUID), Plane: iod.ReadPlane(d, n),
	}
}

// Over is a frame of the segmentation that lies over the source. Column and row of the source's
// pixel c, r are, in the frame,
//
//	Map[0]*c + Map[1]*r + Map[2], Map[3]*c + Map[4]*r + Map[5]
//
// with whole numbers in the middle of pixels.
type Over struct {
	*Frame
	Map [6]float64
}

// Over returns the frames that lie over the source, in their order. Those that name it as their
// source come first: when there are any, no others count. Else those in the same plane of the
// same frame of reference do, that have pixels within the source; of each segment those that are
// nearest.
//
// Writers exist that name a whole series in every frame: a frame that names its source and
// certainly lies in another plane is left out as well.
func (s *Segmentation) Over(src Source) []Over {
	if src.Rows < 1 || src.Columns < 1 || src.SOPInstanceUID == s.SOPInstanceUID {
		return nil
	}
	if named := s.over(src, func(f *Frame) bool {
		return slices.ContainsFunc(f.Sources, func(r iod.Reference) bool { return r.Names(src.SOPInstanceUID, src.Frame) })
	}, true); named != nil {
		return named
	}
	if src.Plane == nil || src.FrameOfReferenceUID == "" || src.FrameOfReferenceUID != s.FrameOfReferenceUID {
		return nil
	}
	return s.over(src, func(f *Frame) bool { return f.Plane != nil }, false)
}

func (s *Segmentation) over(src Source, candidate func(*Frame) bool, named bool) []Over {
	type found struct {
		Over
		distance float64
	}
	var all []found
	nearest := map[int]float64{}
	for i := range s.Frames {
		f := &s.Frames[i]
		if !candidate(f) {
			continue
		}
		m, distance := stretch(src, s), 0.0
		if f.Plane != nil && src.Plane != nil && (named || src.FrameOfReferenceUID == s.FrameOfReferenceUID) {
			var ok bool
			if m, distance, ok = project(src.Plane, f.Plane); !ok || !s.touches(m, src) {
				continue
			}
		}
		if d, ok := nearest[f.Segment]; !ok || distance < d {
			nearest[f.Segment] = distance
		}
		all = append(all, found{Over{f, m}, distance})
	}
	var out []Over
	for _, f := range all {
		if f.distance <= nearest[f.Segment]+equal {
			out = append(out, f.Over)
		}
	}
	return out
}

const (
	equal = 1e-3 // mm: positions that are written as decimal strings agree to this
	// parallel is the least scalar product of the normals of planes that count as parallel:
	// within a degree, or half a pixel over 30.
	parallel = 0.99985
)

// project returns how pixels of one plane map to another; false when they are not the same. They
// may lie apart by a quarter of the thinner slice, of a tenth of a millimetre where no
// thickness is known.
func project(from, to *iod.Plane) (m [6]float64, distance float64, ok bool) {
	n := to.Normal()
	if math.Abs(n.Dot(from.Normal())) < parallel {
		return m, 0, false
	}
	between := iod.Vector{from.Position[0] - to.Position[0], from.Position[1] - to.Position[1], from.Position[2] - to.Position[2]}
	distance = math.Abs(between.Dot(n))
	tolerance := 0.1
	for _, t := range [...]float64{from.Thickness, to.Thickness} {
		if t > 0 && (tolerance == 0.1 || t/4 < tolerance) {
			tolerance = t / 4
		}
	}
	if distance > tolerance+equal {
		return m, distance, false
	}
	c0, r0 := to.Pixel(from.At(0, 0))
	c1, r1 := to.Pixel(from.At(1, 0))
	c2, r2 := to.Pixel(from.At(0, 1))
	return [6]float64{c1 - c0, c2 - c0, c0, r1 - r0, r2 - r0, r0}, distance, true
}

// touches reports whether the middle of a pixel of the source can fall on the frame: whether the
// rectangles around both overlap.
func (s *Segmentation) touches(m [6]float64, src Source) bool {
	minC, minR, maxC, maxR := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, c := range [...]float64{0, float64(src.Columns - 1)} {
		for _, r := range [...]float64{0, float64(src.Rows - 1)} {
			x, y := m[0]*c+m[1]*r+m[2], m[3]*c+m[4]*r+m[5]
			minC, maxC, minR, maxR = min(minC, x), max(maxC, x), min(minR, y), max(maxR, y)
		}
	}
	return maxC >= -0.5 && minC < float64(s.Columns)-0.5 && maxR >= -0.5 && minR < float64(s.Rows)-0.5
}

// stretch maps the source's matrix onto the frame's, corner to corner: what is left where nothing
// is said of planes.
func stretch(src Source, s *Segmentation) [6]float64 {
	x, y := float64(s.Columns)/float64(src.Columns), float64(s.Rows)/float64(src.Rows)
	return [6]float64{x, 0, x/2 - 0.5, 0, y, y/2 - 0.5}
}
