package dicom_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// TestRewrite: elements in the place of others, new ones, fewer; the value of the pixel data from
// elsewhere; everything else as it was, in every encoding that it may come in and leave in.
func TestRewrite(t *testing.T) {
	t.Parallel()
	item := &dicom.Dataset{}
	item.SetInts(tag.Rows, 99) // not of the outermost level
	d := &dicom.Dataset{}
	d.SetText(tag.PatientName, "Doe^Jane")
	d.SetItems(tag.IconImageSequence, item)
	d.SetInts(tag.Rows, 2)
	d.SetInts(tag.Columns, 2)
	d.SetElement(dicom.Element{Tag: tag.ExtendedOffsetTable, VR: vr.OV, Value: make([]byte, 8)})
	d.SetElement(dicom.Element{Tag: tag.PixelData, VR: vr.OW, Value: []byte{1, 2, 3, 4, 5, 6, 7, 8}})
	d.SetElement(dicom.Element{Tag: tag.DataSetTrailingPadding, VR: vr.OB, Value: []byte("behind")})

	set := &dicom.Dataset{}
	set.SetText(tag.SOPInstanceUID, "1.2.3")
	set.SetInts(tag.Rows, 7)
	fragments := [][]byte{{9, 9}, {1, 2, 3}}
	edit := func(encapsulated bool) dicom.Edit {
		return dicom.Edit{Set: set, Drop: []tag.Tag{tag.ExtendedOffsetTable}, Pixels: func(w *dicom.PixelWriter) error {
			if !encapsulated {
				if err := w.Native(vr.OB, 5); err != nil {
					return err
				}
				_, err := w.Write([]byte{5, 4, 3, 2, 1})
				return err
			}
			if err := w.Encapsulated([]uint32{0, 10}); err != nil {
				return err
			}
			for _, f := range fragments {
				if err := w.Fragment(f); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	for _, from := range []dicom.TransferSyntax{dicom.ImplicitVRLittleEndian, dicom.ExplicitVRLittleEndian, dicom.ExplicitVRBigEndian} {
		b, err := dicom.AppendDataset(nil, d, from)
		if err != nil {
			t.Fatal(err)
		}
		value := []byte{1, 2, 3, 4, 5, 6, 7, 8}
		if from.BigEndian {
			value = []byte{2, 1, 4, 3, 6, 5, 8, 7}
		}
		source := bytes.Replace(b, value, nil, 1)
		for _, to := range []dicom.TransferSyntax{dicom.ImplicitVRLittleEndian, dicom.ExplicitVRLittleEndian, dicom.JPEGLSLossless} {
			var out bytes.Buffer
			if err := dicom.Rewrite(&out, bytes.NewReader(source), from, to, edit(to.Encapsulated)); err != nil {
				t.Fatalf("%s to %s: %v", from, to, err)
			}
			got, err := dicom.ParseDataset(out.Bytes(), to)
			if err != nil {
				t.Fatalf("%s to %s: %v", from, to, err)
			}
			var tags []tag.Tag
			for e := range got.All() {
				tags = append(tags, e.Tag)
			}
			want := []tag.Tag{tag.SOPInstanceUID, tag.PatientName, tag.Rows, tag.Columns, tag.IconImageSequence, tag.PixelData, tag.DataSetTrailingPadding}
			if !slices.Equal(tags, want) {
				t.Errorf("%s to %s: elements %v", from, to, tags)
			}
			rows, _ := got.Int(tag.Rows)
			inner, _ := got.Items(tag.IconImageSequence)[0].Int(tag.Rows)
			if rows != 7 || inner != 99 || got.Text(tag.PatientName) != "Doe^Jane" {
				t.Errorf("%s to %s: Rows %d, in the item %d", from, to, rows, inner)
			}
			pixels := got.Get(tag.PixelData)
			if to.Encapsulated {
				if len(pixels.Fragments) != 3 || len(pixels.Fragments[0]) != 8 || !bytes.Equal(pixels.Fragments[2], []byte{1, 2, 3, 0}) {
					t.Errorf("%s to %s: fragments %v", from, to, pixels.Fragments)
				}
			} else if !bytes.Equal(pixels.Value, []byte{5, 4, 3, 2, 1, 0}) {
				t.Errorf("%s to %s: value %v", from, to, pixels.Value)
			}
		}
	}
	var none bytes.Buffer
	without, err := dicom.AppendDataset(nil, item, dicom.ExplicitVRLittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	if err := dicom.Rewrite(&none, bytes.NewReader(without), dicom.ExplicitVRLittleEndian, dicom.JPEGLSLossless, edit(true)); !errs.Is(err, errs.Invalid) {
		t.Errorf("without pixel data: %v", err)
	}
	if err := dicom.Rewrite(&none, bytes.NewReader(nil), dicom.DeflatedExplicitVRLittleEndian, dicom.ExplicitVRLittleEndian, dicom.Edit{}); !errs.Is(err, errs.Unsupported) {
		t.Errorf("deflated: %v", err)
	}
}
