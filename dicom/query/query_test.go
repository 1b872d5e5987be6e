package query_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// set builds a data set from keyword and value; several values are separated by a backslash.
func set(pairs ...string) *dicom.Dataset {
	d := &dicom.Dataset{}
	for i := 0; i < len(pairs); i += 2 {
		t, ok := tag.ByKeyword(pairs[i])
		if !ok {
			panic(pairs[i])
		}
		if pairs[i+1] == "" {
			d.SetText(t)
		} else {
			d.SetText(t, strings.Split(pairs[i+1], `\`)...)
		}
	}
	return d
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		attribute, stored, asked string
		want                     bool
	}{
		// Single value matching, C.2.2.2.1.
		{"PatientID", "A1", "A1", true},
		{"PatientID", "A1", "a1", false},
		{"PatientID", "A1", "A", false},
		{"AccessionNumber", "Acc1", "aCC1", true},
		{"StudyDescription", "Schädel", "SCHADEL", true},
		{"StudyDescription", "", "x", false},
		{"StudyInstanceUID", "1.2.3", "1.2.3", true},
		{"StudyInstanceUID", "1.2.3", "1.2", false},
		{"StudyInstanceUID", "1.2.3", "1.2*", false},
		{"SeriesNumber", "1", "01", true},
		{"SeriesNumber", "+1", "1", true},
		{"SeriesNumber", "x", "1", false},
		{"PatientSize", "1.80", "1.8", true},
		// PN: case, accents, component groups, empty components.
		{"PatientName", "Müller^Hans", "MULLER^HANS", true},
		{"PatientName", "Müller^Hans", "müller", false},
		{"PatientName", "Doe^John^^", "doe^john", true},
		{"PatientName", "Doe^John", "Doe^John^^^", true},
		{"PatientName", "Łukasz^Þór", "lukasz^thor", true},
		{"PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田^太郎", true},
		{"PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう", "yamada^tarou", true},
		{"PatientName", "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田*", true},
		{"PatientName", "Yamada^Tarou=山田^太郎", "yamada^tarou=山田^太郎", true},
		{"PatientName", "Yamada^Tarou=山田^太郎", "yamada^tarou=山田", false},
		{"PatientName", "カ", "ガ", false},
		// Wildcards, C.2.2.2.4.
		{"PatientName", "Smith^John", "smi*", true},
		{"PatientName", "Smith^John", "*john", true},
		{"PatientName", "Smith^John", "s?ith^*", true},
		{"PatientName", "Smith^John", "s??ith*", false},
		{"PatientName", "Ünal", "?nal", true},
		{"PatientID", "AB12", "AB*", true},
		{"PatientID", "AB12", "ab*", false},
		{"StudyDescription", "100% [x]_y", "*% [?]_y", true},
		{"Modality", "CT", "C?", true},
		// Lists, and what several values mean.
		{"StudyInstanceUID", "1.2.3", `1.9\1.2.3`, true},
		{"StudyInstanceUID", "1.2.3", `1.9,1.2.3`, true},
		{"Modality", "CT", `MR\CT`, true},
		{"ModalitiesInStudy", `CT\SR`, "SR", true},
		{"ModalitiesInStudy", `CT\SR`, "S", false},
		{"ImageType", `ORIGINAL\PRIMARY`, "primary", true},
		{"AccessionNumber", `A\B`, "B", false}, // has one value by the dictionary
		{"AccessionNumber", `A\B`, "A", true},
		// Ranges, C.2.2.2.5.
		{"StudyDate", "20240215", "20240101-20241231", true},
		{"StudyDate", "20240215", "20240215-", true},
		{"StudyDate", "20240215", "-20240214", false},
		{"StudyDate", "2024.02.15", "20240215", true},
		{"StudyDate", "2024-13-", "-20991231", false},
		{"StudyDate", "", "-20991231", false},
		{"StudyDate", "20240215", "2024*", true},
		{"StudyDate", "20240215", `20230101\20240215`, true},
		{"StudyTime", "103059", "10-1030", true},
		{"StudyTime", "103100", "10-1030", false},
		{"StudyTime", "0830", "083000", true},
		{"StudyTime", "08:30:00", "0830", true},
		{"StudyTime", "083000.5", "083000.500000", true},
		{"StudyTime", "99", "-235959", false},
		{"AcquisitionDateTime", "20240215103000+0100", "20240215093000+0000", true},
		{"AcquisitionDateTime", "20240215103000", "20240215-20240216", true},
		{"AcquisitionDateTime", "20240215103000", "2024-202401", false},
		{"AcquisitionDateTime", "20240215103000.123456", "202402151030-", true},
		{"AcquisitionDateTime", "rubbish", "2024-", false},
		// Universal and empty, C.2.2.2.3 and C.2.2.2.6.
		{"PatientID", "", "*", true},
		{"PatientID", "", "", true},
		{"PatientID", "", `""`, true},
		{"PatientID", "x", `""`, false},
	} {
		d := set(test.attribute, test.stored)
		q, err := query.FromParams(query.Instance, "", "", url.Values{test.attribute: {test.asked}})
		if err != nil {
			t.Errorf("%s=%s: %v", test.attribute, test.asked, err)
			continue
		}
		if got := q.Match(d); got != test.want {
			t.Errorf("%s %q asked for %q: %v", test.attribute, test.stored, test.asked, got)
		}
		if test.stored == "" && q.Match(&dicom.Dataset{}) != test.want {
			t.Errorf("%s absent asked for %q: not as when empty", test.attribute, test.asked)
		}
	}
}

func TestFuzzy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		stored, asked string
		want          bool
	}{
		{"Smith^John", "john", true}, {"Smith^John", "smi joh", true}, {"Smith^John", "joh^smi", true},
		{"Smith^John", "mith", false}, {"García^Ana María", "garcia mar", true}, {"O'Brien^Pat", "brien", true},
		{"Smith^John", "smi*", true}, {"Smith^John", "smith jane", false}, {"", "x", false},
	} {
		q, err := query.FromParams(query.Study, "", "", url.Values{"PatientName": {test.asked}, "fuzzymatching": {"true"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Match(set("PatientName", test.stored)); got != test.want {
			t.Errorf("%q asked for %q: %v", test.stored, test.asked, got)
		}
	}
}

func TestMatchSequences(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{}
	d.SetItems(tag.RequestAttributesSequence,
		set("ScheduledProcedureStepID", "S1", "RequestedProcedureID", "R1"),
		set("ScheduledProcedureStepID", "S2", "RequestedProcedureID", "R2"))
	const step, procedure = "RequestAttributesSequence.ScheduledProcedureStepID", "00400275.00401001"
	for _, test := range []struct {
		params url.Values
		want   bool
	}{
		{url.Values{step: {"S2"}}, true},
		{url.Values{step: {"S3"}}, false},
		{url.Values{step: {"S1"}, procedure: {"R1"}}, true},
		{url.Values{step: {"S1"}, procedure: {"R2"}}, false}, // not in the same item
		{url.Values{"PerformedProtocolCodeSequence.CodeValue": {"1"}}, false},
		{url.Values{"PerformedProtocolCodeSequence.CodeValue": {`""`}}, true},
	} {
		q, err := query.FromParams(query.Series, "", "", test.params)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Match(d); got != test.want {
			t.Errorf("%v: %v", test.params, got)
		}
	}
}

func TestMatchNumbers(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{}
	d.SetInts(tag.Rows, 512)
	d.SetElement(dicom.Element{Tag: tag.New(0x0018, 0x9073), VR: vr.FD, Value: []byte{0, 0, 0, 0, 0, 0, 0xF8, 0x3F}}) // 1.5
	d.SetElement(dicom.Element{Tag: tag.New(0x0011, 0x1001), VR: vr.UN, Value: []byte("private ")})
	d.SetInts(tag.FrameIncrementPointer, int64(tag.FrameTime))
	for params, want := range map[string]bool{
		"Rows=512": true, "Rows=511": false, "Rows=x": false, "Rows=*": true,
		"00189073=1.5": true, "00189073=1.50": true, "00189073=2": false,
		"00111001=private": true, "00111001=priv*": true, "00111001=other": false,
		"FrameIncrementPointer=00181063": true, "FrameIncrementPointer=FrameTime": true, "FrameIncrementPointer=00181065": false,
	} {
		v, err := url.ParseQuery(params)
		if err != nil {
			t.Fatal(err)
		}
		q, err := query.FromParams(query.Instance, "", "", v)
		if err != nil {
			t.Errorf("%s: %v", params, err)
			continue
		}
		if got := q.Match(d); got != want {
			t.Errorf("%s: %v", params, got)
		}
	}
}

func TestFromParams(t *testing.T) {
	t.Parallel()
	v, err := url.ParseQuery("PatientName=M%C3%BCller*&00080050=A1&includefield=StudyDescription,00081060" +
		"&includefield=all&limit=10&offset=20&fuzzymatching=true&ModalitiesInStudy=CT,MR&StudyID=")
	if err != nil {
		t.Fatal(err)
	}
	q, err := query.FromParams(query.Study, "1.2.3", "", v)
	if err != nil {
		t.Fatal(err)
	}
	if q.Limit != 10 || q.Offset != 20 || !q.Fuzzy || !q.ReturnAll || q.Identifier {
		t.Errorf("%+v", q)
	}
	for _, want := range []tag.Tag{tag.StudyDescription, tag.NameOfPhysiciansReadingStudy, tag.StudyID, tag.PatientName} {
		if !slices.Contains(q.Return, want) {
			t.Errorf("%s is not returned", want)
		}
	}
	kinds := map[tag.Tag]query.Kind{tag.PatientName: query.Wildcard, tag.AccessionNumber: query.Single,
		tag.ModalitiesInStudy: query.List, tag.StudyInstanceUID: query.Single}
	if len(q.Keys) != len(kinds) {
		t.Errorf("keys: %+v", q.Keys)
	}
	for _, k := range q.Keys {
		if kind, ok := kinds[k.Path[0]]; !ok || k.Kind != kind {
			t.Errorf("%s: kind %d", k.Path[0], k.Kind)
		}
	}
	if q, err = query.FromParams(query.Study, "", "", url.Values{"Modality": {"CT"}}); err != nil || q.Keys[0].Path[0] != tag.ModalitiesInStudy {
		t.Errorf("Modality of a study: %+v, %v", q, err)
	}
	if q, err = query.FromParams(query.Study, "", "", url.Values{"limit": {"99999999999999999999"}}); err != nil || q.Limit <= 0 {
		t.Errorf("a limit beyond measure: %+v, %v", q, err)
	}
	if q, err = query.FromParams(query.Study, "", "", url.Values{"AccessionNumber": {"A", "B"}}); err != nil || q.Keys[0].Kind != query.List {
		t.Errorf("twice: %+v, %v", q, err)
	}
}

func TestFromParamsRefuses(t *testing.T) {
	t.Parallel()
	for _, params := range []string{
		"limit=-1", "limit=x", "limit=1&limit=2", "offset=-5", "offset=", "limit=1.5", "fuzzymatching=maybe",
		"NoSuchKeyword=1", "0010=1", "0010001G=1", "includefield=Nope", "PatientName.=x", ".=x",
		"StudyDate=yesterday", "StudyDate=2024-01-01", "StudyDate=20241301", "StudyTime=2561",
		"AcquisitionDateTime=20x", "SOPInstanceUID=1.2", "SeriesInstanceUID=1.2", "Rows=1",
		"StudyDate=20240101-&StudyDate=-20240102", "ProcedureCodeSequence=x", "PixelData=1",
		strings.Repeat("ProcedureCodeSequence.", 40) + "CodeValue=1",
	} {
		v, err := url.ParseQuery(params)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := query.FromParams(query.Study, "", "", v); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", params, err)
		} else if strings.Contains(errs.Safe(err), "yesterday") {
			t.Errorf("%s: the message shows the value: %v", params, err)
		}
	}
}

func TestFromIdentifier(t *testing.T) {
	t.Parallel()
	d := set("QueryRetrieveLevel", "SERIES", "PatientName", "", "StudyInstanceUID", "1.2.3", "Modality", "CT",
		"SeriesInstanceUID", "", "SOPInstanceUID", "9.9", "StudyDate", "20240101-20240131")
	d.SetItems(tag.RequestAttributesSequence, set("ScheduledProcedureStepID", "S1", "RequestedProcedureID", ""))
	q, err := query.FromIdentifier(d, false)
	if err != nil {
		t.Fatal(err)
	}
	if q.Level != query.Series || !q.Identifier || len(q.Keys) != 4 {
		t.Fatalf("%+v", q)
	}
	if !slices.Equal(q.Ignored, []tag.Tag{tag.SOPInstanceUID}) {
		t.Errorf("ignored: %v", q.Ignored)
	}
	for _, want := range []tag.Tag{tag.PatientName, tag.SeriesInstanceUID, tag.RequestAttributesSequence, tag.Modality} {
		if !slices.Contains(q.Return, want) {
			t.Errorf("%s is not returned", want)
		}
	}
	if slices.Contains(q.Return, tag.QueryRetrieveLevel) {
		t.Error("QueryRetrieveLevel is no key")
	}
	for _, test := range []struct {
		level       string
		patientRoot bool
		kind        errs.Kind
		ok          bool
	}{
		{"PATIENT", true, 0, true}, {"PATIENT", false, errs.Mismatch, false}, {"STUDY", false, 0, true},
		{"IMAGE", true, 0, true}, {"", true, errs.Mismatch, false}, {"FRAME", true, errs.Mismatch, false},
	} {
		_, err := query.FromIdentifier(set("QueryRetrieveLevel", test.level), test.patientRoot)
		if (err == nil) != test.ok || err != nil && !errs.Is(err, test.kind) {
			t.Errorf("level %q: %v", test.level, err)
		}
	}
	if _, err := query.FromIdentifier(set("QueryRetrieveLevel", "STUDY", "StudyDate", "soon"), false); !errs.Is(err, errs.Invalid) {
		t.Errorf("bad date: %v", err)
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"MÜLLER": "muller", "straße": "strasse", "Ærø": "aero", "ＡＢＣ": "abc", "İstanbul": "istanbul",
		"ガ": "ガ", "한국": "한국", "Ελλάς": "ελλας", "a\x00b": "ab", "bad\xff": "bad\uFFFD", "Đỗ": "do",
	} {
		if got := query.Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
		if once := query.Fold(in); query.Fold(once) != once {
			t.Errorf("Fold(%q) is not stable", in)
		}
	}
}

// TestCanon holds the forms that an index keeps in its columns.
func TestCanon(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		attribute tag.Tag
		in, want  string
	}{
		{tag.StudyDate, "20240215", "20240215"},
		{tag.StudyDate, "2024.02.15", "20240215"},
		{tag.StudyDate, "20240231", "20240231"}, // a month's end to many
		{tag.StudyDate, "2024-02-15", ""},
		{tag.StudyDate, "20241301", ""},
		{tag.StudyDate, "2024", ""},
		{tag.StudyTime, "08", "080000000000"},
		{tag.StudyTime, "08:30", "083000000000"},
		{tag.StudyTime, "083015.5", "083015500000"},
		{tag.StudyTime, "083015.123456", "083015123456"},
		{tag.StudyTime, "235960", "235960000000"},
		{tag.StudyTime, "0860", ""},
		{tag.StudyTime, "083015.", ""},
		{tag.PatientName, "Müller ^ Hans^^", "muller^hans"},
		{tag.PatientName, "Yamada^Tarou=山田^太郎=", "yamada^tarou=山田^太郎"},
		{tag.PatientID, "A\x001", "A1"},
		{tag.StudyDescription, "Schädel", "schadel"},
	} {
		if got := query.Canon(test.attribute, test.attribute.VR(), test.in); got != test.want {
			t.Errorf("%s %q: %q, want %q", test.attribute, test.in, got, test.want)
		}
	}
}

func TestLevelOf(t *testing.T) {
	t.Parallel()
	for tg, want := range map[tag.Tag]query.Level{tag.PatientName: query.Patient, tag.StudyDate: query.Study,
		tag.Modality: query.Series, tag.Rows: query.Instance, tag.New(0x0011, 0x1001): query.Instance} {
		if got := query.LevelOf(tg); got != want {
			t.Errorf("%s: %s", tg, got)
		}
	}
}
