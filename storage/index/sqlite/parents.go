package sqlite

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const (
	selectPatient = `SELECT id, attrs FROM patients
		WHERE tenant=? AND patient_id=? AND issuer=? AND only_study=?`
	insertPatient = `INSERT INTO patients (name, birth_date, sex, attrs, tenant, patient_id, issuer, only_study)
		VALUES (?,?,?,?,?,?,?,?)`
	updatePatient = `UPDATE patients SET name=?, birth_date=?, sex=?, attrs=? WHERE id=?`

	insertStudy = `INSERT INTO studies (study_date, study_time, accession, study_id, description, patient_id,
		issuer, name, birth_date, sex, attrs, tenant, patient, uid, modalities, classes, series, instances, arrived)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,'','',0,0,0)`
	selectStudyAttrs = `SELECT attrs, name FROM studies WHERE id=?`
	updateStudyAttrs = `UPDATE studies SET study_date=?, study_time=?, accession=?, study_id=?, description=?,
		patient_id=?, issuer=?, name=?, birth_date=?, sex=?, attrs=? WHERE id=?`
	insertName  = `INSERT OR IGNORE INTO study_names (tenant, kind, name, study) VALUES (?,?,?,?)`
	deleteNames = `DELETE FROM study_names WHERE tenant=? AND kind=? AND name=? AND study=?`

	insertSeries = `INSERT INTO series (number, modality, description, body_part, series_date, attrs, tenant,
		study, uid, instances, revision) VALUES (?,?,?,?,?,?,?,?,?,0,0)`
	selectSeriesAttrs = `SELECT attrs FROM series WHERE id=?`
	updateSeriesAttrs = `UPDATE series SET number=?, modality=?, description=?, body_part=?, series_date=?, attrs=?
		WHERE id=?`
)

// parents writes the patient, study and series of an instance, or fills in what they lack.
func (w *writerState) parents(c *sqldb.Conn, t *tenantState, st *studyState, se *seriesState, a *addition) (*studyState, *seriesState, error) {
	var err error
	switch {
	case st == nil:
		if st, err = w.newStudy(c, t, a); err != nil {
			return nil, nil, err
		}
		a.result.NewStudy = true
	case !st.knows(a.Levels.StudySum):
		if err := w.fillStudy(c, t, st, a); err != nil {
			return nil, nil, err
		}
	}
	st.learn(a.Levels.StudySum)
	switch {
	case se == nil:
		if se, err = w.newSeries(c, t, st, a); err != nil {
			return nil, nil, err
		}
		a.result.NewSeries = true
	case !se.knows(a.Levels.SeriesSum):
		if err := w.fillSeries(c, st, se, a); err != nil {
			return nil, nil, err
		}
	}
	se.learn(a.Levels.SeriesSum)
	return st, se, nil
}

// studyColumns are the values of insertStudy and updateStudyAttrs, in order.
func studyColumns(d *dicom.Dataset) []any {
	return []any{attribute.Column(d, tag.StudyDate), attribute.Column(d, tag.StudyTime), attribute.Column(d, tag.AccessionNumber),
		attribute.Column(d, tag.StudyID), attribute.Column(d, tag.StudyDescription), attribute.Column(d, tag.PatientID),
		attribute.Column(d, tag.IssuerOfPatientID), attribute.Column(d, tag.PatientName), attribute.Column(d, tag.PatientBirthDate),
		attribute.Column(d, tag.PatientSex)}
}

func (w *writerState) newStudy(c *sqldb.Conn, t *tenantState, a *addition) (*studyState, error) {
	d := a.Levels.Level(a.Levels.Study)
	// The UID the archive settled on is the row's, whatever padding the data set has.
	d.SetUID(tag.StudyInstanceUID, a.in.StudyInstanceUID)
	attribute.Reserve(d)
	attrs, err := attribute.Encode(d)
	if err != nil {
		return nil, err
	}
	patient, err := w.patient(c, t, a)
	if err != nil {
		return nil, err
	}
	r, err := c.Exec(insertStudy, append(studyColumns(d), attrs, t.id, patient, a.in.StudyInstanceUID)...)
	if err != nil {
		return nil, err
	}
	if err := names(c, insertName, t.id, r.LastID, attribute.Column(d, tag.PatientName)); err != nil {
		return nil, err
	}
	t.more.Studies++
	st := &studyState{id: r.LastID, patient: patient}
	w.studies[uidKey{t.id, a.in.StudyInstanceUID}] = st
	return st, nil
}

// names writes or deletes what a name is found by.
func names(c *sqldb.Conn, statement string, tenant, study int64, name string) error {
	if name == "" {
		return nil
	}
	for kind, list := range [][]string{query.NameGroups(name), query.Words(name)} {
		for _, s := range list {
			if s == "" {
				continue
			}
			if _, err := c.Exec(statement, tenant, kind, s, study); err != nil {
				return err
			}
		}
	}
	return nil
}

