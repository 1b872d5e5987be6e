package dicom_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// ctSmall returns a CT slice of 39 kB with 262 elements.
func ctSmall(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile(testkit.Testdata("dicom", "ct-small.dcm"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func BenchmarkReadHeaderCTSmall(b *testing.B) {
	file := ctSmall(b)
	r := bytes.NewReader(file)
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(file)
		if _, err := dicom.ReadHeader(r, dicom.Source{}, dicom.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadHeaderLarge reads an object of 256 MiB: what one pass over pixel data costs.
func BenchmarkReadHeaderLarge(b *testing.B) {
	file := ctSmall(b)
	h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{}, dicom.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	const size = 256 << 20
	head := bytes.Clone(file[:h.Pixel.Offset])
	copy(head[len(head)-4:], []byte{0, 0, 0, 0x10})
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		r := io.MultiReader(bytes.NewReader(head), io.LimitReader(zeros{}, size))
		if _, err := dicom.ReadHeader(r, dicom.Source{}, dicom.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func benchHeader(b *testing.B) *dicom.Header {
	h, err := dicom.ReadHeader(bytes.NewReader(ctSmall(b)), dicom.Source{}, dicom.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

func BenchmarkParseHeaderCTSmall(b *testing.B) {
	form, err := dicom.AppendHeader(nil, benchHeader(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dicom.ParseHeader(form); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseHeader70 is the header that series metadata reads two hundred times.
func BenchmarkParseHeader70(b *testing.B) {
	h := benchHeader(b)
	kept := h.Dataset.Elements[:0:0]
	for e := range h.Dataset.All() {
		if !e.Tag.Private() && e.Tag.Element() != 0 && len(kept) < 70 {
			kept = append(kept, *e)
		}
	}
	h.Dataset.Elements = kept
	form, err := dicom.AppendHeader(nil, h)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dicom.ParseHeader(form); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHeaderCTSmall(b *testing.B) {
	h := benchHeader(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = dicom.AppendHeader(buf[:0], h)
	}
}

func BenchmarkDatasetText(b *testing.B) {
	d := benchHeader(b).Dataset
	b.ReportAllocs()
	for b.Loop() {
		_ = d.Text(tag.PatientName)
	}
}
