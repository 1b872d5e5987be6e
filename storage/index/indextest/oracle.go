package indextest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

func (f *fixture) params(l query.Level, pairs ...string) *query.Query {
	f.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	q, err := query.FromParams(l, "", "", v)
	if err != nil {
		f.t.Fatalf("%v: %v", v, err)
	}
	return q
}

// oracle is the list an index is compared with: for each level one data set per entity, with
// every attribute of its first instance and the sets and counts computed.
type oracle [4][]*dicom.Dataset

func newOracle(ins []index.Instance) oracle {
	var o oracle
	type sets struct {
		modalities, classes []string
		series, instances   map[string]bool
	}
	of := make(map[string]*sets)
	for _, in := range ins {
		s := of[in.StudyInstanceUID]
		if s == nil {
			s = &sets{series: map[string]bool{}, instances: map[string]bool{}}
			of[in.StudyInstanceUID] = s
		}
		s.series[in.SeriesInstanceUID], s.instances[in.SOPInstanceUID] = true, true
		if m := in.Dataset.Text(tag.Modality); !slices.Contains(s.modalities, m) {
			s.modalities = append(s.modalities, m)
		}
		if !slices.Contains(s.classes, in.SOPClassUID) {
			s.classes = append(s.classes, in.SOPClassUID)
		}
	}
	seen := make(map[string]bool)
	for _, in := range ins {
		s := of[in.StudyInstanceUID]
		d := in.Dataset.Clone()
		d.SetText(tag.ModalitiesInStudy, s.modalities...)
		d.SetUID(tag.SOPClassesInStudy, s.classes...)
		d.SetText(tag.NumberOfStudyRelatedSeries, fmt.Sprint(len(s.series)))
		d.SetText(tag.NumberOfStudyRelatedInstances, fmt.Sprint(len(s.instances)))
		for l, uid := range map[query.Level]string{query.Study: in.StudyInstanceUID, query.Series: in.SeriesInstanceUID, query.Instance: in.SOPInstanceUID} {
			if !seen[uid] {
				seen[uid] = true
				o[l] = append(o[l], d)
			}
		}
	}
	return o
}

// asker makes random questions from what is there.
type asker struct {
	r *rand.Rand
	o oracle
}

var asked = [...]struct {
	level query.Level
	name  string
}{
	{query.Study, "PatientName"}, {query.Study, "PatientName"}, {query.Study, "PatientID"},
	{query.Study, "IssuerOfPatientID"}, {query.Study, "PatientBirthDate"}, {query.Study, "PatientSex"},
	{query.Study, "StudyDate"}, {query.Study, "StudyDate"}, {query.Study, "StudyTime"},
	{query.Study, "AccessionNumber"}, {query.Study, "StudyID"}, {query.Study, "StudyDescription"},
	{query.Study, "StudyInstanceUID"}, {query.Study, "ModalitiesInStudy"}, {query.Study, "ReferringPhysicianName"},
	{query.Study, "NumberOfStudyRelatedInstances"}, {query.Study, "SOPClassesInStudy"},
	{query.Series, "Modality"}, {query.Series, "SeriesNumber"}, {query.Series, "SeriesDescription"},
	{query.Series, "BodyPartExamined"}, {query.Series, "SeriesInstanceUID"}, {query.Series, "SoftwareVersions"},
	{query.Series, "RequestAttributesSequence.ScheduledProcedureStepID"},
	{query.Series, "RequestAttributesSequence.RequestedProcedureID"},
	{query.Instance, "SOPInstanceUID"}, {query.Instance, "SOPClassUID"}, {query.Instance, "InstanceNumber"},
	{query.Instance, "ContentTime"}, {query.Instance, "ImageType"}, {query.Instance, "Rows"},
	{query.Instance, "SliceThickness"}, {query.Instance, "KVP"},
}

