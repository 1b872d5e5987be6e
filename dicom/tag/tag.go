// Package tag has the attributes of PS3.6 as constants under their exact keywords
// (tag.StudyInstanceUID), and their dictionary entries. The tables are generated from
// shared/standard by internal/gen; the command elements of PS3.7 Annex E are among them.
// Private attributes are not: their meaning depends on the private creator beside them.
package tag

import (
	"fmt"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Tag is a data element tag: group in the upper, element in the lower sixteen bits.
type Tag uint32

// Info is one line of the data dictionary (PS3.6).
type Info struct {
	Tag     Tag
	VR      vr.VR   // the first, where the dictionary names several; 0 for items and delimiters
	VRs     []vr.VR // all, only where there are several ("US or SS")
	Keyword string
	Name    string
	VM      string
	Retired bool
}

// New joins group and element.
func New(group, element uint16) Tag { return Tag(uint32(group)<<16 | uint32(element)) }

// Group returns the group number.
func (t Tag) Group() uint16 { return uint16(t >> 16) }

// Element returns the element number.
func (t Tag) Element() uint16 { return uint16(t) }

// Private reports whether the group is odd (PS3.5 7.8).
func (t Tag) Private() bool { return t>>16&1 == 1 }

// PrivateCreator reports whether the element reserves a block of private elements
// (gggg,0010-00FF) with gggg odd (PS3.5 7.8.1).
func (t Tag) PrivateCreator() bool {
	return t.Private() && t.Element() >= 0x10 && t.Element() <= 0xFF
}

// GroupLength reports whether the element is (gggg,0000) (PS3.5 7.2).
func (t Tag) GroupLength() bool { return t.Element() == 0 }

const digits = "0123456789ABCDEF"

// String returns the form of the standard, "(0010,0010)".
func (t Tag) String() string {
	var b [11]byte
	b[0], b[5], b[10] = '(', ',', ')'
	for i := range 4 {
		b[1+i] = digits[t>>(28-4*i)&15]
		b[6+i] = digits[t>>(12-4*i)&15]
	}
	return string(b[:])
}

// Hex returns the form of DICOM JSON and of DICOMweb queries, "00100010".
func (t Tag) Hex() string { return string(t.AppendHex(make([]byte, 0, 8))) }

// AppendHex appends the form of Hex.
func (t Tag) AppendHex(dst []byte) []byte {
	return append(dst, digits[t>>28], digits[t>>24&15], digits[t>>20&15], digits[t>>16&15],
		digits[t>>12&15], digits[t>>8&15], digits[t>>4&15], digits[t&15])
}

// Keyword returns the keyword of PS3.6, or "" when the dictionary does not have the tag.
func (t Tag) Keyword() string {
	if i, ok := find(t); ok {
		return dictionary[i].keyword
	}
	return ""
}

// VR returns the value representation under which Implicit VR Little Endian encodes the
// element: the first of the dictionary's, UL for group lengths, LO for private creators, and
// UN where nothing is known (PS3.5 6.2.2, 7.8.1, A.1).
func (t Tag) VR() vr.VR {
	if i, ok := find(t); ok {
		return dictionary[i].vr
	}
	switch {
	case t.GroupLength():
		return vr.UL
	case t.PrivateCreator():
		return vr.LO
	}
	return vr.UN
}

// Lookup returns the dictionary's line for a tag. Info.Tag is t, also in repeating groups.
func Lookup(t Tag) (Info, bool) {
	i, ok := find(t)
	if !ok {
		return Info{Tag: t}, false
	}
	e := &dictionary[i]
	info := Info{Tag: t, VR: e.vr, Keyword: e.keyword, Name: e.name, VM: e.vm, Retired: e.retired}
	if e.several > 0 {
		info.VRs = alternatives[e.several-1]
	}
	return info, true
}

// ByKeyword returns the tag of a keyword; of a repeating group (OverlayData) the first.
func ByKeyword(keyword string) (Tag, bool) {
	low, high := 0, len(byKeyword)
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch e := &dictionary[byKeyword[mid]]; strings.Compare(e.keyword, keyword) {
		case 0:
			return e.tag, true
		case -1:
			low = mid + 1
		default:
			high = mid
		}
	}
	return 0, false
}

// All yields the dictionary in order of tags; repeating groups appear once.
func All(yield func(Info) bool) {
	for i := range dictionary {
		if info, _ := Lookup(dictionary[i].tag); !yield(info) {
			return
		}
	}
}

// Parse reads a keyword ("PatientName") or a tag as "00100010", "(0010,0010)" or "0010,0010".
func Parse(s string) (Tag, error) {
	if t, ok := ByKeyword(s); ok {
		return t, nil
	}
	h := s
	if len(h) == 11 && h[0] == '(' && h[10] == ')' {
		h = h[1:10]
	}
	if len(h) == 9 && h[4] == ',' {
		h = h[:4] + h[5:]
	}
	if t, ok := ParseHex(h); ok {
		return t, nil
	}
	return 0, fmt.Errorf("tag: not a keyword or tag: %.64q", s)
}

// ParseHex reads the form of Hex, in either case.
func ParseHex[S string | []byte](s S) (Tag, bool) {
	if len(s) != 8 {
		return 0, false
	}
	var t Tag
	for i := range 8 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		t = t<<4 | Tag(c)
	}
	return t, true
}
