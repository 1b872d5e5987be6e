package tag_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

func TestForms(t *testing.T) {
	t.Parallel()
	if s := tag.PixelData.String(); s != "(7FE0,0010)" {
		t.Error(s)
	}
	if s := tag.PixelData.Hex(); s != "7FE00010" {
		t.Error(s)
	}
	for in, want := range map[string]tag.Tag{
		"PatientName": tag.PatientName, "00100010": tag.PatientName, "(0010,0010)": tag.PatientName, "0010,0010": tag.PatientName,
		"7fe00010": tag.PixelData, "dBdt": tag.DBdt, "OverlayData": 0x60003000, "(60ff,3000)": 0x60FF3000, "00091001": 0x00091001,
	} {
		if got, err := tag.Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "patientname", "0010001", "001000100", "0010.0010", "(0010,0010", "0010001G", "Patient Name", "-0100010"} {
		if got, err := tag.Parse(in); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", in, got)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tag     tag.Tag
		keyword string
		vr      vr.VR
		vm      string
	}{
		{0x00100010, "PatientName", vr.PN, "1"},
		{0x00000002, "AffectedSOPClassUID", vr.UI, "1"},
		{0x00020010, "TransferSyntaxUID", vr.UI, "1"},
		{0x00041220, "DirectoryRecordSequence", vr.SQ, "1"},
		{0x00083002, "AvailableTransferSyntaxUID", vr.UI, "1-n"},
		{0x7FE00001, "ExtendedOffsetTable", vr.OV, "1"},
		{0x7FE00010, "PixelData", vr.OB, "1"},
		{0xFFFEE000, "Item", 0, "1"},
		{0x60023000, "OverlayData", vr.OB, "1"},
		{0x501E3000, "CurveData", vr.OB, "1"},
		{0x002031AB, "SourceImageIDs", vr.CS, "1-n"},
		{0x00280400, "TransformLabel", vr.LO, "1"},
		{0x00280430, "RowsForNthOrderCoefficients", vr.US, "1"},
		{0x002808F8, "ImageDataLocation", vr.AT, "1-n"},
		{0x10001234, "ShiftTableSize", vr.US, "1"},
		{0x1010ABCD, "ZonalMap", vr.US, "1-n"},
		{0x7F240010, "VariablePixelData", vr.OB, "1"},
	} {
		got, ok := tag.Lookup(c.tag)
		if !ok || got.Tag != c.tag || got.Keyword != c.keyword || got.VR != c.vr || got.VM != c.vm || c.tag.Keyword() != c.keyword {
			t.Errorf("Lookup(%v) = %+v, %v", c.tag, got, ok)
		}
	}
	if got, _ := tag.Lookup(tag.SmallestImagePixelValue); len(got.VRs) != 2 || got.VRs[1] != vr.SS {
		t.Errorf("VRs: %+v", got)
	}
	for _, unknown := range []tag.Tag{0x00091001, 0x60013000, 0x60003001, 0xFFFFFFFF, 0x00080000} {
		if got, ok := tag.Lookup(unknown); ok {
			t.Errorf("Lookup(%v) = %+v", unknown, got)
		}
	}
}

func TestVR(t *testing.T) {
	t.Parallel()
	for in, want := range map[tag.Tag]vr.VR{tag.Rows: vr.US, 0x60123000: vr.OB, 0x00080000: vr.UL, 0x00090010: vr.LO, 0x00091001: vr.UN, 0x00080003: vr.UN} {
		if got := in.VR(); got != want {
			t.Errorf("%v.VR() = %v, want %v", in, got, want)
		}
	}
}

// TestDictionary: the two indexes find every line of the table, in ascending order.
func TestDictionary(t *testing.T) {
	t.Parallel()
	var last tag.Tag
	n := 0
	for info := range tag.All {
		if n++; n > 1 && info.Tag <= last {
			t.Fatalf("%v after %v", info.Tag, last)
		}
		last = info.Tag
		if got, ok := tag.ByKeyword(info.Keyword); !ok || got != info.Tag {
			t.Errorf("ByKeyword(%q) = %v, want %v", info.Keyword, got, info.Tag)
		}
		if info.Name == "" || info.VM == "" || info.VR != 0 && !info.VR.Known() {
			t.Errorf("%+v", info)
		}
	}
	if n < 5100 {
		t.Errorf("only %d attributes", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	tags := []tag.Tag{tag.SOPInstanceUID, tag.PatientName, tag.Rows, 0x00091001, tag.PixelData, 0x60023000}
	b.Run("Lookup", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			tag.Lookup(tags[i%len(tags)])
		}
	})
	b.Run("VR", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			_ = tags[i%len(tags)].VR()
		}
	})
	b.Run("ByKeyword", func(b *testing.B) {
		for b.Loop() {
			tag.ByKeyword("StudyInstanceUID")
		}
	})
}
