package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
)

// saveObject writes a received data set as a Part 10 file named by its SOP Instance UID. The
// file appears whole or not at all, and is on the disk when saveObject returns.
func saveObject(dir, SOPClassUID, SOPInstanceUID string, ts dicom.TransferSyntax, sourceAET string, data io.Reader) (err error) {
	f, err := os.CreateTemp(dir, ".incoming-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(dicom.AppendMeta(nil, SOPClassUID, SOPInstanceUID, ts, sourceAET)); err != nil {
		return err
	}
	if _, err = io.Copy(f, data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, fileName(SOPInstanceUID)))
}

// fileName makes a file name of a UID that came from a peer: one that is not made of digits and
// dots could lead anywhere, so its hash stands for it.
func fileName(SOPInstanceUID string) string {
	if uid.Safe(SOPInstanceUID) {
		return SOPInstanceUID + ".dcm"
	}
	sum := sha256.Sum256([]byte(SOPInstanceUID))
	return hex.EncodeToString(sum[:16]) + ".dcm"
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
