package ingest

import (
	"encoding/binary"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const (
	headSize = 4 << 10 // what is looked at of a file
	preamble = 128
)

// recognise looks at the beginning of a file and returns why it is none to store, or nil. Whether
// it really is one the archive finds out.
func recognise(head []byte) error {
	const op = "ingest.recognise"
	switch {
	case len(head) == 0:
		return errs.Errorf(errs.Unsupported, op, "an empty file")
	case zipped(head):
		return errs.Errorf(errs.Unsupported, op, "a zip that is not opened here: its name does not end in .zip, or it lies too deep")
	case len(head) >= preamble+4 && string(head[preamble:preamble+4]) == "DICM":
		if mediaClass(head[preamble+4:]) == uid.MediaStorageDirectoryStorage {
			return errs.Errorf(errs.Unsupported, op, "a DICOMDIR: it lists a medium and is not stored") // PS3.4 I.4
		}
		return nil
	case !bare(head):
		return errs.Errorf(errs.Unsupported, op, "not a DICOM file")
	}
	return nil
}

// zipped: a local file header, or the end record of an empty zip.
func zipped(head []byte) bool {
	return len(head) >= 4 && (string(head[:4]) == "PK\x03\x04" || string(head[:4]) == "PK\x05\x06")
}

// bare tells a file without preamble: it begins with File Meta Information, or with an element of
// a data set that is not behind (0008,0018), without which there is nothing to store.
func bare(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	group, element := binary.LittleEndian.Uint16(head), binary.LittleEndian.Uint16(head[2:])
	length := binary.LittleEndian.Uint32(head[4:])
	explicit := (vr.VR(head[4])<<8 | vr.VR(head[5])).Known()
	switch group {
	case 0x0002:
		return element <= 0x0102 && explicit
	case 0x0008:
		return element <= 0x0018 && (explicit || length <= 1<<10)
	case 0x0800: // group 0008 in big endian, which has explicit VRs only
		return element>>8 <= 0x18 && element&0xff == 0 && explicit
	}
	return false
}

// mediaClass returns the Media Storage SOP Class UID of File Meta Information, "" when it has
// none or is not as PS3.10 7.1 wants it.
func mediaClass(meta []byte) string {
	const lengthEnd = 12 // (0002,0000) UL 4 and its value
	if len(meta) < lengthEnd || string(meta[:8]) != "\x02\x00\x00\x00UL\x04\x00" {
		return ""
	}
	n := int64(binary.LittleEndian.Uint32(meta[8:]))
	if n > int64(len(meta)-lengthEnd) {
		return ""
	}
	d, err := dicom.ParseDataset(meta[lengthEnd:lengthEnd+n], dicom.ExplicitVRLittleEndian)
	if err != nil {
		return ""
	}
	return d.UID(tag.MediaStorageSOPClassUID)
}
