package archive_test

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// storeBeside stores an object in the study of the movies.
func (h house) storeBeside(t *testing.T, class, sop string, ts dicom.TransferSyntax, set func(*dicom.Dataset)) index.Ref {
	t.Helper()
	d := &dicom.Dataset{}
	d.SetUID(tag.SOPClassUID, class)
	d.SetUID(tag.SOPInstanceUID, sop)
	d.SetText(tag.PatientID, "4711")
	d.SetUID(tag.StudyInstanceUID, "1.2.3")
	d.SetUID(tag.SeriesInstanceUID, "1.2.3.9")
	set(d)
	plain := ts
	if ts.Deflated {
		plain = dicom.ExplicitVRLittleEndian
	}
	b, err := dicom.AppendDataset(nil, d, plain)
	if err != nil {
		t.Fatal(err)
	}
	if ts.Deflated {
		var deflated bytes.Buffer
		if err := dicom.Convert(&deflated, bytes.NewReader(b), plain, ts); err != nil {
			t.Fatal(err)
		}
		b = deflated.Bytes()
	}
	in := incoming(b, sop)
	in.SOPClassUID, in.TransferSyntax = class, ts.UID
	return h.mustStore(t, in).Ref
}

func item(set func(*dicom.Dataset)) *dicom.Dataset {
	d := &dicom.Dataset{}
	set(d)
	return d
}

