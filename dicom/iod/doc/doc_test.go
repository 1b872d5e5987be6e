package doc_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod/doc"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

func object(mime string, length int64, value []byte) *dicom.Dataset {
	d := &dicom.Dataset{}
	if mime != "" {
		d.SetText(tag.MIMETypeOfEncapsulatedDocument, mime)
	}
	if length >= 0 {
		d.SetInts(tag.EncapsulatedDocumentLength, length)
	}
	d.SetElement(dicom.Element{Tag: tag.EncapsulatedDocument, VR: vr.OB, Value: value})
	return d
}

// The bytes are where the header says, in the object too, and the padding is cut off.
func TestCorpus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, title, mime string
		length            int64
	}{
		{"derived/encapsulated/pdf.dcm", "", doc.PDF, 20576},
		{"derived/head-ct/report-pdf.dcm", "Report", doc.PDF, 739},
		{"derived/encapsulated/stl.dcm", "intraop Report", doc.Binary, 0}, // it has no document
	} {
		raw, err := os.ReadFile(filepath.Join(testkit.Shared(t), "data", c.path))
		if err != nil {
			t.Fatal(err)
		}
		h, err := dicom.ReadHeader(bytes.NewReader(raw), dicom.Source{}, dicom.Limits{InlineBinary: 100})
		if err != nil {
			t.Fatal(err)
		}
		d, err := doc.Read(h.Dataset)
		if err != nil {
			t.Fatal(err)
		}
		value := d.Value
		if d.Bulk != nil {
			value = raw[d.Bulk.Offset : d.Bulk.Offset+d.Bulk.Length]
		}
		if got := d.Type(value); got != c.mime || d.Title != c.title || d.Length != c.length || int64(len(value)) != c.length {
			t.Errorf("%s: %s %q, %d bytes of %d", c.path, got, d.Title, len(value), d.Length)
		}
		// One of them does not say its length and ends with a byte that may be padding.
		if c.mime == doc.PDF && (!bytes.HasPrefix(value, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimRight(value, "\x00\r\n"), []byte("%%EOF"))) {
			t.Errorf("%s: not from its first to its last byte", c.path)
		}
	}
}

func TestType(t *testing.T) {
	t.Parallel()
	stl := append(make([]byte, 80), 2, 0, 0, 0)
	stl = append(stl, make([]byte, 100)...)
	for _, c := range []struct{ name, claimed, content, want string }{
		{"PDF", "application/pdf", "%PDF-1.7\n", doc.PDF},
		{"PDF behind junk", "application/pdf", "\r\n\r\n%PDF-1.7\n", doc.PDF},
		{"upper case", "Application/PDF", "%PDF-1.7\n", doc.PDF},
		{"page as PDF", "application/pdf", "<html><script>alert(1)</script></html>", doc.Binary},
		{"PDF as page", "text/html", "%PDF-1.7\n", doc.PDF},
		{"page as page", "text/html", "<html><script>alert(1)</script></html>", doc.Binary},
		{"CDA", "text/XML", "\xEF\xBB\xBF<?xml version=\"1.0\"?><ClinicalDocument/>", doc.CDA},
		{"CDA without declaration", "text/xml", "\n<ClinicalDocument xmlns='urn:hl7-org:v3'>", doc.CDA},
		{"page as CDA", "text/xml", "<html>", doc.Binary},
		{"STL", "model/stl", string(stl), doc.STL},
		{"STL of old", "application/sla", string(stl), doc.STL},
		{"STL text", "model/stl", "solid cube\n facet normal 0 0 1\n", doc.STL},
		{"STL that lies", "model/stl", string(stl[:150]), doc.Binary},
		{"OBJ", "model/obj", "# made by hand\n\nmtllib a.mtl\nv 0 0 1\n", doc.OBJ},
		{"program as OBJ", "model/obj", "MZ\x90\x00", doc.Binary},
		{"MTL", "model/mtl", "newmtl red\nKd 1 0 0\n", doc.MTL},
		{"OBJ as MTL", "model/mtl", "v 0 0 1\n", doc.Binary},
		{"nothing", "application/pdf", "", doc.Binary},
		{"no claim", "", "%PDF-1.4", doc.PDF},
	} {
		d, err := doc.Read(object(c.claimed, -1, []byte(c.content)))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Type(d.Value); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A length is believed when it can be true: padding is one byte.
func TestLength(t *testing.T) {
	t.Parallel()
	value := []byte("%PDF-1.4\n\x00")
	for length, want := range map[int64]int64{9: 9, 10: 10, 11: 10, 8: 10, 0: 10, -1: 10, 4_000_000_000: 10} {
		d, err := doc.Read(object(doc.PDF, length, value))
		if err != nil || d.Length != want || int64(len(d.Value)) != want {
			t.Errorf("%d: %d bytes, %v", length, d.Length, err)
		}
	}
	if _, err := doc.Read(&dicom.Dataset{}); !errs.Is(err, errs.Mismatch) {
		t.Errorf("no document: %v", err)
	}
	d := &dicom.Dataset{}
	d.SetElement(dicom.Element{Tag: tag.EncapsulatedDocument, VR: vr.OB, Fragments: [][]byte{nil}})
	if _, err := doc.Read(d); !errs.Is(err, errs.Invalid) || strings.Contains(errs.Safe(err), "panic") {
		t.Errorf("fragments: %v", err)
	}
}
