// Package tag has the attributes of PS3.6 as constants under their exact keywords
// (tag.StudyInstanceUID), and their dictionary entries. The tables are generated from
// shared/standard by internal/gen.
package tag

import "github.com/aurelius-imaging/aurelius/dicom/vr"

// Tag is a data element tag: group in the upper, element in the lower sixteen bits.
type Tag uint32

// Info is one line of the data dictionary (PS3.6).
type Info struct {
	Tag     Tag
	VR      vr.VR   // the first, where the dictionary names several
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
