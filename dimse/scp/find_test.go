package scp_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// people are five studies of four patients, with what the tests ask for.
var people = []struct{ id, name, charset, date, time, modality, accession, study string }{
	{"1001", "SMITH^JOHN", "", "20240115", "081500", "CT", "A1", "1.1"},
	{"1001", "SMITH^JOHN", "", "20240320", "120000", "MR", "A2", "1.2"},
	{"1002", "Smithers^Anna", "", "20250101", "235959", "CT", "", "1.3"},
	{"1003", "Müller^Jürgen", "ISO_IR 100", "20231231", "000000", "US", "A4", "1.4"},
	{"1004", "Yamada^Tarou=山田^太郎=やまだ^たろう", `\ISO 2022 IR 87`, "19990909", "101010", "CT", "A5", "1.5"},
}

func servePeople(t *testing.T) string {
	t.Helper()
	addr, _ := serve(t, scp.Config{}, nil)
	client := associate(t, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage)})
	for _, p := range people {
		for i := range 2 {
			in := synthetic(t, p.study, p.study+".1", fmt.Sprintf("%s.1.%d", p.study, i+1), func(d *dicom.Dataset) {
				if p.charset != "" {
					d.SetText(tag.SpecificCharacterSet, strings.Split(p.charset, `\`)...)
				}
				d.SetText(tag.PatientID, p.id)
				d.SetText(tag.PatientName, p.name)
				d.SetText(tag.StudyDate, p.date)
				d.SetText(tag.StudyTime, p.time)
				d.SetText(tag.Modality, p.modality)
				d.SetText(tag.AccessionNumber, p.accession)
				d.SetInts(tag.InstanceNumber, int64(i+1))
			})
			if status := store(t, client, in); status != dimse.StatusSuccess {
				t.Fatal(status)
			}
		}
	}
	return addr
}

// ask queries and returns the values of one attribute in order.
func ask(t testing.TB, client *scu.Client, model string, request *dicom.Dataset, want tag.Tag) ([]string, error) {
	t.Helper()
	if !request.Has(want) {
		request.SetElement(dicom.Element{Tag: want, VR: want.VR()})
	}
	var got []string
	for match, err := range client.Find(t.Context(), model, request) {
		if err != nil {
			return nil, err
		}
		got = append(got, match.Text(want))
	}
	slices.Sort(got)
	return got, nil
}

func TestFind(t *testing.T) {
	t.Parallel()
	addr := servePeople(t)
	type keys = map[tag.Tag][]string
	for _, c := range []struct {
		name, model, level string
		keys               keys
		answer             tag.Tag
		want               string
	}{
		{"all studies", scu.StudyRootFind, "STUDY", nil, tag.StudyInstanceUID, "1.1 1.2 1.3 1.4 1.5"},
		{"all patients", scu.PatientRootFind, "PATIENT", nil, tag.PatientID, "1001 1002 1003 1004"},
		{"patient's studies", scu.PatientRootFind, "STUDY", keys{tag.PatientID: {"1001"}}, tag.StudyInstanceUID, "1.1 1.2"},
		{"name, wildcard, any case", scu.StudyRootFind, "STUDY", keys{tag.PatientName: {"smith*"}}, tag.StudyInstanceUID, "1.1 1.2 1.3"},
		{"name, one character", scu.StudyRootFind, "STUDY", keys{tag.PatientName: {"SM?TH^JOHN"}}, tag.StudyInstanceUID, "1.1 1.2"},
		{"ID, exact", scu.StudyRootFind, "STUDY", keys{tag.PatientID: {"100"}}, tag.StudyInstanceUID, ""},
		{"date", scu.StudyRootFind, "STUDY", keys{tag.StudyDate: {"20240115"}}, tag.StudyInstanceUID, "1.1"},
		{"dates", scu.StudyRootFind, "STUDY", keys{tag.StudyDate: {"20240101-20241231"}}, tag.StudyInstanceUID, "1.1 1.2"},
		{"dates until", scu.StudyRootFind, "STUDY", keys{tag.StudyDate: {"-20231231"}}, tag.StudyInstanceUID, "1.4 1.5"},
		{"dates from", scu.StudyRootFind, "STUDY", keys{tag.StudyDate: {"20250101-"}}, tag.StudyInstanceUID, "1.3"},
		{"UID list", scu.StudyRootFind, "STUDY", keys{tag.StudyInstanceUID: {"1.1", "1.4", "9.9"}}, tag.StudyInstanceUID, "1.1 1.4"},
		{"modalities in study", scu.StudyRootFind, "STUDY", keys{tag.ModalitiesInStudy: {"CT"}}, tag.StudyInstanceUID, "1.1 1.3 1.5"},
		{"number of instances", scu.StudyRootFind, "STUDY", keys{tag.StudyInstanceUID: {"1.1"}}, tag.NumberOfStudyRelatedInstances, "2"},
		{"series", scu.StudyRootFind, "SERIES", keys{tag.StudyInstanceUID: {"1.1"}}, tag.SeriesInstanceUID, "1.1.1"},
		{"images", scu.StudyRootFind, "IMAGE", keys{tag.StudyInstanceUID: {"1.1"}, tag.SeriesInstanceUID: {"1.1.1"}}, tag.SOPInstanceUID, "1.1.1.1 1.1.1.2"},
		{"image by number", scu.StudyRootFind, "IMAGE", keys{tag.StudyInstanceUID: {"1.1"}, tag.SeriesInstanceUID: {"1.1.1"}, tag.InstanceNumber: {"2"}}, tag.SOPInstanceUID, "1.1.1.2"},
		{"retrieve from", scu.StudyRootFind, "STUDY", keys{tag.StudyInstanceUID: {"1.1"}}, tag.RetrieveAETitle, "ANY-SCP"},
		{"umlaut in UTF-8", scu.StudyRootFind, "STUDY", keys{tag.PatientName: {"Müll*"}}, tag.PatientName, "Müller^Jürgen"},
		{"ideographs in UTF-8", scu.StudyRootFind, "STUDY", keys{tag.PatientName: {"*山田*"}}, tag.PatientName, "Yamada^Tarou=山田^太郎=やまだ^たろう"},
		{"no match", scu.StudyRootFind, "STUDY", keys{tag.PatientID: {"NOBODY"}}, tag.StudyInstanceUID, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, ts := range []dicom.TransferSyntax{dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian, dicom.ExplicitVRBigEndian} {
				client := associate(t, addr, scu.Config{Contexts: propose(ts.UID, c.model)})
				got, err := ask(t, client, c.model, wanted(c.level, c.keys), c.answer)
				if err != nil || strings.Join(got, " ") != c.want {
					t.Errorf("%v: %v, %v; want %s", ts, got, err, c.want)
				}
			}
		})
	}
}

// TestFindInTheCharacterSetOfTheRequester has a workstation that speaks ISO 2022 only.
func TestFindInTheCharacterSetOfTheRequester(t *testing.T) {
	t.Parallel()
	addr := servePeople(t)
	for _, c := range []struct{ charset, name, want, answer string }{
		{`\ISO 2022 IR 87`, "*山田*", "Yamada^Tarou=山田^太郎=やまだ^たろう", `\ISO 2022 IR 87`},
		{"ISO_IR 100", "Müller*", "Müller^Jürgen", "ISO_IR 100"},
		{"ISO_IR 100", "Yamada*", "Yamada^Tarou=山田^太郎=やまだ^たろう", "ISO_IR 192"},
		{"ISO_IR 100", "SMITH^*", "SMITH^JOHN", ""},
	} {
		request := &dicom.Dataset{}
		request.SetText(tag.SpecificCharacterSet, strings.Split(c.charset, `\`)...)
		request.SetText(tag.QueryRetrieveLevel, "STUDY")
		request.SetText(tag.PatientName, c.name)
		client := associate(t, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, scu.StudyRootFind)})
		found := false
		for match, err := range client.Find(t.Context(), scu.StudyRootFind, request) {
			if err != nil {
				t.Fatal(err)
			}
			found = true
			answer := ""
			if match.Has(tag.SpecificCharacterSet) {
				answer = strings.Join(match.Texts(tag.SpecificCharacterSet), `\`)
			}
			if name := match.Text(tag.PatientName); name != c.want || answer != c.answer {
				t.Errorf("%s in %s: %q in %q, want %q in %q", c.name, c.charset, name, answer, c.want, c.answer)
			}
		}
		if !found {
			t.Errorf("%s in %s: no match", c.name, c.charset)
		}
	}
}

// TestFindCorpusNames stores an object of every character set and asks for its patient by name.
func TestFindCorpusNames(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(testkit.Shared(t), "data", "charsets", "*.dcm"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files: %v", err)
	}
	addr, _ := serve(t, scp.Config{}, nil)
	for _, path := range paths {
		in := fixture(t, path)
		if in.SOPClassUID == "" {
			continue
		}
		client := associate(t, addr, scu.Config{Contexts: append(propose(in.TransferSyntax, in.SOPClassUID),
			propose(dicom.ExplicitVRLittleEndian.UID, scu.StudyRootFind)...)})
		if status := store(t, client, in); status == dimse.StatusDuplicateSOPInstance {
			continue
		} else if status != dimse.StatusSuccess {
			t.Errorf("%s: %v", filepath.Base(path), status)
			continue
		}
		ts, _ := dicom.LookupTransferSyntax(in.TransferSyntax)
		d, err := dicom.ParseDataset(in.data, ts)
		if err != nil {
			t.Fatal(err)
		}
		name := d.Text(tag.PatientName)
		request := wanted("STUDY", map[tag.Tag][]string{tag.StudyInstanceUID: {d.UID(tag.StudyInstanceUID)}})
		request.SetText(tag.PatientName, strings.NewReplacer("?", "*", "*", "?").Replace(name))
		got, err := ask(t, client, scu.StudyRootFind, request, tag.PatientName)
		if err != nil || len(got) != 1 || got[0] != name {
			t.Errorf("%s: asked for %q, got %q, %v", filepath.Base(path), name, got, err)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	for _, c := range []struct {
		name, model, level string
		want               dimse.Status
	}{
		{"no level", scu.StudyRootFind, "", dimse.StatusDataSetMismatch},
		{"unknown level", scu.StudyRootFind, "FRAME", dimse.StatusDataSetMismatch},
		{"patients in Study Root", scu.StudyRootFind, "PATIENT", dimse.StatusDataSetMismatch},
	} {
		client := associate(t, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, c.model)})
		_, err := ask(t, client, c.model, wanted(c.level, nil), tag.StudyInstanceUID)
		if got := statusError(err); got != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
