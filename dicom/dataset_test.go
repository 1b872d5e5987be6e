package dicom_test

import (
	"bytes"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

func TestSetAndGet(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{}
	d.SetText(tag.PatientName, "Doe^Jane")
	d.SetText(tag.ImageType, "ORIGINAL", "PRIMARY")
	d.SetText(tag.PatientComments, ` two\words `)
	d.SetUID(tag.SOPInstanceUID, "1.2.3")
	d.SetInts(tag.Rows, 512)
	d.SetInts(tag.NumberOfFrames, 12)
	d.SetInts(tag.FrameIncrementPointer, 0x00181063)
	d.SetFloats(tag.PixelSpacing, 0.1, 1.0/3)
	d.SetFloats(tag.RecommendedDisplayFrameRateInFloat, 24.5)
	d.SetText(tag.AccessionNumber)

	if got := d.Text(tag.PatientName); got != "Doe^Jane" {
		t.Errorf("Patient's Name %q", got)
	}
	if got := d.Texts(tag.ImageType); !slices.Equal(got, []string{"ORIGINAL", "PRIMARY"}) {
		t.Errorf("Image Type %q", got)
	}
	if got := d.Text(tag.PatientComments); got != ` two\words` {
		t.Errorf("Patient Comments %q", got)
	}
	if got := d.UID(tag.SOPInstanceUID); got != "1.2.3" {
		t.Errorf("SOP Instance UID %q", got)
	}
	if e := d.Get(tag.SOPInstanceUID); string(e.Value) != "1.2.3\x00" || e.VR != vr.UI {
		t.Errorf("SOP Instance UID is encoded %q", e.Value)
	}
	for tg, want := range map[tag.Tag]int64{tag.Rows: 512, tag.NumberOfFrames: 12, tag.FrameIncrementPointer: 0x00181063} {
		if got, ok := d.Int(tg); !ok || got != want {
			t.Errorf("%s %d, %v", tg.Keyword(), got, ok)
		}
	}
	if got := d.Floats(tag.PixelSpacing); len(got) != 2 || got[0] != 0.1 || got[1] < 0.3333333 || got[1] > 0.3333334 {
		t.Errorf("Pixel Spacing %v", got)
	}
	for _, s := range d.Texts(tag.PixelSpacing) {
		if len(s) > 16 {
			t.Errorf("DS of %d bytes", len(s))
		}
	}
	if got := d.Floats(tag.RecommendedDisplayFrameRateInFloat); !slices.Equal(got, []float64{24.5}) {
		t.Errorf("Frame Rate %v", got)
	}
	if e := d.Get(tag.AccessionNumber); e == nil || !e.IsEmpty() {
		t.Error("no empty Accession Number")
	}
	if !slices.IsSortedFunc(d.Elements, func(a, b dicom.Element) int { return int(int64(a.Tag) - int64(b.Tag)) }) {
		t.Error("elements are not in order")
	}
	d.Delete(tag.PatientName)
	if d.Has(tag.PatientName) || d.Text(tag.PatientName) != "" {
		t.Error("Patient's Name is still there")
	}
	var none *dicom.Dataset
	if none.Text(tag.PatientName) != "" || none.Items(tag.ContentSequence) != nil || none.Clone() != nil {
		t.Error("a nil data set is not empty")
	}
}

// TestDuplicates: the first counts, both stay.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{Elements: []dicom.Element{
		{Tag: tag.StudyID, VR: vr.SH, Value: []byte("7 ")},
		{Tag: tag.PatientID, VR: vr.LO, Value: []byte("first ")},
		{Tag: tag.PatientID, VR: vr.LO, Value: []byte("second")},
	}}
	for range 2 { // as built, and read back
		if got := d.Text(tag.PatientID); got != "first" {
			t.Errorf("Patient ID %q", got)
		}
		b, err := dicom.AppendDataset(nil, d, dicom.ExplicitVRLittleEndian)
		if err != nil {
			t.Fatal(err)
		}
		if d, err = dicom.ParseDataset(b, dicom.ExplicitVRLittleEndian); err != nil || len(d.Elements) != 3 {
			t.Fatal(err, len(d.Elements))
		}
	}
	d.Sort()
	if d.Elements[0].Tag != tag.PatientID || d.Text(tag.PatientID) != "first" || d.Text(tag.StudyID) != "7" {
		t.Error("sorting changed which is the first")
	}
	d.Delete(tag.PatientID)
	if len(d.Elements) != 1 {
		t.Error("one of two was deleted")
	}
}

