package dicomjson_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/dicomjson"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// ctHeader is the header of a CT slice from the repository's own fixtures.
func ctHeader(b *testing.B, path string) *dicom.Dataset {
	b.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		b.Skip(err)
	}
	h, err := dicom.ReadHeader(bytes.NewReader(raw), dicom.Source{}, dicom.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	return h.Dataset
}

func BenchmarkAppend(b *testing.B) {
	shared := testkit.Shared(b)
	for name, path := range map[string]string{
		"ct-head":     filepath.Join(shared, "data", "ct-series", "head-108", "054.dcm"),
		"ct-original": filepath.Join(shared, "data", "ct-series", "head-108-original", "054.dcm"),
		"enhanced-mr": filepath.Join(shared, "data", "mr-series", "xa10-enhanced"),
	} {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			files, _ := filepath.Glob(filepath.Join(path, "*.dcm"))
			path = files[0]
		}
		d := ctHeader(b, path)
		o := dicomjson.Options{InlineBinary: 1024, BulkURI: func(string, *dicom.Element) string { return "bulk" }}
		js := dicomjson.Append(nil, d, o)
		b.Run(name+"/append", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(js)))
			b.ReportMetric(float64(len(d.Elements)), "elements")
			for b.Loop() {
				js = dicomjson.Append(js[:0], d, o)
			}
		})
		b.Run(name+"/unmarshal", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(js)))
			for b.Loop() {
				if _, err := dicomjson.Unmarshal(js); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
