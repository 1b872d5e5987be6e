package sr

import (
	"math"
	"strconv"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// ValueType says what an item holds (PS3.3 C.17.3.2.1).
type ValueType string

// The value types.
const (
	Text      ValueType = "TEXT"
	Coded     ValueType = "CODE"
	Num       ValueType = "NUM"
	PName     ValueType = "PNAME"
	Date      ValueType = "DATE"
	Time      ValueType = "TIME"
	DateTime  ValueType = "DATETIME"
	UIDRef    ValueType = "UIDREF"
	Image     ValueType = "IMAGE"
	Waveform  ValueType = "WAVEFORM"
	Composite ValueType = "COMPOSITE"
	SCoord    ValueType = "SCOORD"
	SCoord3D  ValueType = "SCOORD3D"
	TCoord    ValueType = "TCOORD"
	Container ValueType = "CONTAINER"
	Tabulated ValueType = "TABLE"
)

// Item is a content item: a name, a value, and items related to it. Exactly the members of its
// value type are set.
type Item struct {
	ValueType    ValueType // "" of an item by reference
	Relationship string    // to the item above: "CONTAINS", "HAS PROPERTIES"; "" of the root
	Concept      iod.Code  // Concept Name
	Template     string    // Template Identifier of a container: "1500"
	Observed     string    // Observation DateTime
	Number       []int     // its place in the tree: the root is 1, its second child 1.2

	Text       string       // of TEXT, PNAME, DATE, TIME, DATETIME, UIDREF
	Code       iod.Code     // of CODE
	Measured   *Measurement // of NUM
	Reference  *Reference   // of IMAGE, WAVEFORM, COMPOSITE
	Region     *Region      // of SCOORD, SCOORD3D
	Moments    *Moments     // of TCOORD
	Table      *Table       // of TABLE
	Continuous bool         // of CONTAINER: its items are one text

	Path   []int // of an item by reference: the Number it names
	Target *Item // what it names; nil when there is no such item

	Children []*Item
}

// Measurement is the value of a NUM. Without Value the Qualifier says why there is none.
type Measurement struct {
	Value     string  // as written
	Float     float64 // the best number there is: Floating Point, Rational, else Value; NaN: none
	Unit      iod.Code
	Qualifier iod.Code // PS3.3 C.18.1: Numeric Value Qualifier
}

// Reference is the value of IMAGE, WAVEFORM and COMPOSITE.
type Reference struct {
	iod.Reference
	Presentation *iod.Reference // how to show an image
	Channels     []int          // of a waveform: pairs of multiplex group and channel
}

// Region is the value of SCOORD and SCOORD3D (PS3.3 C.18.6, C.18.9).
type Region struct {
	GraphicType         string
	Points              []float64 // pairs column, row (0,0: upper left corner of the image) or triples in mm
	Dimensions          int       // 2 or 3
	Fiducial            string
	FrameOfReferenceUID string // of SCOORD3D
}

// Moments is the value of TCOORD (PS3.3 C.18.7). One of the lists is set.
type Moments struct {
	RangeType string
	Positions []int64
	Offsets   []float64 // seconds
	DateTimes []string
}

// Table is the value of TABLE (PS3.3 C.18.10): names of rows and columns, and cells.
type Table struct {
	Rows, Columns []iod.Code
	Units         []iod.Code        // of the columns, where they have one
	Cells         map[[2]int]string // by row and column, from 1
}

// Label returns what to call the item: the meaning of its concept name, "" when it has none.
func (it *Item) Label() string {
	if it.Concept.Meaning != "" {
		return it.Concept.Meaning
	}
	return it.Concept.Value
}

// Find returns the item below it (which is taken for the root) that the path names.
func (it *Item) Find(path []int) *Item {
	if len(path) == 0 || path[0] != 1 {
		return nil
	}
	for _, n := range path[1:] {
		if n < 1 || n > len(it.Children) {
			return nil
		}
		it = it.Children[n-1]
	}
	return it
}

// number gives every item its place.
func number(it *Item, place []int) {
	it.Number = place
	for i, child := range it.Children {
		number(child, append(place[:len(place):len(place)], i+1))
	}
}

// reader reads a tree and keeps what has to be looked at afterwards.
type reader struct {
	items      int
	references []*Item
}

func (r *reader) item(d *dicom.Dataset, depth int) (*Item, error) {
	if depth > MaxDepth {
		return nil, errs.Errorf(errs.Exhausted, "sr.item", "the content tree is deeper than %d items", MaxDepth)
	}
	r.items++
	it := &Item{
		ValueType:    ValueType(d.Text(tag.ValueType)),
		Relationship: d.Text(tag.RelationshipType),
		Concept:      iod.FirstCode(d, tag.ConceptNameCodeSequence),
		Observed:     d.Text(tag.ObservationDateTime),
	}
	if depth == 1 {
		it.Relationship = ""
	}
	for _, n := range d.Ints(tag.ReferencedContentItemIdentifier) {
		it.Path = append(it.Path, int(n))
	}
	if it.Path != nil {
		r.references = append(r.references, it)
	}
	it.value(d)
	for _, child := range d.Items(tag.ContentSequence) {
		c, err := r.item(child, depth+1)
		if err != nil {
			return nil, err
		}
		it.Children = append(it.Children, c)
	}
	return it, nil
}

// value reads the macro of the item's value type (PS3.3 Table C.17-5).
func (it *Item) value(d *dicom.Dataset) {
	switch it.ValueType {
	case Text:
		it.Text = d.Text(tag.TextValue)
	case PName:
		it.Text = d.Text(tag.PersonName)
	case Date:
		it.Text = d.Text(tag.Date)
	case Time:
		it.Text = d.Text(tag.Time)
	case DateTime:
		it.Text = d.Text(tag.DateTime)
	case UIDRef:
		it.Text = d.UID(tag.UID)
	case Coded:
		it.Code = iod.FirstCode(d, tag.ConceptCodeSequence)
	case Num:
		it.Measured = measurement(d)
	case Image, Waveform, Composite:
		it.Reference = reference(d)
	case SCoord:
		it.Region = region(d, 2)
	case SCoord3D:
		it.Region = region(d, 3)
	case TCoord:
		it.Moments = &Moments{RangeType: d.Text(tag.TemporalRangeType), Positions: d.Ints(tag.ReferencedSamplePositions),
			Offsets: d.Floats(tag.ReferencedTimeOffsets), DateTimes: d.Texts(tag.ReferencedDateTime)}
	case Container:
		it.Continuous = d.Text(tag.ContinuityOfContent) == "CONTINUOUS"
		if items := d.Items(tag.ContentTemplateSequence); len(items) > 0 {
			it.Template = items[0].Text(tag.TemplateIdentifier)
		}
	case Tabulated:
		it.Table = table(d)
	}
}

func measurement(d *dicom.Dataset) *Measurement {
	m := &Measurement{Float: math.NaN(), Qualifier: iod.FirstCode(d, tag.NumericValueQualifierCodeSequence)}
	items := d.Items(tag.MeasuredValueSequence)
	if len(items) == 0 {
		return m
	}
	v := items[0]
	m.Value = v.Text(tag.NumericValue)
	m.Unit = iod.FirstCode(v, tag.MeasurementUnitsCodeSequence)
	numerators, denominators := v.Floats(tag.RationalNumeratorValue), v.Floats(tag.RationalDenominatorValue)
	if f := v.Floats(tag.FloatingPointValue); len(f) > 0 {
		m.Float = f[0]
	} else if len(numerators) > 0 && len(denominators) > 0 && denominators[0] != 0 {
		m.Float = numerators[0] / denominators[0]
	} else if f := v.Floats(tag.NumericValue); len(f) > 0 {
		m.Float = f[0]
	}
	return m
}

func reference(d *dicom.Dataset) *Reference {
	items := d.Items(tag.ReferencedSOPSequence)
	if len(items) == 0 {
		return nil
	}
	ref := &Reference{Reference: iod.ReadReference(items[0])}
	for _, n := range items[0].Ints(tag.ReferencedWaveformChannels) {
		ref.Channels = append(ref.Channels, int(n))
	}
	if p := iod.ReadReferences(items[0], tag.ReferencedSOPSequence); len(p) > 0 {
		ref.Presentation = &p[0]
	}
	return ref
}

func region(d *dicom.Dataset, dimensions int) *Region {
	g := &Region{GraphicType: d.Text(tag.GraphicType), Dimensions: dimensions, Points: d.Floats(tag.GraphicData),
		Fiducial: d.UID(tag.FiducialUID), FrameOfReferenceUID: d.UID(tag.ReferencedFrameOfReferenceUID)}
	g.Points = g.Points[:len(g.Points)/dimensions*dimensions]
	for _, v := range g.Points {
		if math.IsNaN(v) || math.IsInf(v, 0) { // no place at all: nothing of it can be drawn
			g.Points = nil
			break
		}
	}
	return g
}

// table reads Tabulated Values. Cells are those that are written, so that no claim of rows and
// columns costs anything.
func table(d *dicom.Dataset) *Table {
	items := d.Items(tag.TabulatedValuesSequence)
	if len(items) == 0 {
		items = []*dicom.Dataset{d}
	}
	t := &Table{Cells: map[[2]int]string{}}
	names := func(sequence, numbered tag.Tag) (names, units []iod.Code) {
		definitions := items[0].Items(sequence)
		names, units = make([]iod.Code, len(definitions)), make([]iod.Code, len(definitions))
		for i, def := range definitions {
			n, ok := def.Int(numbered)
			if !ok || n < 1 || n > int64(len(definitions)) {
				n = int64(i + 1)
			}
			names[n-1] = iod.FirstCode(def, tag.ConceptNameCodeSequence)
			units[n-1] = iod.FirstCode(def, tag.MeasurementUnitsCodeSequence)
		}
		return names, units
	}
	t.Rows, _ = names(tag.TableRowDefinitionSequence, tag.TableRowNumber)
	t.Columns, t.Units = names(tag.TableColumnDefinitionSequence, tag.TableColumnNumber)
	for _, cell := range items[0].Items(tag.CellValuesSequence) {
		row, ok1 := cell.Int(tag.TableRowNumber)
		column, ok2 := cell.Int(tag.TableColumnNumber)
		if ok1 && ok2 && row > 0 && column > 0 && row == int64(uint32(row)) && column == int64(uint32(column)) {
			t.Cells[[2]int{int(row), int(column)}] = cellText(cell)
		}
	}
	return t
}

// cellText returns the value of a cell: one of the Selector ... Value attributes (PS3.3 10.38),
// or what a content item would have.
func cellText(cell *dicom.Dataset) string {
	if c := iod.FirstCode(cell, tag.SelectorCodeSequenceValue); !c.IsZero() {
		return c.Meaning
	}
	if c := iod.FirstCode(cell, tag.ConceptCodeSequence); !c.IsZero() {
		return c.Meaning
	}
	for e := range cell.All() {
		switch e.Tag {
		case tag.TableRowNumber, tag.TableColumnNumber, tag.SelectorAttributeVR, tag.ValueType, tag.SpecificCharacterSet:
			continue
		}
		if s := cell.Text(e.Tag); s != "" {
			return s
		}
		if f := e.Floats(); len(f) > 0 {
			return strconv.FormatFloat(f[0], 'g', -1, 64)
		}
	}
	return ""
}
