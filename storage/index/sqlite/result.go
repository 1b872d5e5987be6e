package sqlite

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// studyKey is the place of a study in the order of answers.
type studyKey struct {
	date, time string
	id         int64
}

// studyRow is a study of an answer.
type studyRow struct {
	studyKey
	attrs               []byte
	modalities, classes string
	series, instances   int64
	checked             bool
	ds                  *dicom.Dataset

	listed  bool // matches are its series
	matches []*seriesMatch
}

func scanStudy(r *sqldb.Rows) *studyRow {
	return &studyRow{studyKey: studyKey{id: r.Int(0), date: r.Text(1), time: r.Text(2)}, attrs: r.Blob(3),
		modalities: r.Text(4), classes: r.Text(5), series: r.Int(6), instances: r.Int(7)}
}

// dataset builds what a study answers, once.
func (st *studyRow) dataset() (*dicom.Dataset, error) {
	if st.ds != nil {
		return st.ds, nil
	}
	d, err := attribute.Study(st.attrs, st.modalities, st.classes, st.series, st.instances)
	if err != nil {
		return nil, err
	}
	st.ds = d
	return d, nil
}

// seriesMatch is a series of an answer.
type seriesMatch struct {
	id        int64
	attrs     []byte
	instances int64
	checked   bool
	ds        *dicom.Dataset
}

func (se *seriesMatch) dataset(st *studyRow) (*dicom.Dataset, error) {
	if se.ds != nil {
		return se.ds, nil
	}
	upper, err := st.dataset()
	if err != nil {
		return nil, err
	}
	se.ds, err = attribute.Series(upper, se.attrs, se.instances)
	return se.ds, err
}

// instanceMatch is an instance of an answer.
type instanceMatch struct {
	uid           string
	class, syntax int64
	blob          []byte // attributes, or the header
	header        bool
}

func (in *instanceMatch) dataset(ix *Index, c *sqldb.Conn, st *studyRow, se *seriesMatch) (*dicom.Dataset, error) {
	upper, err := se.dataset(st)
	if err != nil {
		return nil, err
	}
	class, err := ix.terms.term(c, in.class)
	if err != nil {
		return nil, err
	}
	syntax, err := ix.terms.term(c, in.syntax)
	if err != nil {
		return nil, err
	}
	return attribute.Instance(upper, attribute.Own{SOPInstanceUID: in.uid, SOPClassUID: class, TransferSyntaxUID: syntax,
		Bytes: in.blob, Header: in.header})
}

const (
	selectPatients = `SELECT p.id, p.attrs, (SELECT count(*) FROM studies s WHERE s.patient=p.id),
		(SELECT sum(s.series) FROM studies s WHERE s.patient=p.id),
		(SELECT sum(s.instances) FROM studies s WHERE s.patient=p.id) FROM `
	patientBefore = ` AND p.id<?`
	patientOrder  = ` ORDER BY p.id DESC LIMIT ? OFFSET ?`
)

// fillPatients answers at the patient level, those that came last first.
func (f *finder) fillPatients(c *sqldb.Conn) error {
	p := f.plan
	for !f.full() {
		limit, offset := f.want(), int64(0)
		if f.counting || p.restStudy != nil {
			limit = nextPage
		} else {
			offset, f.skip = f.skip, 0
		}
		sql, args := selectPatients+p.from+p.studies.sql.String(), append([]any{p.tenant}, p.studies.args...)
		if f.instance != 0 {
			sql, args = sql+patientBefore, append(args, f.instance)
		}
		n, err := f.readPatients(c, sql+patientOrder, append(args, limit, offset))
		if err != nil {
			return err
		}
		f.done = f.done || n < limit
	}
	return nil
}

func (f *finder) readPatients(c *sqldb.Conn, sql string, args []any) (n int64, err error) {
	rows, err := c.Query(sql, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() && !f.done {
		n++
		f.instance = rows.Int(0)
		d, err := attribute.Patient(rows.Blob(1), rows.Int(2), rows.Int(3), rows.Int(4))
		if err != nil {
			return n, err
		}
		if f.plan.restStudy != nil && !f.plan.restStudy.Match(d) {
			continue
		}
		if err := f.emit(func() (*dicom.Dataset, error) { return d, nil }); err != nil {
			return n, err
		}
		if f.left == 0 {
			break
		}
	}
	return n, rows.Err()
}
