package sqlite

import (
	"strconv"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
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
	d, err := decode(st.attrs)
	if err != nil {
		return nil, err
	}
	for i := range d.Elements {
		e := &d.Elements[i]
		switch e.Tag {
		case tag.InstanceAvailability:
			*e = textElement(e.Tag, vr.CS, "ONLINE")
		case tag.ModalitiesInStudy:
			*e = setElement(e.Tag, vr.CS, st.modalities)
		case tag.SOPClassesInStudy:
			*e = setElement(e.Tag, vr.UI, st.classes)
		case tag.NumberOfStudyRelatedSeries:
			*e = textElement(e.Tag, vr.IS, strconv.FormatInt(st.series, 10))
		case tag.NumberOfStudyRelatedInstances:
			*e = textElement(e.Tag, vr.IS, strconv.FormatInt(st.instances, 10))
		}
	}
	st.ds = d
	return d, nil
}

// reserve puts the attributes that are computed on the way out into what is kept of a study, so
// that a listing need not make room for them.
func reserve(d *dicom.Dataset) {
	for _, t := range computed {
		d.SetText(t)
	}
}

var computed = []tag.Tag{tag.InstanceAvailability, tag.ModalitiesInStudy, tag.SOPClassesInStudy,
	tag.NumberOfStudyRelatedSeries, tag.NumberOfStudyRelatedInstances}

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
	d, err := decode(se.attrs)
	if err != nil {
		return nil, err
	}
	counts := []dicom.Element{textElement(tag.NumberOfSeriesRelatedInstances, vr.IS, strconv.FormatInt(se.instances, 10))}
	se.ds = &dicom.Dataset{Elements: merge(upper.Elements, counts, d.Elements)}
	return se.ds, nil
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
	own, err := in.own()
	if err != nil {
		return nil, err
	}
	known := [...]dicom.Element{
		textElement(tag.SOPClassUID, vr.UI, class),
		textElement(tag.SOPInstanceUID, vr.UI, in.uid),
		textElement(tag.AvailableTransferSyntaxUID, vr.UI, syntax),
	}
	return &dicom.Dataset{Elements: merge(upper.Elements, known[:], own.Elements)}, nil
}

// own returns the instance's own attributes in UTF-8.
func (in *instanceMatch) own() (*dicom.Dataset, error) {
	if !in.header {
		return decode(in.blob)
	}
	b, err := unpackHeader(in.blob)
	if err != nil || b == nil {
		return &dicom.Dataset{}, err
	}
	h, err := dicom.ParseHeader(b)
	if err != nil {
		return nil, err
	}
	s := &split{ds: h.Dataset}
	d := s.level(inOrder(pointers(h.Dataset)))
	return d, nil
}

// textElement is an element of ASCII text; an empty value stays empty.
func textElement(t tag.Tag, v vr.VR, s string) dicom.Element {
	b := []byte(s)
	if len(b)%2 == 1 {
		b = append(b, v.Padding())
	}
	return dicom.Element{Tag: t, VR: v, Value: b}
}

func setElement(t tag.Tag, v vr.VR, set string) dicom.Element {
	return textElement(t, v, strings.Trim(set, `\`))
}

// merge joins lists in order of tags; of a tag in several the element of the first list stays.
// Elements are copied in runs: with a hundred of them for each match that is what a listing
// spends its time on.
func merge(lists ...[]dicom.Element) []dicom.Element {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	out := make([]dicom.Element, 0, n)
	for {
		first := -1
		for i, l := range lists {
			if len(l) > 0 && (first < 0 || l[0].Tag < lists[first][0].Tag) {
				first = i
			}
		}
		if first < 0 {
			return out
		}
		l := lists[first]
		limit := ^tag.Tag(0)
		for i, other := range lists {
			if i == first || len(other) == 0 {
				continue
			}
			if other[0].Tag == l[0].Tag {
				lists[i] = other[1:]
				other = lists[i]
			}
			if len(other) > 0 {
				limit = min(limit, other[0].Tag)
			}
		}
		run := 1
		for run < len(l) && l[run].Tag < limit {
			run++
		}
		out = append(out, l[:run]...)
		lists[first] = l[run:]
	}
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
		d, err := decode(rows.Blob(1))
		if err != nil {
			return n, err
		}
		counts := []dicom.Element{
			textElement(tag.InstanceAvailability, vr.CS, "ONLINE"),
			textElement(tag.NumberOfPatientRelatedStudies, vr.IS, strconv.FormatInt(rows.Int(2), 10)),
			textElement(tag.NumberOfPatientRelatedSeries, vr.IS, strconv.FormatInt(rows.Int(3), 10)),
			textElement(tag.NumberOfPatientRelatedInstances, vr.IS, strconv.FormatInt(rows.Int(4), 10)),
		}
		d.Elements = merge(counts, d.Elements)
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
