package dicomjson_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/dicomjson"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

func text(t tag.Tag, v vr.VR, value string) dicom.Element {
	return dicom.Element{Tag: t, VR: v, Value: []byte(value)}
}

func set(elements ...dicom.Element) *dicom.Dataset { return &dicom.Dataset{Elements: elements} }

// TestAppendElement has one line for every rule of PS3.18 F.2.
func TestAppendElement(t *testing.T) {
	t.Parallel()
	le := binary.LittleEndian
	nan := le.AppendUint32(nil, math.Float32bits(float32(math.NaN())))
	floats := le.AppendUint64(le.AppendUint64(le.AppendUint64(nil, math.Float64bits(0.1)), math.Float64bits(-1e22)), math.Float64bits(math.Inf(-1)))
	for _, c := range []struct {
		name string
		e    dicom.Element
		want string
	}{
		{"text", text(tag.StudyDescription, vr.LO, "Head \"CT\"\t "), `{"vr":"LO","Value":["Head \"CT\"\t"]}`},
		{"several values, one empty", text(tag.ImageType, vr.CS, `ORIGINAL\\AXIAL `), `{"vr":"CS","Value":["ORIGINAL",null,"AXIAL"]}`},
		{"empty", text(tag.PatientID, vr.LO, ""), `{"vr":"LO"}`},
		{"only padding", text(tag.PatientID, vr.LO, "  "), `{"vr":"LO"}`},
		{"UID", text(tag.SOPInstanceUID, vr.UI, "1.2.3\x00"), `{"vr":"UI","Value":["1.2.3"]}`},
		{"backslash in text", text(tag.ImageComments, vr.LT, ` a\b `), `{"vr":"LT","Value":[" a\\b"]}`},
		{"control character", text(tag.ImageComments, vr.LT, "a\x1f"), `{"vr":"LT","Value":["a\u001f"]}`},
		{"name", text(tag.PatientName, vr.PN, `Doe^John\A=B=C `), `{"vr":"PN","Value":[{"Alphabetic":"Doe^John"},{"Alphabetic":"A","Ideographic":"B","Phonetic":"C"}]}`},
		{"name without alphabetic group", text(tag.PatientName, vr.PN, "=B"), `{"vr":"PN","Value":[{"Ideographic":"B"}]}`},
		{"decimal", text(tag.PixelSpacing, vr.DS, `+0.50\ .5\5.\-007\1E+3\1.e2 `), `{"vr":"DS","Value":[0.50,0.5,5,-7,1e+3,1e2]}`},
		{"no decimal", text(tag.PixelSpacing, vr.DS, `nan\1e999\0x1\1,5\-`), `{"vr":"DS","Value":["nan","1e999","0x1","1,5","-"]}`},
		{"integer", text(tag.InstanceNumber, vr.IS, `+01\2.0\-0\1.5\1O\9999999999999999`), `{"vr":"IS","Value":[1,2,-0,"1.5","1O","9999999999999999"]}`},
		{"unsigned", dicom.Element{Tag: tag.Rows, VR: vr.US, Value: []byte{0, 2, 0xFF, 0xFF, 1}}, `{"vr":"US","Value":[512,65535]}`},
		{"signed", dicom.Element{Tag: tag.SmallestImagePixelValue, VR: vr.SS, Value: []byte{0xFF, 0xFF}}, `{"vr":"SS","Value":[-1]}`},
		{"64 bits", dicom.Element{Tag: tag.FrameOriginTimestamp, VR: vr.UV, Value: le.AppendUint64(le.AppendUint64(nil, 1<<53), 1<<53+1)}, `{"vr":"UV","Value":[9007199254740992,"9007199254740993"]}`},
		{"float", dicom.Element{Tag: tag.RecommendedDisplayFrameRateInFloat, VR: vr.FL, Value: append(nan, 0xCD, 0xCC, 0xCC, 0x3D)}, `{"vr":"FL","Value":["NaN",0.1]}`},
		{"double", dicom.Element{Tag: tag.EventTimeOffset, VR: vr.FD, Value: floats}, `{"vr":"FD","Value":[0.1,-1e+22,"-Infinity"]}`},
		{"tag", dicom.Element{Tag: tag.FrameIncrementPointer, VR: vr.AT, Value: []byte{0x18, 0, 0x63, 0x10}}, `{"vr":"AT","Value":["00181063"]}`},
		{"binary", dicom.Element{Tag: tag.ICCProfile, VR: vr.OB, Value: []byte{1, 2}}, `{"vr":"OB","InlineBinary":"AQI="}`},
		{"unknown VR", dicom.Element{Tag: 0x00091001, VR: 0x2A2A, Value: []byte{1, 2}}, `{"vr":"UN","InlineBinary":"AQI="}`},
		{"unknown VR of a known attribute", text(tag.PatientID, 0x2A2A, "id "), `{"vr":"LO","Value":["id"]}`},
		{"UN of a known attribute", dicom.Element{Tag: tag.Rows, VR: vr.UN, Value: []byte{1, 2}}, `{"vr":"US","Value":[513]}`},
		{"UN of an attribute with a choice", dicom.Element{Tag: tag.PixelPaddingValue, VR: vr.UN, Value: []byte{1, 2}}, `{"vr":"UN","InlineBinary":"AQI="}`},
		{"sequence as UN with its bytes", dicom.Element{Tag: tag.ReferencedImageSequence, VR: vr.UN, Value: []byte{1, 2}}, `{"vr":"UN","InlineBinary":"AQI="}`},
		{"sequence", dicom.Element{Tag: tag.ReferencedImageSequence, VR: vr.SQ, Items: []*dicom.Dataset{set(), set(text(tag.PatientID, vr.LO, "1"))}}, `{"vr":"SQ","Value":[{},{"00100020":{"vr":"LO","Value":["1"]}}]}`},
		{"empty sequence", dicom.Element{Tag: tag.ReferencedImageSequence, VR: vr.SQ}, `{"vr":"SQ"}`},
		{"sequence as UN", dicom.Element{Tag: 0x00091001, VR: vr.UN, Items: []*dicom.Dataset{set()}}, `{"vr":"SQ","Value":[{}]}`},
		{"bulk without URI", dicom.Element{Tag: tag.PixelData, VR: vr.OW, Bulk: &dicom.Bulk{Length: 9}}, `{"vr":"OW"}`},
	} {
		got := dicomjson.AppendElement([]byte("x"), set(c.e), &c.e, dicomjson.Options{})
		if string(got) != "x"+c.want {
			t.Errorf("%s:\n got %s\nwant x%s", c.name, got, c.want)
		}
		if !json.Valid(got[1:]) {
			t.Errorf("%s: not JSON: %s", c.name, got)
		}
	}
}