func (a *asker) question(l query.Level) url.Values {
	v := url.Values{}
	for range 1 + a.r.IntN(3) {
		k := asked[a.r.IntN(len(asked))]
		if k.level > l {
			continue
		}
		d := pick(a.r, a.o[l])
		at := d
		path := strings.Split(k.name, ".")
		t, _ := tag.ByKeyword(path[0])
		if len(path) > 1 {
			at = d.Items(t)[0]
			t, _ = tag.ByKeyword(path[1])
		}
		value := strings.Join(at.Texts(t), `\`)
		if n, ok := at.Int(t); ok && value == "" {
			value = fmt.Sprint(n)
		}
		v[k.name] = []string{a.vary(t.VR().String(), value)}
	}
	if a.r.IntN(4) == 0 {
		v["fuzzymatching"] = []string{"true"}
	}
	return v
}

// vary makes of a stored value what people ask for.
func (a *asker) vary(v, value string) string {
	runes := []rune(value)
	switch v {
	case "DA", "TM":
		switch a.r.IntN(4) {
		case 0:
			return value + "-"
		case 1:
			return "-" + value
		case 2:
			return value + "-" + value
		}
		return value
	case "UI", "IS", "US", "DS":
		if a.r.IntN(3) == 0 && v == "UI" {
			return value + `\1.2.3.4`
		}
		return value
	}
	if len(runes) == 0 {
		return pick(a.r, []string{`""`, "*", "x*"})
	}
	i, j := a.r.IntN(len(runes)), a.r.IntN(len(runes))
	if i > j {
		i, j = j, i
	}
	switch a.r.IntN(9) {
	case 0:
		return string(runes[:i]) + "*"
	case 1:
		return "*" + string(runes[i:])
	case 2:
		return "*" + string(runes[i:j]) + "*"
	case 3:
		return string(runes[:i]) + "?" + string(runes[i+1:])
	case 4:
		return strings.ToLower(value)
	case 5:
		return strings.ToUpper(value)
	case 6:
		return string(runes[:i+1])
	case 7:
		return value + `\` + "nothing"
	}
	return value
}

func testOracle(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(1, Shape{Series: 3, Instances: 2})
	f.add(take(g, 600)...)
	o := newOracle(f.all)
	a := &asker{r: rand.New(rand.NewPCG(2, 3)), o: o}
	matched := 0
	for n := range 600 {
		l := []query.Level{query.Study, query.Study, query.Series, query.Instance}[n%4]
		v := a.question(l)
		q, err := query.FromParams(l, "", "", v)
		if err != nil { // an odd stored value made an odd question
			continue
		}
		var want []string
		m := q.Compile()
		for _, d := range o[l] {
			if m.Match(d) {
				want = append(want, d.UID(uniqueKey[l]))
			}
		}
		got := uids(f.find(q), l)
		matched += len(got)
		sorted := slices.Clone(got)
		slices.Sort(sorted)
		slices.Sort(want)
		if !slices.Equal(sorted, want) {
			t.Fatalf("%s %v: found %d, want %d\n%v\n%v", l, v, len(got), len(want), sorted, want)
		}
		if c, err := f.Count(context.Background(), tenant, q); err != nil || int(c) != len(want) {
			t.Fatalf("%s %v: count %d, want %d, %v", l, v, c, len(want), err)
		}
		if len(got) > 2 { // any page is the same part of the whole
			q.Offset, q.Limit = a.r.IntN(len(got)), 1+a.r.IntN(len(got))
			page := uids(f.find(q), l)
			if want := got[q.Offset:min(len(got), q.Offset+q.Limit)]; !slices.Equal(page, want) {
				t.Fatalf("%s %v offset %d limit %d: %v, want %v", l, v, q.Offset, q.Limit, page, want)
			}
		}
	}
	if matched < 600 {
		t.Errorf("the questions matched %d times only: they test little", matched)
	}
}

// testIdentifier asks by C-FIND Identifier for what QIDO asks.
func testIdentifier(t *testing.T, open Open) {
	f := newFixture(t, open)
	f.add(take(New(31, Shape{Series: 2, Instances: 2}), 40)...)
	d := &dicom.Dataset{}
	d.SetText(tag.QueryRetrieveLevel, "STUDY")
	d.SetText(tag.PatientName, "*")
	d.SetText(tag.Modality, f.all[0].Dataset.Text(tag.Modality))
	d.SetUID(tag.StudyInstanceUID, f.all[0].StudyInstanceUID, f.all[8].StudyInstanceUID)
	q, err := query.FromIdentifier(d, false)
	if err != nil {
		t.Fatal(err)
	}
	found := uids(f.find(q), query.Study)
	if !slices.Contains(found, f.all[0].StudyInstanceUID) || len(found) > 2 {
		t.Errorf("found %v", found)
	}
}

func testPages(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(32, Shape{Series: 2, Instances: 3})
	f.add(take(g, 1800)...)
	for _, l := range []query.Level{query.Study, query.Series, query.Instance} {
		whole := uids(f.find(&query.Query{Level: l}), l)
		equal(t, l.String(), len(whole), map[query.Level]int{query.Study: 300, query.Series: 600, query.Instance: 1800}[l])
		unique := slices.Clone(whole)
		slices.Sort(unique)
		equal(t, "different", len(slices.Compact(unique)), len(whole))
		for round := range 2 { // the second time pages are remembered
			for offset := 0; offset < len(whole)+7; offset += 7 {
				q := &query.Query{Level: l, Offset: offset, Limit: 7}
				got := uids(f.find(q), l)
				if want := whole[min(offset, len(whole)):min(offset+7, len(whole))]; !slices.Equal(got, want) {
					t.Fatalf("%s round %d offset %d: %v, want %v", l, round, offset, got, want)
				}
			}
		}
		// Something new: what was remembered no longer holds.
		f.add(g.Next(), g.Next(), g.Next(), g.Next(), g.Next(), g.Next())
		whole = uids(f.find(&query.Query{Level: l}), l)
		got := uids(f.find(&query.Query{Level: l, Offset: 252, Limit: 7}), l)
		if !slices.Equal(got, whole[252:259]) {
			t.Fatalf("%s after a store: %v, want %v", l, got, whole[252:259])
		}
		if _, err := f.Remove(context.Background(), tenant, index.Ref{StudyInstanceUID: f.all[len(f.all)-1].StudyInstanceUID}); err != nil {
			t.Fatal(err)
		}
	}
}

func testAllFields(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(33, Shape{Series: 1, Instances: 2})
	in := g.Next()
	private := tag.New(0x0011, 0x1001)
	in.Dataset.SetElement(dicom.Element{Tag: tag.New(0x0011, 0x0010), VR: tag.PatientID.VR(), Value: []byte("ACME")})
	in.Dataset.SetElement(dicom.Element{Tag: private, VR: tag.PatientID.VR(), Value: []byte("secret sauce")})
	var err error
	if in.Header, err = dicom.AppendHeader(nil, &dicom.Header{Dataset: in.Dataset}); err != nil {
		t.Fatal(err)
	}
	f.add(in, g.Next())
	d := f.find(f.params(query.Instance, "includefield", "all", "InstanceNumber", "1"))[0]
	for _, tg := range []tag.Tag{tag.KVP, tag.PixelSpacing, tag.WindowCenter, private, tag.Rows, tag.PatientName, tag.AvailableTransferSyntaxUID} {
		if !d.Has(tg) {
			t.Errorf("%s is missing", tg)
		}
	}
	if d.Text(tag.PatientName) != in.Dataset.Text(tag.PatientName) {
		t.Errorf("name %q, want %q", d.Text(tag.PatientName), in.Dataset.Text(tag.PatientName))
	}
	equal(t, "by a private attribute", len(f.find(f.params(query.Instance, "00111001", "SECRET*"))), 1)
	equal(t, "by KVP", len(f.find(f.params(query.Instance, "KVP", "120.0"))), 2)
	for i := 1; i < len(d.Elements); i++ {
		if d.Elements[i-1].Tag >= d.Elements[i].Tag {
			t.Fatalf("%s after %s", d.Elements[i].Tag, d.Elements[i-1].Tag)
		}
	}
}

func testPatients(t *testing.T, open Open) {
	f := newFixture(t, open)
	g := New(34, Shape{Series: 1, Instances: 2})
	ins := take(g, 12)
	for i, id := range []string{"A", "A", "a", "", "", "A"} {
		for j := range 2 {
			d := ins[2*i+j].Dataset
			d.SetText(tag.PatientID, id)
			d.SetText(tag.PatientName, "Same^Name")
			d.Delete(tag.IssuerOfPatientID)
			if i == 5 {
				d.SetText(tag.IssuerOfPatientID, "ELSEWHERE")
			}
		}
	}
	f.add(ins...)
	equal(t, "patients", len(f.find(&query.Query{Level: query.Patient})), 5)
	ds := f.find(f.params(query.Patient, "PatientID", "A"))
	equal(t, "with ID A", len(ds), 2)
	for _, d := range ds {
		want := "2"
		if d.Text(tag.IssuerOfPatientID) != "" {
			want = "1"
		}
		equal(t, "studies", d.Text(tag.NumberOfPatientRelatedStudies), want)
	}
	equal(t, "of the issuer", len(f.find(f.params(query.Patient, "PatientID", "A", "IssuerOfPatientID", "ELSEWHERE"))), 1)
	equal(t, "by name", len(f.find(f.params(query.Patient, "PatientName", "same*"))), 5)
	equal(t, "fuzzy", len(f.find(f.params(query.Patient, "PatientName", "nam", "fuzzymatching", "true"))), 5)
	equal(t, "a page", len(f.find(f.params(query.Patient, "limit", "2", "offset", "4"))), 1)
	equal(t, "exact case", len(f.find(f.params(query.Study, "PatientID", "a"))), 1)
}
