package dicom

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"log/slog"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/value"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Get returns the element with the tag, nil when there is none. Of a tag that occurs twice the
// first is returned, here and in everything built on Get; the others are kept and written. The
// pointer is good until elements are added or deleted.
func (d *Dataset) Get(t tag.Tag) *Element {
	if d == nil {
		return nil
	}
	if d.ordered == len(d.Elements) { // strictly ascending as far as we know
		lo, hi := 0, len(d.Elements)
		for lo < hi {
			mid := int(uint(lo+hi) >> 1)
			if d.Elements[mid].Tag < t {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		if lo < len(d.Elements) && d.Elements[lo].Tag == t {
			return &d.Elements[lo]
		}
		return nil
	}
	for i := range d.Elements {
		if d.Elements[i].Tag == t {
			return &d.Elements[i]
		}
	}
	return nil
}

// Has reports whether the element is there, with or without a value.
func (d *Dataset) Has(t tag.Tag) bool { return d.Get(t) != nil }

// Parent returns the data set whose sequence holds this item, nil at the top.
func (d *Dataset) Parent() *Dataset { return d.parent }

// Lookup follows a path of tags; between two tags the first item of the sequence is taken.
func (d *Dataset) Lookup(path ...tag.Tag) *Element {
	for i, t := range path {
		e := d.Get(t)
		if e == nil || i == len(path)-1 {
			return e
		}
		if len(e.Items) == 0 {
			return nil
		}
		d = e.Items[0]
	}
	return nil
}

// All iterates over the elements of this level.
func (d *Dataset) All() iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		if d == nil {
			return
		}
		for i := range d.Elements {
			if !yield(&d.Elements[i]) {
				return
			}
		}
	}
}

// Step is one step from a data set down to an item.
type Step struct {
	Tag  tag.Tag
	Item int // from 0
}

// Walk calls visit for every element, those in items after their sequence. The path is only
// good during the call. When visit returns false the items of that element are left out.
func (d *Dataset) Walk(visit func(path []Step, e *Element) bool) {
	walk(d, nil, visit)
}

func walk(d *Dataset, path []Step, visit func([]Step, *Element) bool) {
	for e := range d.All() {
		if !visit(path, e) {
			continue
		}
		for i, item := range e.Items {
			walk(item, append(path, Step{e.Tag, i}), visit)
		}
	}
}

// Text returns the first value of a text element, decoded and without padding; "" when there
// is none.
func (d *Dataset) Text(t tag.Tag) string {
	e := d.Get(t)
	if e == nil || len(e.Value) == 0 {
		return ""
	}
	v, b := e.KnownVR(), e.Value
	switch {
	case v.Known() && !v.Text():
		return ""
	case v.Charset() && !asciiOnly(b):
		cs := d.Charset()
		if v.Multi() {
			b, _, _ = cs.Cut(b)
		}
		return trimText(decodeText(b, v, cs), v)
	case v.Multi():
		b = firstText(b)
	}
	return trimText(string(b), v)
}

// Texts returns all values of a text element, decoded and without padding.
func (d *Dataset) Texts(t tag.Tag) []string {
	e := d.Get(t)
	if e == nil || len(e.Value) == 0 {
		return nil
	}
	if e.KnownVR().Charset() && !asciiOnly(e.Value) {
		return e.Strings(d.Charset())
	}
	return e.Strings(nil)
}

// UID returns the first UID of the element without padding (NUL by the standard, space by
// mistake).
func (d *Dataset) UID(t tag.Tag) string {
	e := d.Get(t)
	if e == nil {
		return ""
	}
	return string(bytes.Trim(firstText(e.Value), " \x00"))
}

// Int returns the first value of a number (binary, IS or DS).
func (d *Dataset) Int(t tag.Tag) (int64, bool) {
	e := d.Get(t)
	if e == nil {
		return 0, false
	}
	return e.Int()
}

// Ints returns all values; see Element.Ints.
func (d *Dataset) Ints(t tag.Tag) []int64 {
	if e := d.Get(t); e != nil {
		return e.Ints()
	}
	return nil
}

// Floats returns all values; see Element.Floats.
func (d *Dataset) Floats(t tag.Tag) []float64 {
	if e := d.Get(t); e != nil {
		return e.Floats()
	}
	return nil
}

// Items returns the items of a sequence.
func (d *Dataset) Items(t tag.Tag) []*Dataset {
	if e := d.Get(t); e != nil {
		return e.Items
	}
	return nil
}

// SetElement puts the element in the place of its tag: over the first of the same tag, else
// before the first with a higher one.
func (d *Dataset) SetElement(e Element) {
	for _, item := range e.Items {
		item.parent = d
	}
	if old := d.Get(e.Tag); old != nil {
		*old = e
		return
	}
	at := len(d.Elements)
	ordered := d.ordered == at
	if ordered {
		at = sort.Search(at, func(i int) bool { return d.Elements[i].Tag > e.Tag })
	} else if i := slices.IndexFunc(d.Elements, func(x Element) bool { return x.Tag > e.Tag }); i >= 0 {
		at = i
	}
	d.Elements = slices.Insert(d.Elements, at, e)
	d.setOrdered(ordered)
}