// patient returns the row of the instance's patient, new or with what it lacked.
func (w *writerState) patient(c *sqldb.Conn, t *tenantState, a *addition) (int64, error) {
	d := a.Levels.Level(a.Levels.Patient)
	id, issuer, only := attribute.Column(d, tag.PatientID), attribute.Column(d, tag.IssuerOfPatientID), ""
	if id == "" {
		only = a.in.StudyInstanceUID
	}
	r, err := c.Query(selectPatient, t.id, id, issuer, only)
	if err != nil {
		return 0, err
	}
	var row int64
	var attrs []byte
	if r.Next() {
		row, attrs = r.Int(0), r.Blob(1)
	}
	r.Close()
	if err := r.Err(); err != nil {
		return 0, err
	}
	if row != 0 {
		old, err := attribute.Decode(attrs)
		if err != nil {
			return 0, err
		}
		if !attribute.Fill(old, d) {
			return row, nil
		}
		d = old
	}
	if attrs, err = attribute.Encode(d); err != nil {
		return 0, err
	}
	cols := []any{attribute.Column(d, tag.PatientName), attribute.Column(d, tag.PatientBirthDate), attribute.Column(d, tag.PatientSex), attrs}
	if row != 0 {
		_, err := c.Exec(updatePatient, append(cols, row)...)
		return row, err
	}
	t.more.Patients++
	res, err := c.Exec(insertPatient, append(cols, t.id, id, issuer, only)...)
	return res.LastID, err
}

// fillStudy fills what the study lacks. Its patient stays the one it came with.
func (w *writerState) fillStudy(c *sqldb.Conn, t *tenantState, st *studyState, a *addition) error {
	r, err := c.Query(selectStudyAttrs, st.id)
	if err != nil {
		return err
	}
	defer r.Close()
	if !r.Next() {
		return r.Err()
	}
	old, err := attribute.Decode(r.Blob(0))
	name := r.Text(1)
	r.Close()
	if err != nil {
		return err
	}
	in := a.Levels.Level(a.Levels.Study)
	// Whose study it is is settled: an ID the first instance did not have would make the row
	// disagree with its patient.
	in.Delete(tag.PatientID)
	in.Delete(tag.IssuerOfPatientID)
	for _, t := range attribute.Computed { // whatever an object says
		in.Delete(t)
	}
	if !attribute.Fill(old, in) {
		return nil
	}
	attrs, err := attribute.Encode(old)
	if err != nil {
		return err
	}
	if _, err := c.Exec(updateStudyAttrs, append(studyColumns(old), attrs, st.id)...); err != nil {
		return err
	}
	if now := attribute.Column(old, tag.PatientName); now != name {
		if err := names(c, deleteNames, t.id, st.id, name); err != nil {
			return err
		}
		return names(c, insertName, t.id, st.id, now)
	}
	return nil
}

// seriesColumns are the values of insertSeries and updateSeriesAttrs, in order.
func seriesColumns(d *dicom.Dataset) []any {
	return []any{attribute.Number(d.Get(tag.SeriesNumber)), attribute.Column(d, tag.Modality), attribute.Column(d, tag.SeriesDescription),
		attribute.Column(d, tag.BodyPartExamined), attribute.Column(d, tag.SeriesDate)}
}

func (w *writerState) newSeries(c *sqldb.Conn, t *tenantState, st *studyState, a *addition) (*seriesState, error) {
	d := a.Levels.Level(a.Levels.Series)
	d.SetUID(tag.SeriesInstanceUID, a.in.SeriesInstanceUID)
	attrs, err := attribute.Encode(d)
	if err != nil {
		return nil, err
	}
	r, err := c.Exec(insertSeries, append(seriesColumns(d), attrs, t.id, st.id, a.in.SeriesInstanceUID)...)
	if err != nil {
		return nil, err
	}
	st.series++
	st.dirty = true
	st.addModality(attribute.Modality(d))
	t.more.Series++
	se := &seriesState{id: r.LastID}
	w.seriesOf[uidKey{st.id, a.in.SeriesInstanceUID}] = se
	return se, nil
}

func (w *writerState) fillSeries(c *sqldb.Conn, st *studyState, se *seriesState, a *addition) error {
	r, err := c.Query(selectSeriesAttrs, se.id)
	if err != nil {
		return err
	}
	defer r.Close()
	if !r.Next() {
		return r.Err()
	}
	old, err := attribute.Decode(r.Blob(0))
	r.Close()
	if err != nil {
		return err
	}
	if !attribute.Fill(old, a.Levels.Level(a.Levels.Series)) {
		return nil
	}
	attrs, err := attribute.Encode(old)
	if err != nil {
		return err
	}
	st.addModality(attribute.Modality(old))
	_, err = c.Exec(updateSeriesAttrs, append(seriesColumns(old), attrs, se.id)...)
	return err
}
