package dicom_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// object is a line of the corpus's manifest.
type object struct{ testkit.Sample }

// corpus returns the DICOM objects of the shared folder, those in malformed only when asked.
func corpus(t *testing.T, malformed bool) (out []object) {
	t.Helper()
	_, samples := testkit.Corpus(t, func(s testkit.Sample) bool {
		bad := strings.HasPrefix(s.Path, "malformed/")
		return bad == malformed && (bad || s.SOP != "")
	})
	for _, s := range samples {
		out = append(out, object{s})
	}
	return out
}

func (o object) read(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Shared(t), "data", o.Path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCorpusHeaders reads every valid object of the corpus and compares with what pydicom found.
func TestCorpusHeaders(t *testing.T) {
	t.Parallel()
	objects := corpus(t, false)
	if len(objects) < 480 {
		t.Fatalf("only %d objects in the corpus", len(objects))
	}
	for _, o := range objects {
		file := o.read(t)
		h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{Lenient: true}, dicom.Limits{})
		if err != nil {
			t.Errorf("%s: %v", o.Path, err)
			continue
		}
		if h.End != int64(len(file)) {
			t.Errorf("%s: End is %d of %d", o.Path, h.End, len(file))
		}
		checkHeader(t, o, h)
		form, err := dicom.AppendHeader(nil, h)
		if err != nil {
			t.Errorf("%s: %v", o.Path, err)
			continue
		}
		back, err := dicom.ParseHeader(form)
		if err != nil {
			t.Errorf("%s: %v", o.Path, err)
			continue
		}
		checkSameHeader(t, o.Path, h, back)
	}
}

func checkHeader(t *testing.T, o object, h *dicom.Header) {
	t.Helper()
	d := h.Dataset
	class, _, _ := strings.Cut(o.SOPClass, " ")
	texts := []struct{ name, got, want string }{
		{"SOPClassUID", d.UID(tag.SOPClassUID), class},
		{"StudyInstanceUID", d.UID(tag.StudyInstanceUID), o.Study},
		{"SeriesInstanceUID", d.UID(tag.SeriesInstanceUID), o.Series},
		{"SOPInstanceUID", d.UID(tag.SOPInstanceUID), o.SOP},
		{"Modality", d.Text(tag.Modality), o.Modality},
		{"PhotometricInterpretation", d.Text(tag.PhotometricInterpretation), o.Photometric},
	}
	if o.TransferSyntax != "" {
		texts = append(texts, struct{ name, got, want string }{"TransferSyntax", h.TransferSyntax.UID, o.TransferSyntax})
	}
	for _, c := range texts {
		if c.got != c.want {
			t.Errorf("%s: %s is %q, pydicom reads %q", o.Path, c.name, c.got, c.want)
		}
	}
	numbers := []struct {
		tag  tag.Tag
		want int64
	}{{tag.Rows, int64(o.Rows)}, {tag.Columns, int64(o.Columns)}, {tag.NumberOfFrames, int64(o.Frames)}, {tag.BitsAllocated, int64(o.BitsAllocated)}}
	for _, c := range numbers {
		if got, _ := d.Int(c.tag); got != c.want {
			t.Errorf("%s: %s is %d, pydicom reads %d", o.Path, c.tag.Keyword(), got, c.want)
		}
	}
}

// notIdentical says why an object does not come back byte for byte. Everything else does.
var notIdentical = map[string]string{
	"syntaxes/ct-all/deflated.dcm":         "another deflater's output",
	"syntaxes/edge/deflated-report.dcm":    "another deflater's output",
	"syntaxes/edge/deflated-sc.dcm":        "another deflater's output",
	"syntaxes/edge/deflated-sequences.dcm": "another deflater's output",
	"syntaxes/colour/jpeg-baseline-us.dcm": "wrong group length of the meta information is made right",
	"syntaxes/edge/jpegls-us.dcm":          "wrong group length of the meta information is made right",
}

// TestCorpusRoundTrip writes what it read. What is not identical must say the same when read
// again.
func TestCorpusRoundTrip(t *testing.T) {
	t.Parallel()
	for _, o := range corpus(t, false) {
		file := o.read(t)
		f, err := dicom.Read(bytes.NewReader(file), dicom.Source{Lenient: true}, 0)
		if err != nil {
			t.Errorf("%s: %v", o.Path, err)
			continue
		}
		out, err := f.Bytes()
		if err != nil {
			t.Errorf("%s: %v", o.Path, err)
			continue
		}
		if _, excused := notIdentical[o.Path]; !excused {
			if !bytes.Equal(out, file) {
				t.Errorf("%s: comes back different", o.Path)
			}
			continue
		}
		back, err := dicom.Read(bytes.NewReader(out), dicom.Source{Lenient: true}, 0)
		if err != nil {
			t.Errorf("%s: %v", o.Path, err)
			continue
		}
		if diff := difference(f.Dataset, back.Dataset, true); diff != "" {
			t.Errorf("%s: %s", o.Path, diff)
		}
	}
}

// TestCorpusConvert takes native objects through every other native syntax and back.
func TestCorpusConvert(t *testing.T) {
	t.Parallel()
	all := []dicom.TransferSyntax{dicom.ImplicitVRLittleEndian, dicom.ExplicitVRLittleEndian,
		dicom.ExplicitVRBigEndian, dicom.DeflatedExplicitVRLittleEndian}
	count := 0
	for _, o := range corpus(t, false) {
		from, ok := dicom.LookupTransferSyntax(o.TransferSyntax)
		if !ok || from.Encapsulated {
			continue
		}
		file := o.read(t)
		if len(file) > 600<<10 {
			continue
		}
		h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{Lenient: true}, dicom.Limits{})
		if err != nil {
			t.Fatal(o.Path, err)
		}
		raw := file[h.DatasetOffset:]
		want, err := dicom.ParseDataset(raw, from)
		if err != nil {
			t.Errorf("%s: %v", o.Path, err)
			continue
		}
		count++
		for _, to := range all {
			if to.Deflated && len(raw) > 100<<10 {
				continue // slow, and small ones show the same
			}
			got := convert(t, o.Path, raw, from, to)
			d, err := dicom.ParseDataset(got, to)
			if err != nil {
				t.Errorf("%s to %s: %v", o.Path, to, err)
				continue
			}
			if diff := difference(want, d, from.ImplicitVR == to.ImplicitVR); diff != "" {
				t.Errorf("%s to %s: %s", o.Path, to, diff)
				continue
			}
			back, err := dicom.ParseDataset(convert(t, o.Path, got, to, from), from)
			if err != nil {
				t.Errorf("%s to %s and back: %v", o.Path, to, err)
				continue
			}
			if diff := difference(want, back, from.ImplicitVR == to.ImplicitVR); diff != "" {
				t.Errorf("%s to %s and back: %s", o.Path, to, diff)
			}
		}
	}
	if count < 100 {
		t.Errorf("only %d objects converted", count)
	}
}

func convert(t *testing.T, what string, b []byte, from, to dicom.TransferSyntax) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := dicom.Convert(&out, bytes.NewReader(b), from, to); err != nil {
		t.Errorf("%s from %s to %s: %v", what, from, to, err)
	}
	return out.Bytes()
}
