package document_test

import (
	"os"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/sr"
	"github.com/aurelius-imaging/aurelius/imaging/render/document"
)

func TestDump(t *testing.T) {
	for _, n := range []string{"sr/comprehensive", "sr/comprehensive3d", "sr/tid1500-ellipse", "sr/basic-text", "sr/basic-text-osirix", "head-ct/ko", "head-ct/sr-tid1500", "sr/petct-measurements"} {
		f, err := os.Open("/work/shared/data/derived/" + n + ".dcm")
		if err != nil {
			t.Fatal(err)
		}
		o, err := dicom.Read(f, dicom.Source{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		d, err := sr.Read(o.Dataset)
		if err != nil {
			t.Fatal(err)
		}
		os.MkdirAll("/tmp/srout", 0o755)
		base := "/tmp/srout/" + n[len("sr/"):]
		if n[0] == 'h' {
			base = "/tmp/srout/" + n[len("head-ct/"):]
		}
		w, _ := os.Create(base + ".html")
		if err := document.HTML(w, d, document.Options{Link: func(r iod.Reference) string { return "/x/" + r.SOPInstanceUID }}); err != nil {
			t.Fatal(err)
		}
		w.Close()
		w, _ = os.Create(base + ".txt")
		if err := document.Text(w, d); err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
}
