// Package iodtest feeds the readers of whole objects with those of the shared folder, and with
// whatever else parses as a data set.
package iodtest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// Dataset reads an object of the corpus with all of its values.
func Dataset(t testing.TB, path string) *dicom.Dataset {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Shared(t), "data", path))
	if err != nil {
		t.Fatal(err)
	}
	f, err := dicom.Read(bytes.NewReader(b), dicom.Source{}, 0)
	if err != nil {
		t.Fatal(path, err)
	}
	return f.Dataset
}

// Fuzz hands out every data set that arbitrary bytes parse as; b is what it was parsed from.
func Fuzz(f *testing.F, seeds []*dicom.Dataset, use func(t *testing.T, b []byte, d *dicom.Dataset)) {
	for _, d := range seeds {
		b, err := dicom.AppendDataset(nil, d, dicom.ExplicitVRLittleEndian)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := dicom.ParseDataset(b, dicom.ExplicitVRLittleEndian); err == nil {
			use(t, b, d)
		}
	})
}
