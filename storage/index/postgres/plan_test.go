package postgres_test

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
)

// large are the tables that no statement may scan.
var large = regexp.MustCompile(`Seq Scan on (studies|series|instances|instance_data|study_names|patients)`)

// whole is an index read for everything a tenant has.
var whole = regexp.MustCompile(`Bitmap Index Scan on (instances|series|studies)_\w+\s+Index Cond: \(tenant = '\d+'::bigint\)`)

// TestPlans asks the server how it would answer, over 24,000 instances of 4,000 studies and its
// own statistics of them.
func TestPlans(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	n := openNode(t, t.TempDir())
	defer n.Close()
	g := indextest.New(9, indextest.Shape{Series: 2, Instances: 3})
	some := fill(t, n, g, 24_000)
	// A database that was just filled or restored has no statistics yet.
	fresh, err := n.ExplainFixed(tenant, some[0].StudyInstanceUID, some[0].SOPInstanceUID)
	if err != nil {
		t.Fatal(err)
	}
	for name, plan := range fresh {
		if whole.MatchString(plan) {
			t.Errorf("%s without statistics:\n%s", name, plan)
		}
	}
	// As after a while: nearly all of it quiet, announced and sealed.
	if err := pgx.BeginFunc(ctx, n.db.Pool(), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT set_config('aurelius.tenant', '0', true);
			UPDATE studies SET announced=true WHERE id%100<>0; UPDATE series SET sealed=true WHERE id%100<>0`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.db.Pool().Exec(ctx, `VACUUM ANALYZE`); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		level  query.Level
		params string
		uses   string
	}{
		{query.Study, "", "using studies_newest"},
		{query.Study, "StudyInstanceUID=1.2", "studies_uid"},
		{query.Study, "StudyInstanceUID=1.2,1.3", "studies_uid"},
		{query.Study, "AccessionNumber=A", "studies_accession"},
		{query.Study, "AccessionNumber=ACC000012*", "studies_accession"},
		{query.Study, "PatientID=A&StudyDate=20200101", "studies_patient_id"},
		{query.Study, "PatientName=Smithx*&limit=25", "study_names_pkey"},
		{query.Study, "PatientName=Smith", "study_names_pkey"},
		{query.Study, "PatientName=Smit*&limit=25", "using studies_newest"}, // too many of them
		{query.Study, "PatientName=Smi&fuzzymatching=true", "study_names_pkey"},
		{query.Study, "PatientName=*mit*", "using studies_newest"},
		{query.Study, "StudyDate=20200101-20201231", "using studies_newest"},
		{query.Study, "StudyDate=20200101&ModalitiesInStudy=CT", "studies_newest"},
		{query.Study, "ModalitiesInStudy=MR", "using studies_newest"},
		{query.Series, "Modality=MR", "using studies_newest"},
		{query.Series, "SeriesInstanceUID=1.2", "series_uid"},
		{query.Series, "SeriesInstanceUID=1.2,1.3", "series_uid"},
		{query.Instance, "SOPInstanceUID=1.2", "instances_uid"},
		{query.Instance, "SOPInstanceUID=1.2,1.3", "instances_uid"},
		{query.Instance, "PatientID=A", "studies_patient_id"},
		{query.Patient, "", "using patients_pkey"},
		{query.Patient, "PatientID=A", "patients_tenant_patient_id"},
	} {
		v, err := url.ParseQuery(test.params)
		if err != nil {
			t.Fatal(err)
		}
		q, err := query.FromParams(test.level, "", "", v)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := n.Explain(tenant, q)
		if err != nil {
			t.Fatalf("%s %s: %v", test.level, test.params, err)
		}
		if !strings.Contains(plan, test.uses) || large.MatchString(plan) {
			t.Errorf("%s %q does not use %s:\n%s", test.level, test.params, test.uses, plan)
		}
		if walk := strings.HasPrefix(test.uses, "using "); walk && strings.Contains(plan, "Sort Key") {
			t.Errorf("%s %q sorts:\n%s", test.level, test.params, plan)
		}
	}
	plans, err := n.ExplainFixed(tenant, some[0].StudyInstanceUID, some[0].SOPInstanceUID)
	if err != nil {
		t.Fatal(err)
	}
	for name, plan := range plans {
		if large.MatchString(plan) {
			t.Errorf("%s:\n%s", name, plan)
		}
	}
}
