package imaging

import (
	"math"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// LUT is a look-up table of the Modality, VOI or Presentation LUT (PS3.3 C.11.1.1, C.11.2.1.1):
// the entry for input First+i is Data[i]; inputs before and behind take the first and the last.
type LUT struct {
	First       int // may be negative
	Bits        int // of an entry: 8 to 16
	Data        []uint16
	Explanation string
}

// At returns the entry for an input.
func (l *LUT) At(v float64) uint16 {
	i := v - float64(l.First)
	if !(i > 0) { // NaN too
		return l.Data[0]
	}
	return l.Data[int(min(i, float64(len(l.Data)-1)))]
}

// Max returns the largest value an entry can have.
func (l *LUT) Max() float64 { return float64(uint32(1)<<l.Bits - 1) }

// Modality makes stored values into those of the modality, such as Hounsfield Units: by the
// LUT, else by Slope and Intercept (PS3.3 C.11.1).
type Modality struct {
	Slope, Intercept float64
	LUT              *LUT
	Type             string // Rescale Type or Modality LUT Type: "HU", "US"
}

// Identity reports whether values stay as they are stored.
func (m *Modality) Identity() bool { return m.LUT == nil && m.Slope == 1 && m.Intercept == 0 }

// At returns the modality's value of a stored one.
func (m *Modality) At(v float64) float64 {
	if m.LUT != nil {
		return float64(m.LUT.At(v))
	}
	return v*m.Slope + m.Intercept
}

// Function is how a window maps its values (PS3.3 C.11.2.1.3).
type Function string

// The functions of a window. An empty one is Linear.
const (
	Linear      Function = "LINEAR"
	LinearExact Function = "LINEAR_EXACT"
	Sigmoid     Function = "SIGMOID"
)

// Window is the range of values to show (PS3.3 C.11.2.1.2).
type Window struct {
	Center      float64  `json:"center"`
	Width       float64  `json:"width"`
	Function    Function `json:"function"`
	Explanation string   `json:"explanation,omitempty"`
}

// maxValue bounds numbers of a header that are reckoned with: beyond it nothing is an image, and
// below it no product overflows.
const maxValue = 1e30

// Valid reports whether the window can be used: a width of at least 1 for Linear, above 0 for
// the others (PS3.3 C.11.2.1.2.1, C.11.2.1.3).
func (w Window) Valid() bool {
	least := math.SmallestNonzeroFloat64
	switch w.Function {
	case "", Linear:
		least = 1
	case LinearExact, Sigmoid:
	default:
		return false
	}
	return math.Abs(w.Center) <= maxValue && w.Width >= least && w.Width <= maxValue // NaN fails
}

// VOI is what an image or a presentation state offers as values of interest: alternatives,
// the most wanted first (PS3.3 C.11.2).
type VOI struct {
	Windows []Window
	LUTs    []LUT
}

// ReadLUT reads a LUT item. signed: First counts in two's complement whatever the VR says, which
// an implicit VR cannot.
func ReadLUT(item *dicom.Dataset, bulk Bulk, signed bool) (*LUT, error) {
	const op = "imaging.LUT"
	d, err := readDescriptor(item, tag.LUTDescriptor, signed)
	if err != nil {
		return nil, err
	}
	data, err := words(item, tag.LUTData, bulk, d)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return nil, errs.Errorf(errs.Invalid, op, "a look-up table has no entries")
	}
	l := &LUT{First: d.first, Bits: d.bits, Data: data, Explanation: item.Text(tag.LUTExplanation)}
	if l.Bits < 8 || l.Bits > 16 { // as much as the entries need
		l.Bits = 8
	}
	for _, v := range data {
		for l.Bits < 16 && int(v) >= 1<<l.Bits {
			l.Bits++
		}
	}
	return l, nil
}

// descriptor is a LUT Descriptor (PS3.3 C.11.1.1, C.7.6.3.1.5).
type descriptor struct{ count, first, bits int }