// TestOrderIsNotAssumed changes Elements by hand.
func TestOrderIsNotAssumed(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{}
	d.SetText(tag.StudyID, "1")
	d.Elements = append(d.Elements, dicom.Element{Tag: tag.PatientID, VR: vr.LO, Value: []byte("id")})
	d.SetText(tag.Modality, "CT")
	d.Delete(tag.StudyID)
	d.SetText(tag.StudyID, "2")
	for tg, want := range map[tag.Tag]string{tag.StudyID: "2", tag.PatientID: "id", tag.Modality: "CT"} {
		if got := d.Text(tg); got != want {
			t.Errorf("%s %q", tg.Keyword(), got)
		}
	}
}

func TestCharacterSets(t *testing.T) {
	t.Parallel()
	item := &dicom.Dataset{}
	d := &dicom.Dataset{}
	d.SetElement(dicom.Element{Tag: tag.SpecificCharacterSet, VR: vr.CS, Value: []byte("ISO_IR 100")})
	d.SetElement(dicom.Element{Tag: tag.PatientName, VR: vr.PN, Value: []byte("M\xFCller^J\xF6rg")})
	item.SetElement(dicom.Element{Tag: tag.CodeMeaning, VR: vr.LO, Value: []byte("Sch\xE4del ")})
	item.SetElement(dicom.Element{Tag: tag.CodeValue, VR: vr.SH, Value: []byte("S\xE4\\2")})
	d.SetItems(tag.AnatomicRegionSequence, item)
	if got := d.Text(tag.PatientName); got != "Müller^Jörg" {
		t.Errorf("name %q", got)
	}
	if got := item.Text(tag.CodeMeaning); got != "Schädel" { // from the data set around
		t.Errorf("meaning %q", got)
	}
	if got := item.Texts(tag.CodeValue); !slices.Equal(got, []string{"Sä", "2"}) {
		t.Errorf("code %q", got)
	}
	item.SetText(tag.CodeMeaning, "Öl")
	if got := string(item.Get(tag.CodeMeaning).Value); got != "\xD6l" {
		t.Errorf("encoded %q", got)
	}

	fresh := &dicom.Dataset{}
	fresh.SetText(tag.PatientName, "山田^太郎")
	if fresh.Text(tag.SpecificCharacterSet) != "ISO_IR 192" || fresh.Text(tag.PatientName) != "山田^太郎" {
		t.Errorf("set %q, name %q", fresh.Text(tag.SpecificCharacterSet), fresh.Text(tag.PatientName))
	}

	kanji := &dicom.Dataset{}
	kanji.SetText(tag.SpecificCharacterSet, "", "ISO 2022 IR 87")
	kanji.SetText(tag.PatientName, "Yamada^Tarou=山田^太郎")
	if got := kanji.Text(tag.PatientName); got != "Yamada^Tarou=山田^太郎" {
		t.Errorf("name %q", got)
	}
	if kanji.Texts(tag.SpecificCharacterSet)[1] != "ISO 2022 IR 87" || !bytes.Contains(kanji.Get(tag.PatientName).Value, []byte("\x1b$B")) {
		t.Error("name was not encoded by ISO 2022")
	}
}

