package postgres

import (
	"cmp"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
)

const (
	insertPatient = `INSERT INTO patients (name, birth_date, sex, attrs, id, tenant, patient_id, issuer, only_study)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)`
	updatePatient = `UPDATE patients SET name=$1, birth_date=$2, sex=$3, attrs=$4 WHERE id=$5 AND tenant=$6`

	insertStudy = `INSERT INTO studies (study_date, study_time, accession, study_id, description, patient_id,
			issuer, name, birth_date, sex, attrs, id, tenant, patient, uid, series, instances, modalities, classes,
			changed, arrived, announced)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,false)`
	updateStudyAttrs = `UPDATE studies SET study_date=$1, study_time=$2, accession=$3, study_id=$4, description=$5,
		patient_id=$6, issuer=$7, name=$8, birth_date=$9, sex=$10, attrs=$11 WHERE id=$12 AND tenant=$13`
	updateStudies = `UPDATE studies s SET series=n.series, instances=n.instances, modalities=n.modalities,
			classes=n.classes, changed=$2, announced=false, arrived=CASE n.arrived WHEN 0 THEN s.arrived ELSE n.arrived END
		FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[])
			n (id, series, instances, modalities, classes, arrived) WHERE s.tenant=$1 AND s.id=n.id`

	insertSeries = `INSERT INTO series (number, modality, description, body_part, series_date, attrs, id, tenant, study,
			uid, instances, revision, changed, sealed)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,false)`
	updateSeriesAttrs = `UPDATE series SET number=$1, modality=$2, description=$3, body_part=$4, series_date=$5,
		attrs=$6 WHERE id=$7 AND tenant=$8`
	updateSeries = `UPDATE series e SET instances=n.instances, revision=n.revision, changed=$2, sealed=false
		FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) n (id, instances, revision) WHERE e.tenant=$1 AND e.id=n.id`

	insertNames = `INSERT INTO study_names (tenant, kind, name, study)
		SELECT $1, kind, name, study FROM unnest($2::smallint[], $3::text[], $4::bigint[]) n (kind, name, study)
		ON CONFLICT DO NOTHING`
	deleteNames = `DELETE FROM study_names n USING unnest($2::smallint[], $3::text[]) o (kind, name)
		WHERE n.tenant=$1 AND n.kind=o.kind AND n.name=o.name AND n.study=$4`
)

// textOf is what a column holds of an attribute.
func textOf(d *dicom.Dataset, t tag.Tag) string { return text(attribute.Column(d, t)) }

// parents returns the study and series of an instance, new or with what they lacked.
func (w *writer) parents(a *addition) (*studyState, *seriesState, error) {
	st := w.studies[a.in.StudyInstanceUID]
	switch {
	case st == nil:
		var err error
		if st, err = w.newStudy(a); err != nil {
			return nil, nil, err
		}
		a.result.NewStudy = true
	case !w.ix.known.knows(st.id, a.Levels.StudySum):
		if err := w.fillStudy(st, a); err != nil {
			return nil, nil, err
		}
	}
	key := seriesKey{st.id, a.in.SeriesInstanceUID}
	se := w.state.series[key]
	switch {
	case se == nil:
		d := a.Levels.Level(a.Levels.Series)
		d.SetUID(tag.SeriesInstanceUID, a.in.SeriesInstanceUID)
		se = &seriesState{id: w.nextRow(), study: st.id, uid: a.in.SeriesInstanceUID, fresh: true, ds: d}
		w.state.series[key] = se
		st.series++
		st.addModality(text(attribute.Modality(d)))
		w.more.Series++
		a.result.NewSeries = true
	case !w.ix.known.knows(se.id, a.Levels.SeriesSum):
		if err := w.fillSeries(st, se, a); err != nil {
			return nil, nil, err
		}
	}
	tenant, known := -w.tenant, &w.ix.known
	w.learn = append(w.learn, func() {
		if !known.knows(st.id, a.Levels.StudySum) {
			known.learn(tenant, st.uid, st.id, a.Levels.StudySum)
		}
		if !known.knows(se.id, a.Levels.SeriesSum) {
			known.learn(st.id, se.uid, se.id, a.Levels.SeriesSum)
		}
	})
	return st, se, nil
}

