// Package pr reads softcopy presentation states (PS3.3 A.33, C.10.4 to C.10.7, C.11): greyscale,
// color and pseudo-color ones wholly, of blending ones what each image of the blend has for its
// own, of the states derived from them (XA/XRF, advanced blending) the modules they share.
//
// LUTs, windows and palettes are left in their data sets, which have the attributes of an image's:
// who reads an image's reads those. Coordinates are as written, with their units. It leaves out
// volumetric states, and compound graphics, which the standard has writers repeat as plain graphics
// and texts (PS3.3 C.10.5.1.3).
package pr

import (
	"slices"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Kind says what a state does to the values of its images.
type Kind uint8

// The kinds.
const (
	Grayscale   Kind = iota // modality, VOI and presentation LUT
	Color                   // colours stay as they are
	PseudoColor             // greyscale pipeline, then a palette
	Blending                // two images over each other
)

var kinds = map[string]Kind{
	uid.GrayscaleSoftcopyPresentationStateStorage:           Grayscale,
	uid.XAXRFGrayscaleSoftcopyPresentationStateStorage:      Grayscale,
	uid.VariableModalityLUTSoftcopyPresentationStateStorage: Grayscale,
	uid.ColorSoftcopyPresentationStateStorage:               Color,
	uid.PseudoColorSoftcopyPresentationStateStorage:         PseudoColor,
	uid.BlendingSoftcopyPresentationStateStorage:            Blending,
	uid.AdvancedBlendingPresentationStateStorage:            Blending,
}

// State is a presentation state.
type State struct {
	iod.Subject
	Kind                        Kind
	Label, Description, Creator string
	CreationDate, CreationTime  string
	References                  []iod.Reference // images it is for

	// Modality, PresentationLUT and Palette are data sets with the Modality LUT, (Softcopy)
	// Presentation LUT and Palette Color Lookup Table Modules. Nil: an identity; of Palette: none.
	Modality        *dicom.Dataset
	PresentationLUT *dicom.Dataset
	Palette         *dicom.Dataset
	Inverse         bool // Presentation LUT Shape INVERSE
	VOIs            []Selected
	ICCProfile      []byte
	Subtracts       bool // Mask Subtraction Sequence: frames are to be seen less others (PS3.3 C.7.6.10)

	Rotation       int  // clockwise degrees: 0, 90, 180, 270
	HorizontalFlip bool // after the rotation

	Areas       []Area
	Layers      []Layer // in the order they are drawn
	Annotations []Annotation
	Shutter     *Shutter
	Overlays    *dicom.Dataset    // where the state's own overlay planes are, bitmap shutter included
	Activated   map[uint16]string // overlay groups of state and image that are shown, by layer

	Blends          []Blend
	RelativeOpacity float64 // of the superimposed image of a blend
}

// Selected is an item of Softcopy VOI LUT Sequence: a data set with the VOI LUT Macro and the
// images it is for (PS3.3 C.11.8).
type Selected struct {
	Images []iod.Reference // none: all
	LUT    *dicom.Dataset
}

// Blend is one image of a blending state (PS3.3 C.11.14).
type Blend struct {
	Superimposed bool // else underlying
	References   []iod.Reference
	Modality     *dicom.Dataset
	VOIs         []Selected
}

// Area is a displayed area selection (PS3.3 C.10.4). Corners are column and row of pixels from 1,
// before rotation and flip; after those they are the picture's corners.
type Area struct {
	Images               []iod.Reference // none: all
	TopLeft, BottomRight [2]int
	Mode                 string     // SCALE TO FIT, TRUE SIZE, MAGNIFY
	Spacing              [2]float64 // between rows and columns in mm; zero: not said
	AspectRatio          [2]int     // vertical and horizontal size of a pixel; zero: not said
	Magnification        float64    // of MAGNIFY
}

// Layer is a graphic layer (PS3.3 C.10.7).
type Layer struct {
	Name, Description string
	Order             int
	Gray              uint16 // P-Value
	Color             iod.RGB
	HasGray, HasColor bool
}

// Shutter covers what lies outside of its shapes (PS3.3 C.7.6.11, C.7.6.15). Coordinates are
// column and row of pixels, from 1.
type Shutter struct {
	Rectangle    *[4]int // left, right, upper and lower edge
	Circle       *[3]int // column and row of the middle, radius
	Polygon      [][2]int
	OverlayGroup uint16 // of the bitmap: its ones are covered
	Gray         uint16 // P-Value to cover with
	Color        iod.RGB
	HasColor     bool
}

// Read reads a state. errs.Mismatch says that the data set is none, errs.Unsupported that it is
// one for volumes.
func Read(d *dicom.Dataset) (*State, error) {
	const op = "pr.Read"
	s := &State{Subject: iod.ReadSubject(d)}
	kind, ok := kinds[s.SOPClassUID]
	switch {
	case ok:
	case strings.HasPrefix(s.SOPClassUID, uid.GrayscaleSoftcopyPresentationStateStorage[:len(uid.GrayscaleSoftcopyPresentationStateStorage)-1]):
		return nil, errs.Errorf(errs.Unsupported, op, "the presentation state is one for volumes")
	default:
		return nil, errs.Errorf(errs.Mismatch, op, "the instance is no presentation state")
	}
	s.Kind = kind
	s.Label, s.Description = d.Text(tag.ContentLabel), d.Text(tag.ContentDescription)
	s.CreationDate, s.CreationTime = d.Text(tag.PresentationCreationDate), d.Text(tag.PresentationCreationTime)
	s.Creator = d.Text(tag.ContentCreatorName)
	s.References = iod.ReadHierarchy(d, tag.ReferencedSeriesSequence)
	s.readPipeline(d)
	s.readTransformation(d)
	for _, item := range d.Items(tag.DisplayedAreaSelectionSequence) {
		if a, ok := readArea(item); ok {
			s.Areas = append(s.Areas, a)
		}
	}
	s.Layers = readLayers(d)
	left := budget{MaxPoints, MaxTexts}
	for _, item := range d.Items(tag.GraphicAnnotationSequence) {
		a, err := readAnnotation(item, &left)
		if err != nil {
			return nil, err
		}
		s.Annotations = append(s.Annotations, a)
	}
	// Annotations are drawn layer by layer; those of layers that are not there last.
	ranks := s.ranks()
	rank := func(a Annotation) int {
		if i, ok := ranks[a.Layer]; ok {
			return i
		}
		return len(s.Layers)
	}
	slices.SortStableFunc(s.Annotations, func(a, b Annotation) int { return rank(a) - rank(b) })
	var err error
	if s.Shutter, err = readShutter(d); err != nil {
		return nil, err
	}
	s.readOverlays(d)
	s.readBlends(d)
	return s, nil
}

// ranks returns the layers' places in drawing, by name.
func (s *State) ranks() map[string]int {
	m := make(map[string]int, len(s.Layers))
	for i, l := range s.Layers {
		if _, ok := m[l.Name]; !ok {
			m[l.Name] = i
		}
	}
	return m
}

// LayersByName returns the layers by their names: annotations and overlays name theirs, and there
// may be as many of either.
func (s *State) LayersByName() map[string]Layer {
	m := make(map[string]Layer, len(s.Layers))
	for name, i := range s.ranks() {
		m[name] = s.Layers[i]
	}
	return m
}

// Applies reports whether the state is for the frame (1-based) of the instance.
func (s *State) Applies(sopInstanceUID string, frame int) bool {
	named := func(refs []iod.Reference) bool {
		return slices.ContainsFunc(refs, func(r iod.Reference) bool { return r.Names(sopInstanceUID, frame) })
	}
	return named(s.References) || slices.ContainsFunc(s.Blends, func(b Blend) bool { return named(b.References) })
}

// For returns the data sets with the Modality and the VOI LUT of a frame, nil where an identity is
// wanted. Those of a blending state are in its blend.
func (s *State) For(sopInstanceUID string, frame int) (modality, voi *dicom.Dataset) {
	modality, vois := s.Modality, s.VOIs
	for _, b := range s.Blends {
		for _, r := range b.References {
			if r.Names(sopInstanceUID, frame) {
				modality, vois = b.Modality, b.VOIs
			}
		}
	}
	for _, v := range vois {
		if iod.Named(v.Images, sopInstanceUID, frame) {
			return modality, v.LUT
		}
	}
	return modality, nil
}

// Area returns the displayed area of a frame; false where none is selected.
func (s *State) Area(sopInstanceUID string, frame int) (Area, bool) {
	for _, a := range s.Areas {
		if iod.Named(a.Images, sopInstanceUID, frame) {
			return a, true
		}
	}
	return Area{}, false
}

// readPipeline reads what is done to values.
func (s *State) readPipeline(d *dicom.Dataset) {
	s.Modality, s.VOIs = readModality(d), readVOIs(d)
	s.Inverse = d.Text(tag.PresentationLUTShape) == "INVERSE"
	if items := d.Items(tag.PresentationLUTSequence); len(items) > 0 {
		s.PresentationLUT = items[0]
	}
	if d.Has(tag.RedPaletteColorLookupTableDescriptor) {
		s.Palette = d
	}
	s.Subtracts = len(d.Items(tag.MaskSubtractionSequence)) > 0
	if e := d.Get(tag.ICCProfile); e != nil {
		s.ICCProfile = e.Value
	}
}

func readModality(d *dicom.Dataset) *dicom.Dataset {
	if d.Has(tag.RescaleSlope) || d.Has(tag.RescaleIntercept) || len(d.Items(tag.ModalityLUTSequence)) > 0 {
		return d
	}
	return nil
}

func readVOIs(d *dicom.Dataset) []Selected {
	var out []Selected
	for _, item := range d.Items(tag.SoftcopyVOILUTSequence) {
		out = append(out, Selected{iod.ReadReferences(item, tag.ReferencedImageSequence), item})
	}
	return out
}

// readTransformation reads Spatial Transformation (PS3.3 C.10.6).
func (s *State) readTransformation(d *dicom.Dataset) {
	if n, ok := d.Int(tag.ImageRotation); ok && n%90 == 0 {
		s.Rotation = int((n%360 + 360) % 360)
	}
	s.HorizontalFlip = d.Text(tag.ImageHorizontalFlip) == "Y"
}

func readArea(item *dicom.Dataset) (Area, bool) {
	a := Area{Images: iod.ReadReferences(item, tag.ReferencedImageSequence), Mode: item.Text(tag.PresentationSizeMode)}
	for _, c := range [...]struct {
		tag tag.Tag
		to  *[2]int
	}{{tag.DisplayedAreaTopLeftHandCorner, &a.TopLeft}, {tag.DisplayedAreaBottomRightHandCorner, &a.BottomRight}, {tag.PresentationPixelAspectRatio, &a.AspectRatio}} {
		v := item.Ints(c.tag)
		if len(v) != 2 && c.to != &a.AspectRatio {
			return a, false
		}
		if len(v) == 2 {
			*c.to = [2]int{clamp(v[0]), clamp(v[1])}
		}
	}
	if v := finite(item.Floats(tag.PresentationPixelSpacing)); len(v) == 2 && v[0] > 0 && v[1] > 0 {
		a.Spacing = [2]float64(v)
	}
	if a.AspectRatio[0] < 1 || a.AspectRatio[1] < 1 {
		a.AspectRatio = [2]int{}
	}
	if v := finite(item.Floats(tag.PresentationPixelMagnificationRatio)); len(v) == 1 && v[0] > 0 {
		a.Magnification = v[0]
	}
	return a, true
}

func readLayers(d *dicom.Dataset) []Layer {
	var out []Layer
	for _, item := range d.Items(tag.GraphicLayerSequence) {
		l := Layer{Name: item.Text(tag.GraphicLayer), Description: item.Text(tag.GraphicLayerDescription)}
		order, _ := item.Int(tag.GraphicLayerOrder)
		l.Order = clamp(order)
		if v, ok := item.Int(tag.GraphicLayerRecommendedDisplayGrayscaleValue); ok {
			l.Gray, l.HasGray = uint16(v), true
		}
		l.Color, l.HasColor = iod.ReadCIELab(item, tag.GraphicLayerRecommendedDisplayCIELabValue)
		if v := item.Ints(tag.GraphicLayerRecommendedDisplayRGBValue); !l.HasColor && len(v) == 3 { // retired, 16 bits
			l.Color, l.HasColor = iod.RGB{uint8(v[0] >> 8), uint8(v[1] >> 8), uint8(v[2] >> 8)}, true
		}
		out = append(out, l)
	}
	slices.SortStableFunc(out, func(a, b Layer) int { return a.Order - b.Order })
	return out
}

// maxVertices bounds a shutter, each edge of which may cross every row of an image: 2^28 crossings
// of the highest one.
const maxVertices = 1 << 12

// readShutter reads the Display Shutter and Bitmap Display Shutter Modules.
func readShutter(d *dicom.Dataset) (*Shutter, error) {
	shapes := d.Texts(tag.ShutterShape)
	if len(shapes) == 0 {
		return nil, nil
	}
	s := &Shutter{}
	number := func(t tag.Tag) int {
		v, _ := d.Int(t)
		return clamp(v)
	}
	for _, shape := range shapes {
		switch shape {
		case "RECTANGULAR":
			if d.Has(tag.ShutterLeftVerticalEdge) && d.Has(tag.ShutterRightVerticalEdge) &&
				d.Has(tag.ShutterUpperHorizontalEdge) && d.Has(tag.ShutterLowerHorizontalEdge) {
				s.Rectangle = &[4]int{number(tag.ShutterLeftVerticalEdge), number(tag.ShutterRightVerticalEdge),
					number(tag.ShutterUpperHorizontalEdge), number(tag.ShutterLowerHorizontalEdge)}
			}
		case "CIRCULAR":
			// The center is row and column, unlike most that is written of graphics.
			if c := d.Ints(tag.CenterOfCircularShutter); len(c) == 2 && number(tag.RadiusOfCircularShutter) > 0 {
				s.Circle = &[3]int{clamp(c[1]), clamp(c[0]), number(tag.RadiusOfCircularShutter)}
			}
		case "POLYGONAL":
			v := d.Ints(tag.VerticesOfThePolygonalShutter) // row and column, too
			if len(v) > 2*maxVertices {
				return nil, errs.Errorf(errs.Exhausted, "pr.Read", "a shutter of more than %d vertices", maxVertices)
			}
			for i := 0; i+1 < len(v); i += 2 {
				s.Polygon = append(s.Polygon, [2]int{clamp(v[i+1]), clamp(v[i])})
			}
			if len(s.Polygon) < 3 {
				s.Polygon = nil
			}
		case "BITMAP":
			s.OverlayGroup = uint16(number(tag.ShutterOverlayGroup))
		}
	}
	if v, ok := d.Int(tag.ShutterPresentationValue); ok {
		s.Gray = uint16(v)
	}
	s.Color, s.HasColor = iod.ReadCIELab(d, tag.ShutterPresentationColorCIELabValue)
	return s, nil
}

// readOverlays reads which overlays are activated (PS3.3 C.11.7): each names its layer.
func (s *State) readOverlays(d *dicom.Dataset) {
	for group := uint16(0x6000); group <= 0x601E; group += 2 {
		if layer := d.Text(tag.New(group, tag.OverlayActivationLayer.Element())); layer != "" {
			if s.Activated == nil {
				s.Activated = map[uint16]string{}
			}
			s.Activated[group] = layer
		}
		if d.Has(tag.New(group, tag.OverlayData.Element())) {
			s.Overlays = d
		}
	}
}

// readBlends reads Presentation State Blending (PS3.3 C.11.14).
func (s *State) readBlends(d *dicom.Dataset) {
	for _, item := range d.Items(tag.BlendingSequence) {
		s.Blends = append(s.Blends, Blend{
			Superimposed: item.Text(tag.BlendingPosition) == "SUPERIMPOSED",
			References:   iod.ReadHierarchy(item, tag.ReferencedSeriesSequence),
			Modality:     readModality(item),
			VOIs:         readVOIs(item),
		})
	}
	if v := finite(d.Floats(tag.RelativeOpacity)); len(v) > 0 {
		s.RelativeOpacity = min(max(v[0], 0), 1)
	}
}
