package ingest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive/ingest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
)

// directory returns a DICOMDIR that lists the files.
func directory(t testing.TB, files ...[]string) []byte {
	t.Helper()
	d := &dicom.Dataset{}
	var records []*dicom.Dataset
	for _, id := range append([][]string{nil}, files...) {
		r := &dicom.Dataset{}
		if id == nil {
			r.SetText(tag.DirectoryRecordType, "PATIENT")
		} else {
			r.SetText(tag.DirectoryRecordType, "IMAGE")
			r.SetText(tag.ReferencedFileID, id...)
		}
		records = append(records, r)
	}
	d.SetText(tag.FileSetID, "TEST")
	d.SetItems(tag.DirectoryRecordSequence, records...)
	out := dicom.AppendMeta(nil, uid.MediaStorageDirectoryStorage, "2.25.1", dicom.ExplicitVRLittleEndian, "")
	out, err := dicom.AppendDataset(out, d, dicom.ExplicitVRLittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMedium(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	dir := filepath.Join(above, "medium")
	write(t, filepath.Join(above, "OUTSIDE"), object(t, 1))
	write(t, filepath.Join(dir, "DICOM", "IM1"), object(t, 2))
	write(t, filepath.Join(dir, "DICOM", "im2;1"), object(t, 3))
	write(t, filepath.Join(dir, "images", "im3."), object(t, 4))
	write(t, filepath.Join(dir, "NOTES", "IM4"), object(t, 5)) // not listed
	if err := os.Symlink(above, filepath.Join(dir, "LINK")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "DICOMDIR"), directory(t,
		[]string{"DICOM", "IM1"}, []string{"DICOM", "IM2"}, []string{"IMAGES", "IM3"}, []string{"DICOM", "GONE"},
		[]string{"..", "OUTSIDE"}, []string{"LINK", "OUTSIDE"}, []string{"DICOM"}))
	listed := map[string]string{
		"DICOM/IM1": "stored", "DICOM/im2;1": "stored", "images/im3.": "stored", "DICOM/GONE": "missing",
		strings.TrimPrefix(above, "/") + "/OUTSIDE": "damaged", "LINK/OUTSIDE": "missing", "DICOM": "missing",
	}

	got, _ := outcomes(t, dir, ingest.Files(ingest.Limits{}, filepath.Join(dir, "DICOMDIR")), ingest.Options{})
	expect(t, got, listed)

	// The folder: all of it, and what is missing of what is listed.
	if err := os.Remove(filepath.Join(dir, "LINK")); err != nil {
		t.Fatal(err)
	}
	listed["NOTES/IM4"], listed["DICOMDIR"] = "stored", "not DICOM"
	got, _ = outcomes(t, dir, ingest.Files(ingest.Limits{}, dir), ingest.Options{})
	expect(t, got, listed)

	// A broken one: the folder is walked.
	write(t, filepath.Join(dir, "DICOMDIR"), []byte("broken"))
	got, _ = outcomes(t, dir, ingest.Files(ingest.Limits{}, filepath.Join(dir, "DICOMDIR")), ingest.Options{})
	expect(t, got, map[string]string{"DICOM/IM1": "stored", "DICOM/im2;1": "stored", "images/im3.": "stored",
		"NOTES/IM4": "stored", "DICOMDIR": "not DICOM"})
}