// SetText sets the values of a text element, encoded by Specific Character Set and padded. The
// VR is the dictionary's. Text outside of ASCII in a data set that names no character set turns
// it to UTF-8 (ISO_IR 192). No values make an empty element.
func (d *Dataset) SetText(t tag.Tag, values ...string) {
	v := d.vrOf(t)
	text := strings.Join(values, `\`)
	b := []byte(text)
	if v.Charset() && !asciiOnly(b) {
		b = d.encodeText(text)
	}
	d.SetElement(Element{Tag: t, VR: v, Value: pad(b, v)})
}

// SetUID sets UIDs, padded with NUL (PS3.5 9.1).
func (d *Dataset) SetUID(t tag.Tag, values ...string) {
	d.SetElement(Element{Tag: t, VR: vr.UI, Value: pad([]byte(strings.Join(values, `\`)), vr.UI)})
}

// SetInts sets numbers in the VR of the dictionary: binary, IS or DS.
func (d *Dataset) SetInts(t tag.Tag, values ...int64) {
	v := d.vrOf(t)
	le := binary.LittleEndian
	var b []byte
	for i, n := range values {
		switch {
		case v == vr.AT:
			b = le.AppendUint16(b, uint16(n>>16))
			b = le.AppendUint16(b, uint16(n))
		case v == vr.FL || v == vr.OF:
			b = le.AppendUint32(b, math.Float32bits(float32(n)))
		case v == vr.FD || v == vr.OD:
			b = le.AppendUint64(b, math.Float64bits(float64(n)))
		case v.Text():
			if i > 0 {
				b = append(b, '\\')
			}
			b = strconv.AppendInt(b, n, 10)
		case v.Size() == 2:
			b = le.AppendUint16(b, uint16(n))
		case v.Size() == 4:
			b = le.AppendUint32(b, uint32(n))
		case v.Size() == 8:
			b = le.AppendUint64(b, uint64(n))
		default:
			b = append(b, byte(n))
		}
	}
	d.SetElement(Element{Tag: t, VR: v, Value: pad(b, v)})
}

// SetFloats sets numbers in the VR of the dictionary: FL, FD, OF, OD or DS (at most 16 bytes
// each, PS3.5 6.2); rounded for the integer VRs.
func (d *Dataset) SetFloats(t tag.Tag, values ...float64) {
	v := d.vrOf(t)
	le := binary.LittleEndian
	var b []byte
	switch v {
	case vr.FL, vr.OF:
		for _, f := range values {
			b = le.AppendUint32(b, math.Float32bits(float32(f)))
		}
	case vr.FD, vr.OD:
		for _, f := range values {
			b = le.AppendUint64(b, math.Float64bits(f))
		}
	case vr.DS, vr.LO, vr.SH, vr.UC:
		for i, f := range values {
			if i > 0 {
				b = append(b, '\\')
			}
			b = append(b, value.FormatDS(f)...)
		}
	default:
		ints := make([]int64, len(values))
		for i, f := range values {
			ints[i] = int64(math.Round(f))
		}
		d.SetInts(t, ints...)
		return
	}
	d.SetElement(Element{Tag: t, VR: v, Value: pad(b, v)})
}

// SetItems sets a sequence.
func (d *Dataset) SetItems(t tag.Tag, items ...*Dataset) {
	if items == nil {
		items = []*Dataset{}
	}
	d.SetElement(Element{Tag: t, VR: vr.SQ, Items: items})
}

// Delete removes every element with the tag.
func (d *Dataset) Delete(t tag.Tag) {
	ordered := d.ordered == len(d.Elements)
	d.Elements = slices.DeleteFunc(d.Elements, func(e Element) bool { return e.Tag == t })
	d.setOrdered(ordered)
}

func (d *Dataset) setOrdered(ordered bool) {
	d.ordered = -1
	if ordered {
		d.ordered = len(d.Elements)
	}
}

// Sort puts the elements of this level in the order of their tags, as the standard wants them
// (PS3.5 7.1); those with the same tag keep their order.
func (d *Dataset) Sort() {
	slices.SortStableFunc(d.Elements, func(a, b Element) int { return cmp.Compare(a.Tag, b.Tag) })
	d.ordered = ascending(d.Elements)
}

// ascending returns len(es) when every tag is higher than the one before, else -1.
func ascending(es []Element) int {
	for i := 1; i < len(es); i++ {
		if es[i].Tag <= es[i-1].Tag {
			return -1
		}
	}
	return len(es)
}

// Clone copies the data set and everything in it. The copy of an item has no parent.
func (d *Dataset) Clone() *Dataset {
	if d == nil {
		return nil
	}
	c := &Dataset{Undefined: d.Undefined, ordered: d.ordered, Elements: make([]Element, len(d.Elements))}
	for i := range d.Elements {
		c.Elements[i] = d.Elements[i].clone(c)
	}
	return c
}

// LogValue prints UIDs only: nothing of the patient may reach a log.
func (d *Dataset) LogValue() slog.Value {
	if d == nil {
		return slog.Value{}
	}
	var attrs []slog.Attr
	for _, a := range []struct {
		name string
		tag  tag.Tag
	}{{"sop_class", tag.SOPClassUID}, {"study", tag.StudyInstanceUID},
		{"series", tag.SeriesInstanceUID}, {"sop", tag.SOPInstanceUID}} {
		if uid := d.UID(a.tag); uid != "" {
			attrs = append(attrs, slog.String(a.name, uid))
		}
	}
	return slog.GroupValue(attrs...)
}

// pad makes the length even.
func pad(b []byte, v vr.VR) []byte {
	if len(b)%2 == 1 {
		b = append(b, v.Padding())
	}
	return b
}