// profile is an ICC profile larger than what headers keep.
func profile(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Shared(t), "data", "wsi/cmu1-perframe/level-4.dcm"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := dicom.Read(bytes.NewReader(b), dicom.Source{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	e := f.Dataset.Items(tag.OpticalPathSequence)[0].Get(tag.ICCProfile)
	if len(e.Value) <= 4<<10 {
		t.Fatalf("a profile of %d bytes", len(e.Value))
	}
	return e.Value
}

// TestLargeState: a presentation state whose polyline and profile are too large for the header
// that the index keeps is applied with both.
func TestLargeState(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{Codecs: codecs})
	black := newMovie(dicom.ExplicitVRLittleEndian, codectest.Color(64, 64, 8, 8, "RGB"), 1, "flat")
	clear(black.frames[0].Data)
	e := h.storeMovie(t, black)
	const points = 20_000
	line := make([]float64, 0, 2*points)
	for i := range points { // to and fro in the upper half, and at last down to the lower right
		line = append(line, float64(4+56*(i%2)), float64(4+i*24/points))
	}
	line[2*points-2], line[2*points-1] = 60, 60
	h.storeBeside(t, uid.ColorSoftcopyPresentationStateStorage, "1.2.3.4.5", dicom.ImplicitVRLittleEndian, func(d *dicom.Dataset) {
		d.SetElement(dicom.Element{Tag: tag.ICCProfile, VR: vr.OB, Value: profile(t)})
		d.SetItems(tag.ReferencedSeriesSequence, item(func(d *dicom.Dataset) {
			d.SetUID(tag.SeriesInstanceUID, e.SeriesInstanceUID)
			d.SetItems(tag.ReferencedImageSequence, item(func(d *dicom.Dataset) {
				d.SetUID(tag.ReferencedSOPClassUID, e.SOPClassUID)
				d.SetUID(tag.ReferencedSOPInstanceUID, e.SOPInstanceUID)
			}))
		}))
		d.SetItems(tag.GraphicAnnotationSequence, item(func(d *dicom.Dataset) {
			d.SetText(tag.GraphicLayer, "LINES")
			d.SetItems(tag.GraphicObjectSequence, item(func(d *dicom.Dataset) {
				d.SetText(tag.GraphicAnnotationUnits, "PIXEL")
				d.SetInts(tag.GraphicDimensions, 2)
				d.SetInts(tag.NumberOfGraphicPoints, points)
				d.SetFloats(tag.GraphicData, line...)
				d.SetText(tag.GraphicType, "POLYLINE")
				d.SetText(tag.GraphicFilled, "N")
			}))
		}))
	})
	p, err := h.Render(t.Context(), tenant, h.frames(t, e.Ref), 1, archive.Rendering{MediaType: archive.PNG, State: "1.2.3.4.5"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(p.Applied.ICC, " sRGB") || len(p.Applied.Notes) > 0 {
		t.Errorf("profile %q, notes %q", p.Applied.ICC, p.Applied.Notes)
	}
	m, _, err := image.Decode(bytes.NewReader(p.Data))
	if err != nil {
		t.Fatal(err)
	}
	drawn := func(near image.Rectangle) bool {
		for y := near.Min.Y; y < near.Max.Y; y++ {
			for x := near.Min.X; x < near.Max.X; x++ {
				if r, g, b, _ := m.At(x, y).RGBA(); r+g+b > 0x8000 {
					return true
				}
			}
		}
		return false
	}
	if !drawn(image.Rect(30, 5, 31, 6)) || !drawn(image.Rect(30, 20, 31, 21)) || !drawn(image.Rect(30, 42, 33, 46)) {
		t.Error("the line is not there, or not to its end")
	}
	if drawn(image.Rect(10, 48, 20, 60)) {
		t.Error("a line where there is none")
	}
}

// TestWhole: what the header left in the object comes from there, whatever the transfer syntax.
func TestWhole(t *testing.T) {
	t.Parallel()
	private := tag.New(0x0029, 0x1001)
	text, table := strings.Repeat("of great length; ", 8<<10), make([]int64, 5000)
	for i := range table {
		table[i] = int64(i * 13 % 65536)
	}
	for _, ts := range []dicom.TransferSyntax{
		dicom.ImplicitVRLittleEndian, dicom.ExplicitVRLittleEndian, dicom.ExplicitVRBigEndian, dicom.DeflatedExplicitVRLittleEndian,
	} {
		h := newHouse(archive.Config{})
		ref := h.storeBeside(t, uid.EnhancedSRStorage, "1.2.3.4.6", ts, func(d *dicom.Dataset) {
			d.SetItems(tag.ContentSequence, item(func(d *dicom.Dataset) {
				d.SetText(tag.TextValue, text)
				d.SetItems(tag.ModalityLUTSequence, item(func(d *dicom.Dataset) {
					d.SetElement(dicom.Element{Tag: tag.LUTData, VR: vr.OW, Value: words(table)})
				}))
			}))
			d.SetText(tag.New(0x0029, 0x0010), "SOMEBODY")
			d.SetElement(dicom.Element{Tag: private, VR: vr.OB, Value: make([]byte, 400<<10)})
			d.SetElement(dicom.Element{Tag: tag.ICCProfile, VR: vr.OB, Value: bytes.Repeat([]byte("ICC "), 2<<10)})
		})
		got, err := h.Whole(t.Context(), tenant, ref)
		if err != nil {
			t.Fatal(ts.Name, err)
		}
		content := got.Dataset.Items(tag.ContentSequence)[0]
		if content.Text(tag.TextValue) != strings.TrimSpace(text) {
			t.Errorf("%s: a text of %d bytes", ts.Name, len(content.Text(tag.TextValue)))
		}
		if e := content.Items(tag.ModalityLUTSequence)[0].Get(tag.LUTData); !bytes.Equal(e.Value, words(table)) {
			t.Errorf("%s: another table", ts.Name)
		}
		if e := got.Dataset.Get(tag.ICCProfile); !bytes.Equal(e.Value, bytes.Repeat([]byte("ICC "), 2<<10)) {
			t.Errorf("%s: another profile", ts.Name)
		}
		if e := got.Dataset.Get(private); e.Bulk == nil {
			t.Errorf("%s: private values are read", ts.Name)
		}
	}
	h := newHouse(archive.Config{})
	ref := h.storeBeside(t, uid.EnhancedSRStorage, "1.2.3.4.6", dicom.ExplicitVRLittleEndian, func(d *dicom.Dataset) {
		d.SetText(tag.TextValue, strings.Repeat("x", 33<<20))
		d.SetElement(dicom.Element{Tag: tag.ICCProfile, VR: vr.OB, Value: make([]byte, 32<<20)})
	})
	_, err := h.Whole(t.Context(), tenant, ref)
	wantKind(t, err, errs.Exhausted)
}

// words are values of OW.
func words(values []int64) (b []byte) {
	for _, v := range values {
		b = append(b, byte(v), byte(v>>8))
	}
	return b
}
