package pr

import (
	"math"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// MaxPoints bounds the points of all graphics of a state: more than any hand draws, and what can
// still be drawn in a second.
const MaxPoints = 1 << 20

// MaxTexts bounds its text objects.
const MaxTexts = 1 << 12

// Units says what coordinates count (PS3.3 Table C.10-5).
type Units string

// The units. Pixel counts from 0,0, the upper left corner of the image, before rotation and flip;
// Display is a fraction of the displayed area; Matrix is as Pixel in the total pixel matrix.
const (
	Pixel   Units = "PIXEL"
	Display Units = "DISPLAY"
	Matrix  Units = "MATRIX"
)

// Point is column and row, in some units.
type Point [2]float64

// Annotation is an item of Graphic Annotation Sequence (PS3.3 C.10.5).
type Annotation struct {
	Images   []iod.Reference // none: all
	Layer    string
	Texts    []Text
	Graphics []Graphic
}

// Style is how the standard's newer writers want an object to look (PS3.3 Tables
// C.10-5a and C.10-5b).
type Style struct {
	Color        iod.RGB
	HasColor     bool
	Thickness    float64 // of lines, in screen pixels; 0: one
	Dashed       bool
	Bold         bool
	FillColor    iod.RGB
	HasFillColor bool
	Opacity      float64 // of what is drawn; 1 unless said
	FillOpacity  float64
}

// Text is a text object. It stands in a box, or at an anchor, or in a box that belongs to an
// anchor.
type Text struct {
	Lines         []string
	Box           *[2]Point // top left and bottom right
	BoxUnits      Units
	Justify       string // LEFT, CENTER, RIGHT: of lines in the box
	Anchor        *Point
	AnchorUnits   Units
	AnchorVisible bool // a line from the box to the anchor
	Style         Style
}

// Graphic is a graphic object (PS3.3 C.10.5.1.2): POINT, POLYLINE, INTERPOLATED, CIRCLE (center, one of the rim) or
// ELLIPSE (ends of the major, then of the minor axis).
type Graphic struct {
	Type   string
	Units  Units
	Points []Point
	Filled bool
	Style  Style
}

// budget is what is left of the points and texts of a state.
type budget struct{ points, texts int }

func readAnnotation(item *dicom.Dataset, left *budget) (Annotation, error) {
	a := Annotation{Images: iod.ReadReferences(item, tag.ReferencedImageSequence), Layer: item.Text(tag.GraphicLayer)}
	for _, t := range item.Items(tag.TextObjectSequence) {
		if left.texts--; left.texts < 0 {
			return a, errs.Errorf(errs.Exhausted, "pr.Read", "the presentation state has more than %d texts", MaxTexts)
		}
		if text, ok := readText(t); ok {
			a.Texts = append(a.Texts, text)
		}
	}
	for _, g := range item.Items(tag.GraphicObjectSequence) {
		graphic, ok := readGraphic(g)
		if left.points -= len(graphic.Points) + 1; left.points < 0 {
			return a, errs.Errorf(errs.Exhausted, "pr.Read", "the presentation state draws more than %d points", MaxPoints)
		}
		if ok {
			a.Graphics = append(a.Graphics, graphic)
		}
	}
	return a, nil
}

func readText(item *dicom.Dataset) (Text, bool) {
	t := Text{
		Lines:       strings.FieldsFunc(item.Text(tag.UnformattedTextValue), func(r rune) bool { return r == '\r' || r == '\n' }),
		BoxUnits:    Units(item.Text(tag.BoundingBoxAnnotationUnits)),
		Justify:     item.Text(tag.BoundingBoxTextHorizontalJustification),
		AnchorUnits: Units(item.Text(tag.AnchorPointAnnotationUnits)),
		Style:       textStyle(item),
	}
	from, to := points(item, tag.BoundingBoxTopLeftHandCorner), points(item, tag.BoundingBoxBottomRightHandCorner)
	if len(from) == 1 && len(to) == 1 {
		t.Box = &[2]Point{from[0], to[0]}
	}
	if anchor := points(item, tag.AnchorPoint); len(anchor) == 1 {
		t.Anchor = &anchor[0]
		t.AnchorVisible = item.Text(tag.AnchorPointVisibility) == "Y"
	}
	return t, len(t.Lines) > 0 && (t.Box != nil || t.Anchor != nil)
}

// needed is how many points a type takes at least.
var needed = map[string]int{"POINT": 1, "POLYLINE": 2, "INTERPOLATED": 2, "CIRCLE": 2, "ELLIPSE": 4}

func readGraphic(item *dicom.Dataset) (Graphic, bool) {
	g := Graphic{
		Type:   item.Text(tag.GraphicType),
		Units:  Units(item.Text(tag.GraphicAnnotationUnits)),
		Points: points(item, tag.GraphicData),
		Filled: item.Text(tag.GraphicFilled) == "Y",
		Style:  lineStyle(item),
	}
	// Number of Graphic Points can only leave some out.
	if n, ok := item.Int(tag.NumberOfGraphicPoints); ok && n >= 0 && n < int64(len(g.Points)) {
		g.Points = g.Points[:n]
	}
	least := needed[g.Type]
	return g, least > 0 && len(g.Points) >= least
}

// points reads pairs. Coordinates that are no numbers, or lie where no image reaches, make none.
func points(d *dicom.Dataset, t tag.Tag) []Point {
	v := finite(d.Floats(t))
	out := make([]Point, len(v)/2)
	for i := range out {
		out[i] = Point{v[2*i], v[2*i+1]}
	}
	return out
}

// farthest bounds coordinates: images end at 65535, slides at 2^31, but what is drawn on them is
// drawn in pixels of a picture.
const farthest = 1 << 31

// finite returns the values when all of them are numbers within bounds, else none.
func finite(v []float64) []float64 {
	for _, f := range v {
		if !(math.Abs(f) <= farthest) { // NaN too
			return nil
		}
	}
	return v
}

func clamp(v int64) int { return int(min(max(v, -farthest), farthest)) }

func lineStyle(item *dicom.Dataset) Style {
	s := Style{Opacity: 1, FillOpacity: 1}
	if items := item.Items(tag.LineStyleSequence); len(items) > 0 {
		line := items[0]
		s.Color, s.HasColor = iod.ReadCIELab(line, tag.PatternOnColorCIELabValue)
		if v := finite(line.Floats(tag.LineThickness)); len(v) > 0 && v[0] > 0 {
			s.Thickness = min(v[0], 64)
		}
		s.Dashed = line.Text(tag.LineDashingStyle) == "DASHED"
		s.Opacity = opacity(line, tag.PatternOnOpacity)
	}
	if items := item.Items(tag.FillStyleSequence); len(items) > 0 {
		s.FillColor, s.HasFillColor = iod.ReadCIELab(items[0], tag.PatternOnColorCIELabValue)
		s.FillOpacity = opacity(items[0], tag.PatternOnOpacity)
	}
	return s
}

func textStyle(item *dicom.Dataset) Style {
	s := Style{Opacity: 1}
	if items := item.Items(tag.TextStyleSequence); len(items) > 0 {
		s.Color, s.HasColor = iod.ReadCIELab(items[0], tag.TextColorCIELabValue)
		s.Bold = items[0].Text(tag.Bold) == "Y"
	}
	return s
}

func opacity(style *dicom.Dataset, t tag.Tag) float64 {
	if v := finite(style.Floats(t)); len(v) > 0 {
		return min(max(v[0], 0), 1)
	}
	return 1
}
