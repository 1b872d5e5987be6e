package dicomjson

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/charset"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/value"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// texts reads the values of a text element as UTF-8; encodeText makes the data set's bytes of it.
func (p *parser) texts(e *dicom.Element) error {
	var b []byte
	first := true
	err := p.list(func() error {
		if !first {
			b = append(b, '\\')
		}
		first = false
		var err error
		b, err = p.text(b, e.VR)
		return err
	})
	if err != nil {
		return err
	}
	e.Value = padded(b, e.VR)
	return nil
}

func padded(b []byte, v vr.VR) []byte {
	if len(b)%2 != 0 {
		b = append(b, v.Padding())
	}
	if len(b) == 0 {
		return nil
	}
	return b
}

func (p *parser) text(b []byte, v vr.VR) ([]byte, error) {
	switch c := p.peek(); {
	case c == '"':
		s, _ := p.string()
		return append(b, s...), nil
	case c == 'n':
		p.literal()
		return b, nil
	case c == '{' && v == vr.PN:
		return p.personName(b)
	case c == '-' || c >= '0' && c <= '9':
		s, ok := decimalString(p.literal(), v)
		if !ok {
			return b, p.fail("number does not fit the value representation")
		}
		return append(b, s...), nil
	}
	return b, p.fail("value is neither string nor number")
}

// personName joins the component groups; empty ones at the end are left out (PS3.5 6.2.1.1).
func (p *parser) personName(b []byte) ([]byte, error) {
	var groups [3]string
	err := p.object(func(name []byte) error {
		at := 0
		switch string(name) {
		case "Alphabetic":
		case "Ideographic":
			at = 1
		case "Phonetic":
			at = 2
		default:
			return p.skip()
		}
		if p.peek() == 'n' {
			return p.skip()
		}
		s, ok := p.string()
		if !ok {
			return p.fail("component group is not a string")
		}
		groups[at] = string(s)
		return nil
	})
	last := len(groups)
	for last > 0 && groups[last-1] == "" {
		last--
	}
	for i, group := range groups[:last] {
		if i > 0 {
			b = append(b, '=')
		}
		b = append(b, group...)
	}
	return b, err
}

// decimalString makes a JSON number text of the VR: at most 16 characters in DS, digits only in
// IS (PS3.5 Table 6.2-1).
func decimalString(raw []byte, v vr.VR) (string, bool) {
	switch v {
	case vr.IS:
		n, err := value.ParseIS(string(raw))
		return strconv.FormatInt(n, 10), err == nil
	case vr.DS:
		if len(raw) <= 16 {
			return string(raw), true
		}
		f, err := value.ParseDS(string(raw))
		return value.FormatDS(f), err == nil
	}
	return string(raw), true
}

// number appends one value of a binary number or of AT. Numbers in strings pass: PS3.18 F.2.3
// has them for SV and UV, and for NaN there is nothing else.
func (p *parser) number(e *dicom.Element) error {
	var raw []byte
	if p.peek() == '"' {
		raw, _ = p.string()
	} else {
		raw = p.literal()
	}
	b, ok := encodeNumber(e.Value, raw, e.VR)
	if !ok {
		return p.fail("value is not a number of the value representation")
	}
	e.Value = b
	return nil
}

func encodeNumber(dst, raw []byte, v vr.VR) ([]byte, bool) {
	le := binary.LittleEndian
	switch v {
	case vr.AT:
		t, ok := tag.ParseHex(raw)
		return le.AppendUint16(le.AppendUint16(dst, t.Group()), t.Element()), ok
	case vr.FL, vr.FD:
		bits := 64
		if v == vr.FL {
			bits = 32
		}
		f, err := strconv.ParseFloat(string(raw), bits)
		if err != nil {
			return dst, false
		}
		if v == vr.FL {
			return le.AppendUint32(dst, math.Float32bits(float32(f))), true
		}
		return le.AppendUint64(dst, math.Float64bits(f)), true
	case vr.UV:
		if n, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
			return le.AppendUint64(dst, n), true
		}
	}
	n, err := value.ParseIS(string(raw)) // a whole number in any notation
	ok := err == nil
	switch v {
	case vr.US:
		return le.AppendUint16(dst, uint16(n)), ok && n >= 0 && n <= math.MaxUint16
	case vr.SS:
		return le.AppendUint16(dst, uint16(n)), ok && n >= math.MinInt16 && n <= math.MaxInt16
	case vr.UL:
		return le.AppendUint32(dst, uint32(n)), ok && n >= 0 && n <= math.MaxUint32
	case vr.SL:
		return le.AppendUint32(dst, uint32(n)), ok && n >= math.MinInt32 && n <= math.MaxInt32
	case vr.UV:
		return le.AppendUint64(dst, uint64(n)), ok && n >= 0
	}
	return le.AppendUint64(dst, uint64(n)), ok
}

// encodeText turns the UTF-8 of a data set just read into its Specific Character Set, in effect
// being outer where it names none itself. Where that cannot say the text, and at the top where
// nothing is named, the data set becomes ISO_IR 192.
func encodeText(d *dicom.Dataset, outer *charset.Set) {
	cs := own(d)
	if cs == nil {
		cs = outer
	}
	if cs == nil {
		cs = charset.Default
	}
	if !cs.IsUTF8() && !encodeElements(d, cs) {
		cs = charset.UTF8
		d.SetElement(dicom.Element{Tag: tag.SpecificCharacterSet, VR: vr.CS, Value: []byte("ISO_IR 192")})
	}
	for i := range d.Elements {
		for _, item := range d.Elements[i].Items {
			encodeText(item, cs)
		}
	}
}

// encodeElements encodes the elements of one level, all or none.
func encodeElements(d *dicom.Dataset, cs *charset.Set) bool {
	var changed map[int][]byte
	for i := range d.Elements {
		e := &d.Elements[i]
		if !e.VR.Charset() || isASCII(e.Value) && cs.ASCII() {
			continue
		}
		b, ok := cs.Encode(string(bytes.TrimRight(e.Value, " ")))
		if !ok {
			return false
		}
		if changed == nil {
			changed = map[int][]byte{}
		}
		changed[i] = padded(b, e.VR)
	}
	for i, b := range changed {
		d.Elements[i].Value = b
	}
	return true
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf || c == 0x1B {
			return false
		}
	}
	return true
}
