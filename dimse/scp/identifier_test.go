package scp_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
)

// show writes a data set as Keyword=value, one element after another.
func show(d *dicom.Dataset) string {
	var out []string
	for e := range d.All() {
		switch {
		case e.Items != nil:
			var items []string
			for _, item := range e.Items {
				items = append(items, "{"+show(item)+"}")
			}
			out = append(out, e.Tag.Keyword()+"="+strings.Join(items, ""))
		default:
			out = append(out, fmt.Sprintf("%s=%q", e.Tag.Keyword(), e.Value))
		}
	}
	return strings.Join(out, " ")
}

func keys(level string, charset string, tags ...tag.Tag) *dicom.Dataset {
	d := &dicom.Dataset{}
	if charset != "" {
		d.SetText(tag.SpecificCharacterSet, strings.Split(charset, `\`)...)
	}
	d.SetText(tag.QueryRetrieveLevel, level)
	for _, t := range tags {
		d.SetElement(dicom.Element{Tag: t, VR: t.VR()})
	}
	return d
}

func TestResponseHasTheKeysThatWereAsked(t *testing.T) {
	t.Parallel()
	utf8 := func(name string) *dicom.Dataset { // as the archive gives it
		d := &dicom.Dataset{}
		d.SetElement(dicom.Element{Tag: tag.SpecificCharacterSet, VR: vr.CS, Value: []byte("ISO_IR 192")})
		d.SetElement(dicom.Element{Tag: tag.PatientName, VR: vr.PN, Value: []byte(name)})
		d.SetElement(dicom.Element{Tag: tag.PatientID, VR: vr.LO, Value: []byte("77")})
		return d
	}
	withSequence := utf8("A")
	code := func(value string) *dicom.Dataset {
		d := &dicom.Dataset{}
		d.SetText(tag.CodeValue, value)
		d.SetText(tag.CodeMeaning, "Grüße")
		return d
	}
	withSequence.SetItems(tag.ProcedureCodeSequence, code("10"), code("20"))
	sub := keys("STUDY", "")
	sub.SetItems(tag.ProcedureCodeSequence, keys("", "", tag.CodeValue, tag.CodingSchemeDesignator))
	sub.Get(tag.ProcedureCodeSequence).Items[0].Delete(tag.QueryRetrieveLevel)
	const ours = ` QueryRetrieveLevel="STUDY " RetrieveAETitle="AURELIUS"`
	for _, c := range []struct {
		name           string
		request, match *dicom.Dataset
		want           string
	}{
		{"ASCII needs no character set", keys("STUDY", "ISO_IR 100", tag.PatientName), utf8("DOE^J"),
			ours[1:] + ` PatientName="DOE^J "`},
		{"unknown is empty", keys("STUDY", "", tag.AccessionNumber, tag.PatientID), utf8("A"),
			`AccessionNumber=""` + ours + ` PatientID="77"`},
		{"UTF-8 when none was named", keys("STUDY", "", tag.PatientName), utf8("Müller"),
			`SpecificCharacterSet="ISO_IR 192"` + ours + ` PatientName="M` + "\\u00fc" + `ller "`},
		{"the character set of the request", keys("STUDY", "ISO_IR 100", tag.PatientName), utf8("Müller"),
			`SpecificCharacterSet="ISO_IR 100"` + ours + ` PatientName="M\xfcller"`},
		{"UTF-8 when the request's cannot say it", keys("STUDY", "ISO_IR 100", tag.PatientName), utf8("山田^太郎"),
			`SpecificCharacterSet="ISO_IR 192"` + ours + ` PatientName="山田^太郎 "`},
		{"code extensions", keys("STUDY", `\ISO 2022 IR 87`, tag.PatientName), utf8("Yamada^Tarou=山田^太郎"),
			`SpecificCharacterSet="\\ISO 2022 IR 87 "` + ours + ` PatientName="Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"`},
		{"an unknown character set", keys("STUDY", "ISO_IR 999", tag.PatientName), utf8("Müller"),
			`SpecificCharacterSet="ISO_IR 192"` + ours + ` PatientName="M` + "\\u00fc" + `ller "`},
		{"availability", keys("STUDY", "", tag.InstanceAvailability), utf8("A"),
			`QueryRetrieveLevel="STUDY " RetrieveAETitle="AURELIUS" InstanceAvailability="ONLINE"`},
		{"of a sequence the keys of its item", sub, withSequence,
			ours[1:] + ` ProcedureCodeSequence={CodeValue="10" CodingSchemeDesignator=""}{CodeValue="20" CodingSchemeDesignator=""}`},
		{"a whole sequence, recoded", keys("STUDY", "ISO_IR 100", tag.ProcedureCodeSequence), withSequence,
			`SpecificCharacterSet="ISO_IR 100"` + ours + ` ProcedureCodeSequence={CodeValue="10" CodeMeaning="Gr\xfc\xdfe "}{CodeValue="20" CodeMeaning="Gr\xfc\xdfe "}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := show(scp.Response(c.request, c.match))
			want := strings.ReplaceAll(c.want, `\u00fc`, "ü")
			if got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestMaybeStorage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uid  string
		want bool
	}{
		{"1.3.12.2.1107.5.9.9", true}, // private, unknown
		{"1.2.840.10008.5.1.4.1.1.999", true},
		{uid.ModalityPerformedProcedureStep, false},
		{uid.StudyRootQueryRetrieveInformationModelFind, false},
		{"1.2.840.10008.5.1.4.31", false}, // Modality Worklist
		{"1.2.840.10008.9.9", false},
		{"1.2.3/../../etc", false},
		{"", false},
	} {
		if got := scp.MaybeStorage(c.uid); got != c.want {
			t.Errorf("MaybeStorage(%q) = %v", c.uid, got)
		}
	}
}
