// Package dicomjson writes and reads the DICOM JSON Model (PS3.18 Annex F). It knows no HTTP.
//
// Append writes without building anything in between: values go from their encoded bytes to
// JSON. Its output is always valid JSON in UTF-8, whatever the data set holds: numbers that are
// none (IS "1O") become strings, bytes without a meaning in the character set U+FFFD, elements
// of unknown VR have that of the dictionary or are UN. Group lengths, item delimiters and groups 0000 and 0002 are left out
// (PS3.18 F.2.2, 8.7.3.3). Not written: NativeDicomModel (PS3.19 A).
package dicomjson

import (
	"encoding/base64"
	"slices"
	"strconv"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/charset"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Options say how a data set is written. The zero value writes everything inline.
type Options struct {
	// BulkURI returns the URI under which a value can be fetched, "" to have it inline. It is
	// asked for values that are not in memory (Element.Bulk, Fragments) and for binary values
	// longer than InlineBinary. The path is the element's tag, or tags and item numbers from
	// zero down to it: "00400555/0/0040A30A". A value that is not in memory and has no URI is
	// written without a value.
	BulkURI func(path string, e *dicom.Element) string

	// InlineBinary is the length up to which binary values are written inline without asking
	// BulkURI.
	InlineBinary int

	// UTF8 writes Specific Character Set as ISO_IR 192, for readers that take it for the
	// character set of the JSON. PS3.18 F.2.2 Note 3: it is that of the source and is kept.
	UTF8 bool
}

// Append appends the data set as a JSON object.
func Append(dst []byte, d *dicom.Dataset, o Options) []byte {
	a := appender{o: o, cs: inherited(d)}
	return a.dataset(dst, d)
}

// AppendElement appends one element as its JSON object, without its name: {"vr":...}. The text
// is decoded by the character set of d, its data set.
func AppendElement(dst []byte, d *dicom.Dataset, e *dicom.Element, o Options) []byte {
	a := appender{o: o, cs: inherited(d)}
	return a.element(dst, e)
}

// inherited returns the character set that a data set has from itself or from those around it.
func inherited(d *dicom.Dataset) *charset.Set {
	for at := d; at != nil; at = at.Parent() {
		if cs := own(at); cs != nil {
			return cs
		}
	}
	return charset.Default
}

// own returns the data set's own character set, nil when it names none.
func own(d *dicom.Dataset) *charset.Set {
	e := d.Get(tag.SpecificCharacterSet)
	if e == nil {
		return nil
	}
	cs, _ := charset.ParseValue(e.Value) // usable on error
	return cs
}

type appender struct {
	o    Options
	cs   *charset.Set
	path []byte // of the element that is written, when there is a BulkURI
	text []byte // decoded text, reused
}

func (a *appender) dataset(dst []byte, d *dicom.Dataset) []byte {
	elements := d.Elements
	if !ascending(elements) { // property names shall be in ascending order (PS3.18 F.2.2)
		elements = slices.Clone(elements)
		slices.SortStableFunc(elements, func(x, y dicom.Element) int { return int(int64(x.Tag) - int64(y.Tag)) })
		elements = slices.CompactFunc(elements, func(x, y dicom.Element) bool { return x.Tag == y.Tag })
	}
	base := len(a.path)
	dst = append(dst, '{')
	first := true
	for i := range elements {
		e := &elements[i]
		if e.Tag.GroupLength() || e.Tag.Group() <= 2 || e.Tag.Group() == 0xFFFE {
			continue
		}
		at := len(dst)
		if first {
			dst = append(dst, blank[1:]...)
			first = false
		} else {
			dst = append(dst, blank...)
			at++
		}
		fill(dst[at+1:at+9], e.Tag)
		if a.o.BulkURI != nil {
			a.path = e.Tag.AppendHex(a.path[:base])
		}
		dst = a.element(dst, e)
	}
	a.path = a.path[:base]
	return append(dst, '}')
}

// blank is copied at once and then filled in: most of the time goes into the frames around
// values.
const blank = `,"00000000":`

func fill(b []byte, t tag.Tag) {
	const digits = "0123456789ABCDEF"
	_ = b[7]
	b[0], b[1], b[2], b[3] = digits[t>>28], digits[t>>24&15], digits[t>>20&15], digits[t>>16&15]
	b[4], b[5], b[6], b[7] = digits[t>>12&15], digits[t>>8&15], digits[t>>4&15], digits[t&15]
}

func ascending(elements []dicom.Element) bool {
	for i := 1; i < len(elements); i++ {
		if elements[i].Tag <= elements[i-1].Tag {
			return false
		}
	}
	return true
}

func (a *appender) element(dst []byte, e *dicom.Element) []byte {
	v := e.VR
	switch {
	case e.Items != nil:
		v = vr.SQ // also UN of undefined length
	case v == vr.UN || !v.Known():
		v = resolve(e.Tag)
	}
	dst = append(dst, `{"vr":"??"`...)
	dst[len(dst)-3], dst[len(dst)-2] = byte(v>>8), byte(v)
	switch {
	case e.Bulk != nil || e.Fragments != nil:
		dst = a.bulk(dst, e)
	case v == vr.SQ:
		dst = a.items(dst, e.Items)
	case len(e.Value) == 0:
		// PS3.18 F.2.5: no child but vr.
	case v.Text():
		dst = a.texts(dst, e, v)
	case v == vr.AT || v == vr.US || v == vr.SS || v == vr.UL || v == vr.SL || v == vr.UV || v == vr.SV || v == vr.FL || v == vr.FD:
		dst = appendNumbers(dst, e.Value, v)
	default:
		dst = a.binary(dst, e)
	}
	return append(dst, '}')
}

// resolve returns the VR of an attribute that was encoded as UN or in letters nobody knows: the
// dictionary's, where it is definite (PS3.5 6.2.2 lets a receiver do so), else UN. A sequence as
// UN of defined length stays UN: its value is still encoded.
func resolve(t tag.Tag) vr.VR {
	info, ok := tag.Lookup(t)
	if !ok || info.VR == 0 || info.VR == vr.SQ || len(info.VRs) > 0 {
		return vr.UN
	}
	return info.VR
}

func (a *appender) items(dst []byte, items []*dicom.Dataset) []byte {
	if len(items) == 0 {
		return dst
	}
	dst = append(dst, `,"Value":[`...)
	base, outer := len(a.path), a.cs
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if a.o.BulkURI != nil {
			a.path = append(a.path[:base], '/')
			a.path = strconv.AppendInt(a.path, int64(i), 10)
			a.path = append(a.path, '/')
		}
		if cs := own(item); cs != nil {
			a.cs = cs
		}
		dst = a.dataset(dst, item)
		a.cs = outer
	}
	a.path = a.path[:base]
	return append(dst, ']')
}

func (a *appender) bulk(dst []byte, e *dicom.Element) []byte {
	if a.o.BulkURI == nil {
		return dst
	}
	if uri := a.o.BulkURI(string(a.path), e); uri != "" {
		dst = append(dst, `,"BulkDataURI":`...)
		dst = appendString(dst, []byte(uri))
	}
	return dst
}

func (a *appender) binary(dst []byte, e *dicom.Element) []byte {
	if a.o.BulkURI != nil && len(e.Value) > a.o.InlineBinary {
		n := len(dst)
		if dst = a.bulk(dst, e); len(dst) > n {
			return dst
		}
	}
	dst = append(dst, `,"InlineBinary":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, e.Value)
	return append(dst, '"')
}
