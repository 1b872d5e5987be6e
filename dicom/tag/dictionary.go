package tag

import "github.com/aurelius-imaging/aurelius/dicom/vr"

// entry is one line of the generated dictionary. The tables are static data: nothing is built
// when the program starts.
type entry struct {
	tag     Tag
	vr      vr.VR
	several uint8 // alternatives[several-1] has all VRs
	retired bool
	vm      string
	keyword string
	name    string
}

// hashFactor spreads tags over the slots (Fibonacci hashing); internal/gen has the same.
const hashFactor = 0x9E3779B1

// find returns the index of the tag's line. It is on the path of every element of Implicit VR
// data sets: one multiplication and, on average, 1.2 probes.
func find(t Tag) (int, bool) {
	if i, ok := exact(t); ok {
		return i, true
	}
	if f := family(t); f != t {
		return exact(f)
	}
	return 0, false
}

func exact(t Tag) (int, bool) {
	for at := uint32(t) * hashFactor >> (32 - hashBits); ; at = (at + 1) % (1 << hashBits) {
		i := int(slots[at])
		if i == 0 {
			return 0, false
		}
		if dictionary[i-1].tag == t {
			return i - 1, true
		}
	}
}

// family returns the tag that stands for all of a repeating group or element (PS3.5 7.6; the
// retired ones of groups 0020, 0028, 1000 and 1010 by PS3.6), t itself where nothing repeats.
func family(t Tag) Tag {
	group, element := t.Group(), t.Element()
	if t.Private() || element == 0 {
		return t
	}
	switch group >> 8 {
	case 0x50, 0x60, 0x7F:
		return t & 0xFF00FFFF
	}
	switch group {
	case 0x0020:
		if element>>8 == 0x31 {
			return 0x00203100
		}
	case 0x0028:
		switch element >> 8 {
		case 0x04:
			return t&0xFFFFFF0F | 0x10 // (0028,0400) is Transform Label
		case 0x08:
			return t & 0xFFFFFF0F
		}
	case 0x1000:
		if element > 0xF {
			return t&0xFFFF000F | 0x10
		}
	case 0x1010:
		return ZonalMap
	}
	return t
}