func readDescriptor(ds *dicom.Dataset, t tag.Tag, signed bool) (descriptor, error) {
	e := ds.Get(t)
	if e == nil || len(e.Value) < 6 {
		return descriptor{}, errs.Errorf(errs.Invalid, "imaging.LUT", "%s is missing or short", t.Keyword())
	}
	v := littleEndian(e.Value[:6])
	d := descriptor{count: int(v[0]), first: int(v[1]), bits: int(v[2])}
	if d.count == 0 {
		d.count = 1 << 16
	}
	if signed || e.KnownVR() == vr.SS {
		d.first = int(int16(v[1]))
	}
	return d, nil
}

// words returns at most the entries that the descriptor counts: of 16 bits, or of 8 where the
// value is only that long (PS3.3 C.7.6.3.1.6).
func words(ds *dicom.Dataset, t tag.Tag, bulk Bulk, d descriptor) ([]uint16, error) {
	b, err := value(ds, t, bulk)
	if err != nil {
		return nil, err
	}
	if d.bits <= 8 && len(b) <= d.count+1 {
		out := make([]uint16, min(len(b), d.count))
		for i := range out {
			out[i] = uint16(b[i])
		}
		return out, nil
	}
	return littleEndian(b[:min(len(b), 2*d.count)]), nil
}

func littleEndian(b []byte) []uint16 {
	out := make([]uint16, len(b)/2)
	for i := range out {
		out[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
	}
	return out
}

// ReadModality reads the Modality LUT from a data set or a Pixel Value Transformation item. A
// slope that is none, 0 or beyond all measure leaves values as they are stored.
func ReadModality(ds *dicom.Dataset, bulk Bulk, signed bool) (Modality, error) {
	m := Modality{Slope: 1}
	if items := ds.Items(tag.ModalityLUTSequence); len(items) > 0 && !empty(items[0]) {
		l, err := ReadLUT(items[0], bulk, signed)
		if err != nil {
			return m, err
		}
		m.LUT, m.Type = l, items[0].Text(tag.ModalityLUTType)
		return m, nil
	}
	slope, intercept := ds.Floats(tag.RescaleSlope), ds.Floats(tag.RescaleIntercept)
	if len(slope) > 0 && slope[0] != 0 && math.Abs(slope[0]) <= maxValue {
		m.Slope = slope[0]
	}
	if len(intercept) > 0 && math.Abs(intercept[0]) <= maxValue {
		m.Intercept = intercept[0]
	}
	m.Type = ds.Text(tag.RescaleType)
	return m, nil
}

// empty reports whether a LUT item is a form that nobody has filled in.
func empty(item *dicom.Dataset) bool {
	d, b := item.Get(tag.LUTDescriptor), item.Get(tag.LUTData)
	return (d == nil || d.IsEmpty()) && (b == nil || b.IsEmpty())
}

// ReadVOI reads windows and LUTs from a data set or a Frame VOI LUT item. What cannot be used is
// left out: an image is seen by another window, or by its own values. signed: values of the
// modality may be negative.
func ReadVOI(ds *dicom.Dataset, bulk Bulk, signed bool) VOI {
	var v VOI
	centers, widths := ds.Floats(tag.WindowCenter), ds.Floats(tag.WindowWidth)
	explanations := ds.Texts(tag.WindowCenterWidthExplanation)
	function := Function(strings.ToUpper(strings.TrimSpace(ds.Text(tag.VOILUTFunction))))
	switch function {
	case LinearExact, Sigmoid:
	default:
		function = Linear
	}
	for i := range min(len(centers), len(widths)) {
		w := Window{Center: centers[i], Width: widths[i], Function: function}
		if w.Function == Linear && w.Width > 0 && w.Width < 1 { // of values below 1, which Linear has no window for
			w.Function = LinearExact
		}
		if i < len(explanations) {
			w.Explanation = explanations[i]
		}
		if w.Valid() {
			v.Windows = append(v.Windows, w)
		}
	}
	for _, item := range ds.Items(tag.VOILUTSequence) {
		if l, err := ReadLUT(item, bulk, signed); err == nil {
			v.LUTs = append(v.LUTs, *l)
		}
	}
	return v
}
