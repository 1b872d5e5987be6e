package dicom

import (
	"github.com/aurelius-imaging/aurelius/dicom/charset"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Charset returns the set that text of this data set is encoded in: its Specific Character Set,
// or that of the nearest data set around it which has one (PS3.5 6.1.2.3). Terms that are not
// known are left out.
func (d *Dataset) Charset() *charset.Set {
	for at := d; at != nil; at = at.parent {
		if e := at.Get(tag.SpecificCharacterSet); e != nil {
			cs, _ := charset.ParseValue(e.Value)
			return cs
		}
	}
	return charset.Default
}

// encodeText encodes UTF-8 text. Without a character set that has all of it, and when no text
// depends on the old one yet, the data set turns to UTF-8.
func (d *Dataset) encodeText(text string) []byte {
	cs := d.Charset()
	b, ok := cs.Encode(text)
	if ok && !(cs == charset.Default && !asciiOnly([]byte(text))) {
		return b
	}
	for at := d; at != nil; at = at.parent {
		if at.parent == nil || at.Has(tag.SpecificCharacterSet) {
			if cs != charset.Default && hasExtended(at) {
				return b // with question marks: the data set cannot have two sets
			}
			at.SetElement(Element{Tag: tag.SpecificCharacterSet, VR: vr.CS, Value: []byte("ISO_IR 192")})
			break
		}
	}
	return []byte(text)
}

// hasExtended reports whether any text in d or its items needs its character set.
func hasExtended(d *Dataset) bool {
	found := false
	d.Walk(func(_ []Step, e *Element) bool {
		found = found || e.VR.Charset() && !asciiOnly(e.Value)
		return !found
	})
	return found
}

// asciiOnly reports whether b means the same in every character set: neither the upper half nor
// an escape, nor the tilde, which is an overline in ISO_IR 14.
func asciiOnly(b []byte) bool {
	for _, c := range b {
		if c >= '~' || c == 0x1B {
			return false
		}
	}
	return true
}