func (w *writer) newStudy(a *addition) (*studyState, error) {
	d := a.Levels.Level(a.Levels.Study)
	// The UID the archive settled on is the row's, whatever padding the data set has.
	d.SetUID(tag.StudyInstanceUID, a.in.StudyInstanceUID)
	attribute.Reserve(d)
	patient, err := w.patient(a)
	if err != nil {
		return nil, err
	}
	st := &studyState{id: w.nextRow(), patient: patient, uid: a.in.StudyInstanceUID, fresh: true, ds: d}
	w.studies[st.uid] = st
	w.more.Studies++
	return st, nil
}

// patient returns the row of the instance's patient, new or with what it lacked.
func (w *writer) patient(a *addition) (int64, error) {
	d := a.Levels.Level(a.Levels.Patient)
	key := keyOfPatient(a)
	if !w.asked[key] { // gather took the study for known
		w.asked[key] = true
		if err := w.look(patientsOf(w.tenant, []patientKey{key}, w.scanPatient)); err != nil {
			return 0, err
		}
	}
	p := w.patients[key]
	if p == nil {
		p = &patientState{id: w.nextRow(), fresh: true, ds: d}
		w.patients[key] = p
		w.more.Patients++
		return p.id, nil
	}
	old, err := p.dataset()
	if err != nil {
		return 0, err
	}
	if attribute.Fill(old, d) {
		p.ds, p.dirty = old, true
	}
	return p.id, nil
}

func (p *patientState) dataset() (*dicom.Dataset, error) {
	if p.ds != nil {
		return p.ds, nil
	}
	return attribute.Decode(p.attrs)
}

// attrsOf returns attributes that gather did not read because it took them for known: another
// node removed the row meanwhile and made it anew.
func (w *writer) attrsOf(sql string, id int64, attrs *[]byte) error {
	if *attrs != nil {
		return nil
	}
	return w.look(statement{sql, []any{w.tenant, id}, each(func(r pgx.Rows) error { return r.Scan(attrs) })})
}

// fillStudy fills what the study lacks. Its patient stays the one it came with.
func (w *writer) fillStudy(st *studyState, a *addition) error {
	old := st.ds
	if old == nil {
		if err := w.attrsOf(selectStudyAttrs, st.id, &st.attrs); err != nil {
			return err
		}
		var err error
		if old, err = attribute.Decode(st.attrs); err != nil {
			return err
		}
	}
	in := a.Levels.Level(a.Levels.Study)
	// Whose study it is is settled: an ID the first instance did not have would make the row
	// disagree with its patient.
	in.Delete(tag.PatientID)
	in.Delete(tag.IssuerOfPatientID)
	for _, t := range attribute.Computed { // whatever an object says
		in.Delete(t)
	}
	if attribute.Fill(old, in) {
		st.ds = old
	}
	return nil
}

func (w *writer) fillSeries(st *studyState, se *seriesState, a *addition) error {
	old := se.ds
	if old == nil {
		if err := w.attrsOf(selectSeriesAttrs, se.id, &se.attrs); err != nil {
			return err
		}
		var err error
		if old, err = attribute.Decode(se.attrs); err != nil {
			return err
		}
	}
	if attribute.Fill(old, a.Levels.Level(a.Levels.Series)) {
		se.ds = old
		st.addModality(text(attribute.Modality(old)))
	}
	return nil
}

// flushParents queues patients, studies and series, in the order of their rows. New ones are
// few; counters of those that were there go out together.
func (w *writer) flushParents() error {
	if err := w.flushPatients(); err != nil {
		return err
	}
	if err := w.flushStudies(); err != nil {
		return err
	}
	return w.flushSeries()
}

func (w *writer) flushPatients() error {
	for key, p := range w.patients {
		if !p.fresh && !p.dirty {
			continue
		}
		attrs, err := attribute.Encode(p.ds)
		if err != nil {
			return err
		}
		args := []any{textOf(p.ds, tag.PatientName), textOf(p.ds, tag.PatientBirthDate), textOf(p.ds, tag.PatientSex),
			attrs, p.id, w.tenant}
		if p.fresh {
			w.queue(insertPatient, append(args, key.id, key.issuer, key.onlyStudy)...)
		} else {
			w.queue(updatePatient, args...)
		}
	}
	return nil
}