func TestWalkAndLookup(t *testing.T) {
	t.Parallel()
	inner, outer, d := &dicom.Dataset{}, &dicom.Dataset{}, &dicom.Dataset{}
	inner.SetText(tag.CodeValue, "T-1")
	outer.SetItems(tag.AnatomicRegionSequence, &dicom.Dataset{}, inner)
	outer.SetText(tag.Modality, "CT")
	d.SetItems(tag.ReferencedSeriesSequence, outer)
	d.SetText(tag.PatientID, "1")
	var seen []string
	d.Walk(func(path []dicom.Step, e *dicom.Element) bool {
		var at []string
		for _, s := range path {
			at = append(at, s.Tag.Keyword()+string(rune('0'+s.Item)))
		}
		seen = append(seen, strings.Join(append(at, e.Tag.Keyword()), "/"))
		return true
	})
	want := []string{"ReferencedSeriesSequence", "ReferencedSeriesSequence0/Modality", "ReferencedSeriesSequence0/AnatomicRegionSequence",
		"ReferencedSeriesSequence0/AnatomicRegionSequence1/CodeValue", "PatientID"}
	slices.Sort(seen)
	slices.Sort(want)
	if !slices.Equal(seen, want) {
		t.Errorf("walked %q", seen)
	}
	if e := d.Lookup(tag.ReferencedSeriesSequence, tag.Modality); e == nil || string(e.Value) != "CT" {
		t.Error("Modality not found")
	}
	if d.Lookup(tag.ReferencedSeriesSequence, tag.AnatomicRegionSequence, tag.CodeValue) != nil {
		t.Error("found in the second item")
	}
	if inner.Parent() != outer || outer.Parent() != d || d.Parent() != nil {
		t.Error("parents are wrong")
	}
	c := d.Clone()
	if diff := difference(d, c, true); diff != "" {
		t.Error("clone:", diff)
	}
	c.Items(tag.ReferencedSeriesSequence)[0].SetText(tag.Modality, "MR")
	if outer.Text(tag.Modality) != "CT" || c.Items(tag.ReferencedSeriesSequence)[0].Parent() != c {
		t.Error("the clone shares items")
	}
}

// TestUnknown reads values that came as UN although the attribute is known.
func TestUnknown(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{Elements: []dicom.Element{
		{Tag: tag.Modality, VR: vr.UN, Value: []byte("CT")},
		{Tag: tag.Rows, VR: vr.UN, Value: []byte{0, 2}},
		{Tag: 0x00091001, VR: vr.UN, Value: []byte("priv")},
	}}
	if got := d.Text(tag.Modality); got != "CT" {
		t.Errorf("Modality %q", got)
	}
	if got, _ := d.Int(tag.Rows); got != 512 {
		t.Errorf("Rows %d", got)
	}
	if got := d.Text(0x00091001); got != "" {
		t.Errorf("private %q", got)
	}
}

func TestLogValue(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{}
	d.SetText(tag.PatientName, "Secret^Name")
	d.SetText(tag.PatientID, "4711")
	d.SetUID(tag.SOPInstanceUID, "1.2.3")
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("stored", "object", d)
	if s := out.String(); strings.Contains(s, "Secret") || strings.Contains(s, "4711") || !strings.Contains(s, "1.2.3") {
		t.Errorf("log line %q", s)
	}
}

func TestTransferSyntaxes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, ts := range dicom.TransferSyntaxes() {
		if seen[ts.UID] || ts.Name == "" || ts.MediaType == "" {
			t.Errorf("%s: twice or incomplete", ts.UID)
		}
		seen[ts.UID] = true
		if got, ok := dicom.LookupTransferSyntax(ts.UID); !ok || got != ts {
			t.Errorf("%s is not found", ts.UID)
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d transfer syntaxes", len(seen))
	}
	ts, ok := dicom.LookupTransferSyntax("1.2.3.4")
	if want := (dicom.TransferSyntax{UID: "1.2.3.4", MediaType: "application/octet-stream"}); ok || !reflect.DeepEqual(ts, want) {
		t.Errorf("unknown: %+v, %v", ts, ok)
	}
}

// TestAppendMeta reads what was written before a bare data set.
func TestAppendMeta(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{}
	d.SetUID(tag.SOPInstanceUID, "1.2.3")
	b := dicom.AppendMeta(nil, "1.2.840.10008.5.1.4.1.1.2", "1.2.3", dicom.ImplicitVRLittleEndian, "CT1")
	b, err := dicom.AppendDataset(b, d, dicom.ImplicitVRLittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	h, err := dicom.ReadHeader(bytes.NewReader(b), dicom.Source{}, dicom.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	m := h.Meta
	if h.TransferSyntax != dicom.ImplicitVRLittleEndian || m.UID(tag.MediaStorageSOPClassUID) != "1.2.840.10008.5.1.4.1.1.2" ||
		m.UID(tag.MediaStorageSOPInstanceUID) != "1.2.3" || m.Text(tag.SourceApplicationEntityTitle) != "CT1" {
		t.Errorf("meta information %v", m.Elements)
	}
	if n, _ := m.Int(tag.FileMetaInformationGroupLength); n != h.DatasetOffset-132-12 {
		t.Errorf("group length %d, data set at %d", n, h.DatasetOffset)
	}
	if h.Dataset.UID(tag.SOPInstanceUID) != "1.2.3" {
		t.Error("data set lost")
	}
}
