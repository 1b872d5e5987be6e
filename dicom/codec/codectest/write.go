package codectest

import (
	"os"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Write makes a Part 10 file of one frame, for other decoders to read.
func Write(t testing.TB, path string, ts dicom.TransferSyntax, d codec.Description, encoded []byte) {
	t.Helper()
	b, err := File(ts, d, encoded)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// File returns what Write writes.
func File(ts dicom.TransferSyntax, d codec.Description, encoded []byte) ([]byte, error) {
	meta, ds := &dicom.Dataset{}, &dicom.Dataset{}
	meta.SetInts(tag.FileMetaInformationGroupLength, 0)
	meta.SetElement(dicom.Element{Tag: tag.FileMetaInformationVersion, VR: vr.OB, Value: []byte{0, 1}})
	meta.SetUID(tag.MediaStorageSOPClassUID, uid.SecondaryCaptureImageStorage)
	meta.SetUID(tag.MediaStorageSOPInstanceUID, "1.2.3.4")
	meta.SetUID(tag.TransferSyntaxUID, ts.UID)
	meta.SetUID(tag.ImplementationClassUID, "1.2.3")
	ds.SetUID(tag.SOPClassUID, uid.SecondaryCaptureImageStorage)
	ds.SetUID(tag.SOPInstanceUID, "1.2.3.4")
	d.Apply(ds)
	if len(encoded)%2 == 1 { // PS3.5 A.4, 8.1.1
		encoded = append(encoded[:len(encoded):len(encoded)], 0)
	}
	pixels := dicom.Element{Tag: tag.PixelData, VR: vr.OW, Value: encoded}
	if ts.Encapsulated {
		pixels = dicom.Element{Tag: tag.PixelData, VR: vr.OB, Fragments: [][]byte{nil, encoded}}
	}
	ds.SetElement(pixels)
	ds.Sort()
	return (&dicom.File{Meta: meta, Dataset: ds, TransferSyntax: ts}).Bytes()
}