// studyArgs are the columns of attributes, in the order of insertStudy and updateStudyAttrs.
func studyArgs(d *dicom.Dataset) ([]any, error) {
	attrs, err := attribute.Encode(d)
	return []any{textOf(d, tag.StudyDate), textOf(d, tag.StudyTime), textOf(d, tag.AccessionNumber),
		textOf(d, tag.StudyID), textOf(d, tag.StudyDescription), textOf(d, tag.PatientID),
		textOf(d, tag.IssuerOfPatientID), textOf(d, tag.PatientName), textOf(d, tag.PatientBirthDate),
		textOf(d, tag.PatientSex), attrs}, err
}

func (w *writer) flushStudies() error {
	var ids, series, instances, arrived []int64
	var modalities, classes []string
	for _, st := range slices.SortedFunc(maps.Values(w.studies), func(a, b *studyState) int { return cmp.Compare(a.id, b.id) }) {
		if st.ds != nil {
			args, err := studyArgs(st.ds)
			if err != nil {
				return err
			}
			if st.fresh {
				w.queue(insertStudy, append(args, st.id, w.tenant, st.patient, st.uid, st.series, st.instances,
					st.modalities, st.classes, w.now.UnixNano(), st.arrived)...)
			} else {
				w.queue(updateStudyAttrs, append(args, st.id, w.tenant)...)
			}
			w.rename(st, args[7].(string))
		}
		if !st.dirty || st.fresh {
			continue
		}
		ids, series, instances = append(ids, st.id), append(series, st.series), append(instances, st.instances)
		modalities, classes = append(modalities, st.modalities), append(classes, st.classes)
		arrived = append(arrived, st.arrived)
	}
	if len(ids) > 0 {
		w.queue(updateStudies, w.tenant, w.now.UnixNano(), ids, series, instances, modalities, classes, arrived)
	}
	return nil
}

// rename writes what a study's name is found by.
func (w *writer) rename(st *studyState, name string) {
	if name == st.name {
		return
	}
	if kinds, old := nameRows(st.name); len(old) > 0 {
		w.queue(deleteNames, w.tenant, kinds, old, st.id)
	}
	if kinds, rows := nameRows(name); len(rows) > 0 {
		studies := make([]int64, len(rows))
		for i := range studies {
			studies[i] = st.id
		}
		w.queue(insertNames, w.tenant, kinds, rows, studies)
	}
}

func nameRows(name string) (kinds []int16, rows []string) {
	if name == "" {
		return nil, nil
	}
	for kind, list := range [][]string{query.NameGroups(name), query.Words(name)} {
		for _, s := range list {
			if s != "" {
				kinds, rows = append(kinds, int16(kind)), append(rows, s)
			}
		}
	}
	return kinds, rows
}

func (w *writer) flushSeries() error {
	var ids, instances, revisions, sealed []int64
	for _, se := range slices.SortedFunc(maps.Values(w.state.series), func(a, b *seriesState) int { return cmp.Compare(a.id, b.id) }) {
		if d := se.ds; d != nil {
			attrs, err := attribute.Encode(d)
			if err != nil {
				return err
			}
			args := []any{attribute.Number(d.Get(tag.SeriesNumber)), textOf(d, tag.Modality), textOf(d, tag.SeriesDescription),
				textOf(d, tag.BodyPartExamined), textOf(d, tag.SeriesDate), attrs, se.id, w.tenant}
			if se.fresh {
				w.queue(insertSeries, append(args, se.study, se.uid, se.instances, se.revision, w.now.UnixNano())...)
			} else {
				w.queue(updateSeriesAttrs, args...)
			}
		}
		if !se.dirty || se.fresh {
			continue
		}
		ids, instances, revisions = append(ids, se.id), append(instances, se.instances), append(revisions, se.revision)
		if se.sealed {
			sealed = append(sealed, se.id)
		}
	}
	if len(ids) > 0 {
		w.queue(updateSeries, w.tenant, w.now.UnixNano(), ids, instances, revisions)
	}
	if len(sealed) > 0 {
		w.unseal(sealed)
	}
	return nil
}
