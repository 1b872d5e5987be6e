package imaging

import (
	"math"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Bulk reads a value that a header left in its object, in little endian. nil: there are none.
type Bulk func(e *dicom.Element) ([]byte, error)

// maxBulk bounds a value that is read for display: LUTs, profiles and overlays are smaller.
const maxBulk = 64 << 20

// value returns an element's value, wherever it lies; nil when there is none.
func value(ds *dicom.Dataset, t tag.Tag, bulk Bulk) ([]byte, error) {
	e := ds.Get(t)
	switch {
	case e == nil:
		return nil, nil
	case e.Bulk == nil:
		return e.Value, nil
	case e.Bulk.Length > maxBulk:
		return nil, errs.Errorf(errs.Exhausted, "imaging.value", "%s is too large", t.Keyword())
	case bulk == nil:
		return nil, errs.Errorf(errs.Invalid, "imaging.value", "%s is not in the header", t.Keyword())
	}
	return bulk(e)
}

// Range is a range of stored values, both ends in it.
type Range struct{ Low, High int64 }

// Image is what a header says for the display of its frames. It keeps the header and reads what
// differs by frame when that frame is asked for. Safe for concurrent use.
type Image struct {
	codec.Description
	Frames int

	// Inverse: low values are white (MONOCHROME1, or Presentation LUT Shape INVERSE, which it
	// requires, PS3.3 C.11.6).
	Inverse bool
	// Padding are the stored values that fill up what is no image (PS3.3 C.7.5.1.1.2).
	Padding *Range
	// Palette of PALETTE COLOR; of MONOCHROME2 a supplemental one, whose First is the lowest
	// stored value that it colours (PS3.3 C.7.6.19, Pixel Presentation COLOR).
	Palette *Palette

	ds   *dicom.Dataset
	bulk Bulk
}

// Frame is what the header says for the display of one frame.
type Frame struct {
	Number      int // from 1
	Modality    Modality
	VOI         VOI
	PixelAspect float64 // height of a pixel over its width
}

// Read reads what the header says for the whole image. pixelData is the element that holds the
// frames, of which there are so many.
func Read(ds *dicom.Dataset, pixelData tag.Tag, frames int, bulk Bulk) (*Image, error) {
	d, err := codec.Describe(ds, pixelData)
	if err != nil {
		return nil, err
	}
	m := &Image{Description: d, Frames: frames, ds: ds, bulk: bulk}
	m.Inverse = d.PhotometricInterpretation == "MONOCHROME1" || ds.Text(tag.PresentationLUTShape) == "INVERSE"
	m.Padding = m.padding()
	switch {
	case d.PhotometricInterpretation == "PALETTE COLOR":
		if m.Palette, err = ReadPalette(ds, bulk, d.PixelRepresentation == 1); err == nil && m.Palette == nil {
			err = errs.Errorf(errs.Invalid, "imaging.Read", "the palette is missing")
		}
	case d.PhotometricInterpretation == "MONOCHROME2" && d.SamplesPerPixel == 1 && m.colored():
		m.Palette, err = ReadPalette(ds, bulk, d.PixelRepresentation == 1)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// colored reports whether a palette supplements grey values: Pixel Presentation says so.
func (m *Image) colored() bool {
	p := m.ds.Text(tag.PixelPresentation)
	return p == "COLOR" || p == "MIXED"
}

// padding reads Pixel Padding Value and Range Limit as the pixels' sign wants them.
func (m *Image) padding() *Range {
	stored := func(t tag.Tag) (int64, bool) {
		v, ok := m.ds.Int(t)
		if !ok {
			return 0, false
		}
		if shift := 64 - m.BitsAllocated; m.BitsAllocated <= 32 { // US or SS, whichever the writer took
			if m.PixelRepresentation == 1 {
				v = v << shift >> shift
			} else {
				v = int64(uint64(v) << shift >> shift)
			}
		}
		return v, true
	}
	low, ok := stored(tag.PixelPaddingValue)
	if !ok || m.Float {
		return nil
	}
	high, ok := stored(tag.PixelPaddingRangeLimit)
	if !ok {
		high = low
	}
	return &Range{min(low, high), max(low, high)}
}

// StoredRange returns the lowest and the highest value that a sample of the description can have.
func StoredRange(d codec.Description) Range {
	switch bits := min(d.BitsStored, 62); {
	case d.PixelRepresentation == 1 && d.SamplesPerPixel == 1:
		return Range{-1 << (bits - 1), 1<<(bits-1) - 1}
	default:
		return Range{0, 1<<bits - 1}
	}
}

// Frame reads what the header says for frame n (1-based): of an enhanced image in its functional
// groups, its own before the shared ones (PS3.3 C.7.6.16).
func (m *Image) Frame(n int) (*Frame, error) {
	if n < 1 || n > m.Frames {
		return nil, errs.Errorf(errs.NotFound, "imaging.Frame", "no frame %d, the instance has %d", n, m.Frames)
	}
	f := &Frame{Number: n, PixelAspect: m.aspect(n)}
	group := func(sequence tag.Tag) *dicom.Dataset {
		if g := iod.FunctionalGroup(m.ds, n, sequence); g != nil {
			return g
		}
		return m.ds
	}
	var err error
	if f.Modality, err = ReadModality(group(tag.PixelValueTransformationSequence), m.bulk, m.PixelRepresentation == 1); err != nil {
		return nil, err
	}
	r := StoredRange(m.Description)
	negative := min(f.Modality.At(float64(r.Low)), f.Modality.At(float64(r.High))) < 0
	f.VOI = ReadVOI(group(tag.FrameVOILUTSequence), m.bulk, negative)
	for i := range f.VOI.Windows { // Linear's widths count integers, of which floats are none
		if w := &f.VOI.Windows[i]; m.Float && w.Function == Linear {
			w.Function = LinearExact
		}
	}
	return f, nil
}

// Overlays returns the overlays over frame n, whose decoded samples f are; see ReadOverlays.
func (m *Image) Overlays(n int, f *codec.Frame) ([]Overlay, []error) {
	return ReadOverlays(m.ds, n, f, m.bulk)
}

// aspect is the height of a pixel over its width: Pixel Aspect Ratio where it is (it must not be
// beside a spacing, PS3.3 C.7.6.3.1.7), else the ratio of a spacing.
func (m *Image) aspect(n int) float64 {
	measures := iod.FunctionalGroup(m.ds, n, tag.PixelMeasuresSequence)
	for _, s := range [...]struct {
		ds *dicom.Dataset
		t  tag.Tag
	}{{measures, tag.PixelSpacing}, {m.ds, tag.PixelAspectRatio}, {m.ds, tag.PixelSpacing}, {m.ds, tag.ImagerPixelSpacing}, {m.ds, tag.NominalScannedPixelSpacing}} {
		if s.ds == nil {
			continue
		}
		if v := s.ds.Floats(s.t); len(v) >= 2 {
			if a := v[0] / v[1]; a >= 0.01 && a <= 100 { // NaN fails
				return a
			}
		}
	}
	return 1
}

// ICCProfile returns the profile of a frame's colours: the image's, or that of the optical path
// of a slide's frame (PS3.3 C.8.12.5). nil: there is none, and sRGB is as good as any.
func (m *Image) ICCProfile(n int) []byte {
	holder := m.ds
	if !holder.Has(tag.ICCProfile) {
		paths := m.ds.Items(tag.OpticalPathSequence)
		if len(paths) == 0 {
			return nil
		}
		holder = paths[0]
		if g := iod.FunctionalGroup(m.ds, n, tag.OpticalPathIdentificationSequence); g != nil {
			for _, p := range paths {
				if p.Text(tag.OpticalPathIdentifier) == g.Text(tag.OpticalPathIdentifier) {
					holder = p
				}
			}
		}
	}
	b, err := value(holder, tag.ICCProfile, m.bulk)
	if err != nil {
		return nil
	}
	return b
}

// FrameTimes returns how long each frame of a cine is shown, in milliseconds: Frame Time Vector,
// Frame Time, or a rate (PS3.3 C.7.6.5); false where the image names none.
func (m *Image) FrameTimes() (times []float64, named bool) {
	times = make([]float64, m.Frames)
	each := 0.0
	usable := func(v float64) bool { return v > 0 && v <= 1e6 }
	if v := m.ds.Floats(tag.FrameTimeVector); len(v) == m.Frames && m.Frames > 1 {
		// An increment is the time from the frame before: frame i is shown until the next one's.
		for i := range times {
			times[i] = v[(i+1)%len(v)]
			if i == len(v)-1 {
				times[i] = v[len(v)-1]
			}
			named = named || usable(times[i])
		}
	}
	for _, s := range [...]struct {
		t    tag.Tag
		rate bool
	}{{tag.FrameTime, false}, {tag.RecommendedDisplayFrameRateInFloat, true}, {tag.RecommendedDisplayFrameRate, true}, {tag.CineRate, true}} {
		if v := m.ds.Floats(s.t); len(v) > 0 && usable(v[0]) && each == 0 {
			if each = v[0]; s.rate {
				each = 1000 / each
			}
		}
	}
	named = named || each > 0
	if each == 0 {
		each = 100
	}
	for i, t := range times {
		if !usable(t) {
			times[i] = each
		}
		times[i] = math.Min(times[i], 1e5)
	}
	return times, named
}

// Texts returns what an annotation says (PS3.18 8.3.5.1.1): lines about the patient and about
// the technique.
func (m *Image) Texts() (patient, technique []string) {
	add := func(lines []string, label string, tags ...tag.Tag) []string {
		var words []string
		for _, t := range tags {
			if s := strings.TrimSpace(strings.ReplaceAll(m.ds.Text(t), "^", " ")); s != "" {
				words = append(words, s)
			}
		}
		if len(words) == 0 {
			return lines
		}
		return append(lines, label+strings.Join(words, " "))
	}
	patient = add(patient, "", tag.PatientName)
	patient = add(patient, "ID ", tag.PatientID)
	patient = add(patient, "born ", tag.PatientBirthDate)
	patient = add(patient, "", tag.PatientSex)
	technique = add(technique, "", tag.InstitutionName)
	technique = add(technique, "", tag.Modality, tag.StudyDate, tag.StudyTime)
	technique = add(technique, "", tag.StudyDescription)
	technique = add(technique, "", tag.SeriesDescription)
	technique = add(technique, "series ", tag.SeriesNumber)
	technique = add(technique, "image ", tag.InstanceNumber)
	technique = add(technique, "thickness ", tag.SliceThickness)
	technique = add(technique, "position ", tag.SliceLocation)
	return patient, technique
}
