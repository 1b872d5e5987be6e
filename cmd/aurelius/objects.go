package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
)

// object is a DICOM file that can be sent: where it is, and what its meta information says.
type object struct {
	path           string
	SOPClassUID    string
	SOPInstanceUID string
	TransferSyntax string
	offset         int64 // of the data set
	size           int64 // of the data set
}

// errNotDICOM is a file that is no object to send.
var errNotDICOM = errors.New("not a DICOM object")

// collect finds the objects among the paths, folders with all that is in them. What is no DICOM
// object is counted; what cannot be read is an error. A path that was named must be there.
func collect(paths []string) (objects []object, skipped int, err error) {
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
				skipped++
				return nil
			}
			o, err := readObject(path)
			switch {
			case errors.Is(err, errNotDICOM):
				skipped++
			case err != nil:
				return err
			default:
				objects = append(objects, o)
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return objects, skipped, nil
}

// readObject reads a file's meta information.
func readObject(path string) (object, error) {
	f, err := os.Open(path)
	if err != nil {
		return object{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return object{}, err
	}
	o := object{path: path}
	known := o.readMeta(f)
	if !known || info.Size() <= maxChecked {
		if err := o.readWhole(f); err != nil && !known {
			return object{}, err
		}
	}
	if o.SOPClassUID == uid.MediaStorageDirectoryStorage || !uid.Safe(o.SOPClassUID) || !uid.Safe(o.SOPInstanceUID) || o.TransferSyntax == "" {
		return object{}, errNotDICOM // a DICOMDIR is about a medium, it is never sent (PS3.4 I.4)
	}
	o.size = info.Size() - o.offset
	return o, nil
}

// maxChecked is the size up to which an object is read before it is sent, because a file's meta
// information may name another instance than its data set, and servers go by the data set.
const maxChecked = 64 << 20

// maxMeta bounds the File Meta Information that is read in one piece.
const maxMeta = 64 << 10

// readMeta reads File Meta Information as PS3.10 7.1 wants it, without the rest of the file. It
// reports whether it found it.
func (o *object) readMeta(r io.Reader) bool {
	const preamble, lengthEnd = 128, 144 // preamble, "DICM", (0002,0000) UL 4 and its value
	head := make([]byte, lengthEnd, lengthEnd+512)
	if _, err := io.ReadFull(r, head); err != nil || string(head[preamble:preamble+4]) != "DICM" ||
		!bytes.Equal(head[132:140], []byte("\x02\x00\x00\x00UL\x04\x00")) {
		return false
	}
	n := binary.LittleEndian.Uint32(head[140:])
	if n > maxMeta {
		return false
	}
	rest := make([]byte, n)
	if _, err := io.ReadFull(r, rest); err != nil {
		return false
	}
	meta, err := dicom.ParseDataset(rest, dicom.ExplicitVRLittleEndian)
	if err != nil {
		return false
	}
	o.SOPClassUID = meta.UID(tag.MediaStorageSOPClassUID)
	o.SOPInstanceUID = meta.UID(tag.MediaStorageSOPInstanceUID)
	o.TransferSyntax = meta.UID(tag.TransferSyntaxUID)
	o.offset = lengthEnd + int64(n)
	return o.SOPClassUID != "" && o.SOPInstanceUID != "" && o.TransferSyntax != ""
}

// readWhole takes all from the data set itself, also of files whose meta information is missing,
// incomplete or wrong in its length. Nothing changes when the file cannot be understood.
func (o *object) readWhole(f io.ReadSeeker) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h, err := dicom.ReadHeader(f, dicom.Source{Lenient: true}, dicom.Limits{})
	if err != nil || h.Dataset == nil {
		return errNotDICOM
	}
	class, instance := h.Dataset.UID(tag.SOPClassUID), h.Dataset.UID(tag.SOPInstanceUID)
	if class == "" || instance == "" {
		return errNotDICOM
	}
	o.SOPClassUID, o.SOPInstanceUID, o.TransferSyntax = class, instance, h.TransferSyntax.UID
	o.offset = h.DatasetOffset
	return nil
}

// open opens the data set.
func (o object) open() (io.ReadCloser, error) {
	f, err := os.Open(o.path)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(o.offset, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