func TestAppendLeavesOutWhatIsNoAttribute(t *testing.T) {
	t.Parallel()
	d := set(
		text(tag.PatientID, vr.LO, "first"),
		dicom.Element{Tag: tag.FileMetaInformationGroupLength, VR: vr.UL, Value: []byte{1, 0, 0, 0}},
		text(tag.TransferSyntaxUID, vr.UI, "1.2"),
		dicom.Element{Tag: 0x00080000, VR: vr.UL, Value: []byte{1, 0, 0, 0}},
		text(tag.StudyDate, vr.DA, "20240101"),
		text(tag.PatientID, vr.LO, "second"),
	)
	got := string(dicomjson.Append(nil, d, dicomjson.Options{}))
	want := `{"00080020":{"vr":"DA","Value":["20240101"]},"00100020":{"vr":"LO","Value":["first"]}}`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestAppendDecodesByTheNearestCharacterSet(t *testing.T) {
	t.Parallel()
	item := set(text(tag.SpecificCharacterSet, vr.CS, "ISO_IR 144"), text(tag.CodeMeaning, vr.LO, "\xBB\xEE"))
	heir := set(text(tag.CodeMeaning, vr.LO, "\xE9"))
	d := set(
		text(tag.SpecificCharacterSet, vr.CS, "ISO_IR 100"),
		text(tag.StudyDescription, vr.LO, "\xE9"),
		dicom.Element{Tag: tag.ProcedureCodeSequence, VR: vr.SQ, Items: []*dicom.Dataset{item, heir}},
		text(tag.PatientName, vr.PN, "\xC4\x00"),
		text(tag.PatientID, vr.LO, "a\xFF\\"),
	)
	got := string(dicomjson.Append(nil, d, dicomjson.Options{UTF8: true}))
	want := `{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"00081030":{"vr":"LO","Value":["é"]},` +
		`"00081032":{"vr":"SQ","Value":[{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"00080104":{"vr":"LO","Value":["Лю"]}},` +
		`{"00080104":{"vr":"LO","Value":["é"]}}]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"Ä"}]},"00100020":{"vr":"LO","Value":["aÿ",null]}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := string(dicomjson.Append(nil, d, dicomjson.Options{})); !strings.HasPrefix(got, `{"00080005":{"vr":"CS","Value":["ISO_IR 100"]}`) {
		t.Errorf("the source's character set is not kept: %s", got)
	}
}

func TestAppendBulk(t *testing.T) {
	t.Parallel()
	waveform := set(dicom.Element{Tag: tag.WaveformData, VR: vr.OW, Bulk: &dicom.Bulk{Offset: 5, Length: 500}})
	d := set(
		dicom.Element{Tag: 0x00091001, VR: vr.OB, Value: make([]byte, 4)},
		dicom.Element{Tag: tag.ICCProfile, VR: vr.OB, Value: make([]byte, 6)},
		dicom.Element{Tag: tag.WaveformSequence, VR: vr.SQ, Items: []*dicom.Dataset{set(), waveform}},
		dicom.Element{Tag: tag.PixelData, VR: vr.OB, Fragments: [][]byte{{}, {1}}},
	)
	got := string(dicomjson.Append(nil, d, dicomjson.Options{InlineBinary: 4, BulkURI: func(path string, e *dicom.Element) string {
		if e.Tag == tag.ICCProfile {
			return ""
		}
		return "bulk/" + path
	}}))
	want := `{"00091001":{"vr":"OB","InlineBinary":"AAAAAA=="},"00282000":{"vr":"OB","InlineBinary":"AAAAAAAA"},` +
		`"54000100":{"vr":"SQ","Value":[{},{"54001010":{"vr":"OW","BulkDataURI":"bulk/54000100/1/54001010"}}]},` +
		`"7FE00010":{"vr":"OB","BulkDataURI":"bulk/7FE00010"}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	in := `{
	 "00080005": {"vr":"CS","Value":["ISO_IR 100"]},
	 "00080020": {"Value":["20240101"],"vr":"DA"},
	 "00081030": {"vr":"LO","Value":["\u00e9\ud83d\ude00"]},
	 "00081110": {"vr":"SQ","Value":[{},{"00081150":{"vr":"UI","Value":["1.2.3"]},"7FE00010":{"vr":"OW","BulkDataURI":"b"}}]},
	 "00100010": {"vr":"PN","Value":[{"Alphabetic":"A^B","Phonetic":"C"}]},
	 "00180050": {"vr":"DS","Value":[0.1234567890123456789,"5."]},
	 "00200013": {"vr":"IS","Value":[1e2]},
	 "00280010": {"vr":"US","Value":[512]},
	 "00280030": {"vr":"DS"},
	 "00282000": {"vr":"OB","InlineBinary":"AQID"},
	 "00181063": {"Value":[33.5]},
	 "00080018": null
	}`
	if _, err := dicomjson.Unmarshal([]byte(in)); !errs.Is(err, errs.Invalid) {
		t.Fatalf("an attribute that is null: %v", err)
	}
	in = strings.Replace(in, `"00080018": null`, `"00080018": {"vr":"UI","Value":[null]}`, 1)
	got, err := dicomjson.Unmarshal([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[tag.Tag]string{
		tag.SpecificCharacterSet: "ISO_IR 192", // ISO_IR 100 has no emoji
		tag.SOPInstanceUID:       "",
		tag.StudyDate:            "20240101",
		tag.StudyDescription:     "é😀",
		tag.PatientName:          "A^B==C",
		tag.SliceThickness:       `0.12345678901235\5.`,
		tag.InstanceNumber:       "100 ",
		tag.Rows:                 "\x00\x02",
		tag.ICCProfile:           "\x01\x02\x03\x00",
		tag.FrameTime:            "33.5",
	} {
		e := got.Dataset.Get(path)
		if e == nil || strings.TrimRight(string(e.Value), " ") != strings.TrimRight(want, " ") || len(e.Value)%2 != 0 {
			t.Errorf("%s: %+v, want %q", path, e, want)
		}
	}
	items := got.Dataset.Get(tag.ReferencedStudySequence).Items
	if len(items) != 2 || items[1].Parent() != got.Dataset {
		t.Errorf("items: %v", items)
	}
	if len(got.BulkData) != 1 || got.BulkData[0] != (dicomjson.BulkData{Path: "00081110/1/7FE00010", URI: "b"}) {
		t.Errorf("bulk data: %v", got.BulkData)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	t.Parallel()
	nested := strings.Repeat(`{"00081110":{"vr":"SQ","Value":[`, 200) + strings.Repeat(`]}}`, 200)
	late := strings.Repeat(`{"00081110":{"Value":[`, 100) + strings.Repeat(`],"vr":"SQ"}}`, 100)
	for name, c := range map[string]struct {
		in   string
		kind errs.Kind
	}{
		"not JSON":          {`{`, errs.Invalid},
		"no data set":       {`5`, errs.Invalid},
		"two data sets":     {`[{},{}]`, errs.Invalid},
		"keyword":           {`{"PatientID":{"vr":"LO"}}`, errs.Invalid},
		"unknown vr":        {`{"00100020":{"vr":"ZZ"}}`, errs.Invalid},
		"twice":             {`{"00100020":{"vr":"LO"},"00100020":{"vr":"LO"}}`, errs.Invalid},
		"value no array":    {`{"00100020":{"vr":"LO","Value":"x"}}`, errs.Invalid},
		"base64":            {`{"00282000":{"vr":"OB","InlineBinary":"*"}}`, errs.Invalid},
		"out of range":      {`{"00280010":{"vr":"US","Value":[65536]}}`, errs.Invalid},
		"fraction":          {`{"00200013":{"vr":"IS","Value":[1.5]}}`, errs.Invalid},
		"object for text":   {`{"00100020":{"vr":"LO","Value":[{}]}}`, errs.Invalid},
		"value for binary":  {`{"00282000":{"vr":"OB","Value":[1]}}`, errs.Invalid},
		"nested too deeply": {nested, errs.Exhausted},
		"vr last, nested":   {late, errs.Exhausted},
	} {
		if _, err := dicomjson.Unmarshal([]byte(c.in)); !errs.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
}

// FuzzUnmarshal: what was read is written, and read again to the same.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"00080005":{"vr":"CS","Value":["ISO_IR 100"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"\u00c4^B"},null]}}`))
	f.Add([]byte(`[{"00081110":{"vr":"SQ","Value":[{"00081150":{"vr":"UI","Value":["1.2"]}},{}]},"00180050":{"vr":"DS","Value":[1.5e3,"x"]}}]`))
	f.Add([]byte(`{"00282000":{"vr":"OB","InlineBinary":"AQI="},"7FE00010":{"vr":"OW","BulkDataURI":"x"},"00280010":{"vr":"US","Value":[1]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := dicomjson.UnmarshalAll(b)
		if err != nil {
			return
		}
		for _, object := range all {
			once := dicomjson.Append(nil, object.Dataset, dicomjson.Options{})
			if !json.Valid(once) {
				t.Fatalf("not JSON: %s", once)
			}
			again, err := dicomjson.Unmarshal(once)
			if err != nil {
				t.Fatalf("%s: %v", once, err)
			}
			if twice := dicomjson.Append(nil, again.Dataset, dicomjson.Options{}); string(twice) != string(once) {
				t.Fatalf("not the same:\n%s\n%s", once, twice)
			}
		}
	})
}

// FuzzAppend: whatever a data set holds, the JSON is valid and is read back.
func FuzzAppend(f *testing.F) {
	ts, _ := dicom.LookupTransferSyntax(uid.ExplicitVRLittleEndian)
	for _, e := range []dicom.Element{
		text(tag.SpecificCharacterSet, vr.CS, "ISO 2022 IR 13\\ISO 2022 IR 87"), text(tag.PatientName, vr.PN, "\xD4\xCF=\x1B$B;3\x1B(J"),
		text(tag.PixelSpacing, vr.DS, "1.5\\nan "), {Tag: tag.ReferencedImageSequence, VR: vr.SQ, Items: []*dicom.Dataset{set()}},
	} {
		b, err := dicom.AppendDataset(nil, set(e), ts)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := dicom.ParseDataset(b, ts)
		if err != nil {
			return
		}
		js := dicomjson.Append(nil, d, dicomjson.Options{})
		if !json.Valid(js) || !utf8.Valid(js) {
			t.Fatalf("not JSON: %q", js)
		}
		if _, err := dicomjson.Unmarshal(js); err != nil {
			t.Fatalf("%q: %v", js, err)
		}
	})
}
