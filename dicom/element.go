package dicom

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/charset"
	"github.com/aurelius-imaging/aurelius/dicom/value"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// IsEmpty reports whether the element has no value (length zero, no items).
func (e *Element) IsEmpty() bool {
	return len(e.Value) == 0 && len(e.Items) == 0 && len(e.Fragments) == 0 && e.Bulk == nil
}

// KnownVR returns the VR to interpret the value by: the dictionary's where the element came as
// UN although the attribute is known (PS3.5 6.2.2), else its own.
func (e *Element) KnownVR() vr.VR {
	if e.VR != vr.UN || e.Tag.Private() {
		return e.VR
	}
	v, _ := dictionaryVR(e.Tag)
	return v
}

// Strings returns the values of a text element, decoded by cs (nil: as they are) and without
// padding: trailing spaces and NULs, leading spaces too where they are not significant.
// Dataset.Texts finds cs. Other elements give nil.
func (e *Element) Strings(cs *charset.Set) []string {
	v := e.KnownVR()
	if v.Known() && !v.Text() || len(e.Value) == 0 {
		return nil
	}
	if !v.Charset() {
		cs = nil
	}
	if !v.Multi() && v.Known() {
		return []string{trimText(decodeText(e.Value, v, cs), v)}
	}
	out := make([]string, 0, bytes.Count(e.Value, []byte{'\\'})+1)
	for rest, more := e.Value, true; more; {
		var value []byte
		if cs == nil {
			value, rest, more = bytes.Cut(rest, []byte{'\\'})
		} else {
			value, rest, more = cs.Cut(rest)
		}
		out = append(out, trimText(decodeText(value, v, cs), v))
	}
	return out
}

func decodeText(b []byte, v vr.VR, cs *charset.Set) string {
	switch {
	case cs == nil:
		return string(b)
	case v == vr.PN:
		return cs.DecodePN(b)
	}
	return cs.Decode(b)
}

// trimText takes off what pads a value. Leading spaces are significant in LT, ST, UC, UT and UR
// (PS3.5 Table 6.2-1). NUL is no legal pad of text but a common one.
func trimText(s string, v vr.VR) string {
	s = strings.TrimRight(s, " \x00")
	switch v {
	case vr.LT, vr.ST, vr.UC, vr.UT, vr.UR:
		return s
	}
	return strings.TrimLeft(s, " ")
}

// firstText cuts the first value of a multi-valued text off b.
func firstText(b []byte) []byte {
	if i := bytes.IndexByte(b, '\\'); i >= 0 {
		return b[:i]
	}
	return b
}

// Ints returns the values of an element with integers: US SS UL SL UV SV AT (as group<<16 |
// element), OB OW OL OV (unsigned), and IS, DS with whole numbers. A value that is no such
// number ends the list: what comes behind it cannot be numbered.
func (e *Element) Ints() []int64 {
	v := e.KnownVR()
	if v == vr.IS || v == vr.DS {
		var out []int64
		for b, more := e.Value, len(e.Value) > 0; more; {
			var value []byte
			value, b, more = bytes.Cut(b, []byte{'\\'})
			n, ok := parseInt(value)
			if !ok {
				return out
			}
			out = append(out, n)
		}
		return out
	}
	n := numbers(e.Value, v)
	if n == 0 {
		return nil
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = intAt(e.Value, v, i)
	}
	return out
}

// numbers returns how many whole integers b has.
func numbers(b []byte, v vr.VR) int {
	switch v {
	case vr.AT:
		return len(b) / 4
	case vr.FL, vr.FD, vr.OF, vr.OD, vr.UN:
		return 0
	}
	if size := v.Size(); size > 0 {
		return len(b) / size
	}
	return 0
}

// Int returns the first value as an integer.
func (e *Element) Int() (int64, bool) {
	v := e.KnownVR()
	if v == vr.IS || v == vr.DS {
		return parseInt(firstText(e.Value))
	}
	if numbers(e.Value, v) == 0 {
		return 0, false
	}
	return intAt(e.Value, v, 0), true
}

func intAt(b []byte, v vr.VR, i int) int64 {
	le := binary.LittleEndian
	switch v {
	case vr.AT:
		return int64(le.Uint16(b[4*i:]))<<16 | int64(le.Uint16(b[4*i+2:]))
	case vr.OB:
		return int64(b[i])
	case vr.SS:
		return int64(int16(le.Uint16(b[2*i:])))
	case vr.US, vr.OW:
		return int64(le.Uint16(b[2*i:]))
	case vr.SL:
		return int64(int32(le.Uint32(b[4*i:])))
	case vr.UL, vr.OL:
		return int64(le.Uint32(b[4*i:]))
	default: // SV, UV, OV; UV above the range of int64 wraps
		return int64(le.Uint64(b[8*i:]))
	}
}

// parseInt reads an IS, or a DS that is a whole number, without allocating.
func parseInt(b []byte) (int64, bool) {
	if b = bytes.Trim(b, " \x00"); len(b) > 64 {
		return 0, false
	}
	n, err := value.ParseIS(string(b))
	return n, err == nil
}

// Floats returns the values of FL FD OF OD, of DS and IS, and of the integer VRs as float64. As
// with Ints a value that is no number ends the list.
func (e *Element) Floats() []float64 {
	le := binary.LittleEndian
	var out []float64
	switch e.KnownVR() {
	case vr.FL, vr.OF:
		out = make([]float64, len(e.Value)/4)
		for i := range out {
			out[i] = float64(math.Float32frombits(le.Uint32(e.Value[4*i:])))
		}
	case vr.FD, vr.OD:
		out = make([]float64, len(e.Value)/8)
		for i := range out {
			out[i] = math.Float64frombits(le.Uint64(e.Value[8*i:]))
		}
	case vr.DS, vr.IS:
		for b, more := e.Value, len(e.Value) > 0; more; {
			var v []byte
			v, b, more = bytes.Cut(b, []byte{'\\'})
			f, err := value.ParseDS(string(v))
			if err != nil {
				return out
			}
			out = append(out, f)
		}
	default:
		for _, n := range e.Ints() {
			out = append(out, float64(n))
		}
	}
	return out
}

// clone copies the element and all it refers to.
func (e *Element) clone(parent *Dataset) Element {
	c := *e
	c.Value = bytes.Clone(e.Value)
	if e.Items != nil {
		c.Items = make([]*Dataset, len(e.Items))
		for i, item := range e.Items {
			c.Items[i] = item.Clone()
			c.Items[i].parent = parent
		}
	}
	if e.Fragments != nil {
		c.Fragments = make([][]byte, len(e.Fragments))
		for i, f := range e.Fragments {
			c.Fragments[i] = bytes.Clone(f)
		}
	}
	if e.Bulk != nil {
		b := *e.Bulk
		c.Bulk = &b
	}
	return c
}
