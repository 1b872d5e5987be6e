package dicom

import (
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// vrOf returns the VR that an element of this data set has by the dictionary (PS3.6), for data
// that does not say so: Implicit VR Little Endian and elements made by us.
func (d *Dataset) vrOf(t tag.Tag) vr.VR {
	v, several := dictionaryVR(t)
	if several {
		return d.resolveVR(t, v)
	}
	return v
}

// dictionaryVR looks the tag up; several means that the data set around it decides.
func dictionaryVR(t tag.Tag) (v vr.VR, several bool) {
	switch {
	case t.Element() == 0:
		return vr.UL, false // Group Length (PS3.5 7.2)
	case t.Private():
		if t.Element() >= 0x10 && t.Element() <= 0xFF {
			return vr.LO, false // Private Creator (PS3.5 7.8.1)
		}
		return vr.UN, false
	}
	info, ok := tag.Lookup(t)
	if !ok {
		return vr.UN, false
	}
	return info.VR, len(info.VRs) > 1
}

// resolveVR chooses among several VRs as PS3.5 Annex A.1 and the attribute's module say.
func (d *Dataset) resolveVR(t tag.Tag, first vr.VR) vr.VR {
	switch {
	case t == tag.LUTData:
		// US or OW (PS3.3 C.11.1.1): words of one or two entries; as US the short form of
		// the length would not hold large tables.
		return vr.OW
	case first == vr.OB || first == vr.OW:
		return vr.OW // PS3.5 A.1: Pixel Data, overlays, waveforms are OW in Implicit VR
	}
	info, _ := tag.Lookup(t)
	signed := false
	for _, v := range info.VRs {
		signed = signed || v == vr.SS
	}
	if signed && d.signedPixels() {
		return vr.SS
	}
	return first
}

// signedPixels reports whether Pixel Representation here, or in the data sets around, says two's
// complement.
func (d *Dataset) signedPixels() bool {
	for at := d; at != nil; at = at.parent {
		if n, ok := at.Int(tag.PixelRepresentation); ok {
			return n == 1
		}
	}
	return false
}
