package sqlite_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

// TestPlans holds SQLite to the index each shape of question is meant to use: a plan that turns
// into a scan is slow only at a size no test has.
func TestPlans(t *testing.T) {
	t.Parallel()
	ix := open(t, t.TempDir()).(*sqlite.Index)
	defer ix.Close()
	fill(t, ix, indextest.New(1, indextest.Shape{Series: 1, Instances: 1}), 10)
	for _, test := range []struct {
		level  query.Level
		params string
		uses   string
		sorts  bool
	}{
		{query.Study, "", "studies_newest (tenant=?)", false},
		{query.Study, "StudyInstanceUID=1.2", "(tenant=? AND uid=?)", false},
		{query.Study, "StudyInstanceUID=1.2,1.3", "(tenant=? AND uid=?)", true},
		{query.Study, "AccessionNumber=A", "studies_accession (tenant=? AND accession=?)", true},
		{query.Study, "AccessionNumber=ACC*", "studies_accession (tenant=? AND accession>? AND accession<?)", true},
		{query.Study, "PatientID=A&StudyDate=20200101", "studies_patient_id (tenant=? AND patient_id=?)", true},
		{query.Study, "PatientName=Smith*", "PRIMARY KEY (tenant=? AND kind=? AND name>? AND name<?)", true},
		{query.Study, "PatientName=Smith", "PRIMARY KEY (tenant=? AND kind=? AND name=?)", true},
		{query.Study, "PatientName=Smi&fuzzymatching=true", "PRIMARY KEY (tenant=? AND kind=? AND name>? AND name<?)", true},
		{query.Study, "PatientName=*mit*", "studies_newest (tenant=?)", false},
		{query.Study, "StudyDate=20200101-20201231", "studies_newest (tenant=? AND study_date>? AND study_date<?)", false},
		{query.Study, "StudyDate=20200101&ModalitiesInStudy=CT", "studies_newest (tenant=? AND study_date=?)", false},
		{query.Study, "ModalitiesInStudy=MR", "studies_newest (tenant=?)", false},
		{query.Series, "Modality=MR", "studies_newest (tenant=?)", false},
		{query.Series, "SeriesInstanceUID=1.2", "(tenant=? AND uid=?)", true},
		{query.Instance, "SOPInstanceUID=1.2", "i USING INDEX sqlite_autoindex_instances_1 (tenant=? AND uid=?)", false},
		{query.Instance, "SOPInstanceUID=1.2,1.3", "i USING INDEX sqlite_autoindex_instances_1 (tenant=? AND uid=?)", true},
		{query.Series, "SeriesInstanceUID=1.2,1.3", "(tenant=? AND uid=?)", true},
		{query.Instance, "PatientID=A", "studies_patient_id (tenant=? AND patient_id=?)", true},
		{query.Patient, "", "SCAN p", false},
		{query.Patient, "PatientID=A", "(tenant=? AND patient_id=?)", true},
	} {
		v, err := url.ParseQuery(test.params)
		if err != nil {
			t.Fatal(err)
		}
		q, err := query.FromParams(test.level, "", "", v)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := ix.Explain(q)
		if err != nil {
			t.Fatalf("%s %s: %v", test.level, test.params, err)
		}
		if !strings.Contains(plan, test.uses) {
			t.Errorf("%s %q does not use %s:\n%s", test.level, test.params, test.uses, plan)
		}
		if strings.Contains(plan, "TEMP B-TREE") && !test.sorts {
			t.Errorf("%s %q sorts:\n%s", test.level, test.params, plan)
		}
	}
	plans, err := ix.ExplainFixed()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"studies behind", "a remembered page"} { // begins there, not at the newest
		if !strings.Contains(plans[name], "studies_newest (tenant=? AND (study_date,study_time)<") {
			t.Errorf("%s:\n%s", name, plans[name])
		}
	}
	for name, plan := range plans {
		for line := range strings.SplitSeq(plan, "\n") {
			if strings.Contains(line, "TEMP B-TREE") && name != "changes" || strings.HasPrefix(line, "SCAN") && !strings.Contains(line, "(subquery") && !strings.HasPrefix(line, "SCAN json_each") {
				t.Errorf("%s:\n%s", name, plan)
				break
			}
		}
	}
}
