package sqlite

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const (
	selectByUID = `SELECT s.id, s.study_date, s.study_time, s.attrs, s.modalities, s.classes, s.series, s.instances,
		e.id, e.attrs, e.instances, i.uid, i.class, i.syntax, `
	fromByUID = ` FROM instances i CROSS JOIN series e ON e.id=i.series CROSS JOIN studies s ON s.id=i.study
		WHERE i.tenant=? AND i.uid`
	orderByUID = ` ORDER BY s.study_date DESC, s.study_time DESC, s.id DESC, e.number, e.id, i.number, i.id`
)

// fillByUID answers a question for instances by their UID: few, so that one statement may give
// them all, in chunks that bound memory.
func (f *finder) fillByUID(c *sqldb.Conn) error {
	p := f.plan
	blob := `i.attrs`
	if p.header {
		blob = instanceHeader
	}
	cond, args := oneOf(p.uids)
	offset := f.uidRows
	rows, err := c.Query(selectByUID+blob+fromByUID+cond+orderByUID+` LIMIT ? OFFSET ?`,
		append(append([]any{p.tenant}, args...), nextPage, offset)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := int64(0)
	var st *studyRow
	var se *seriesMatch
	for rows.Next() {
		n++
		if next := scanStudy(rows); st == nil || st.id != next.id {
			st, se = next, nil
		}
		if id := rows.Int(8); se == nil || se.id != id {
			se = &seriesMatch{id: id, attrs: rows.Blob(9), instances: rows.Int(10)}
		}
		in := instanceMatch{uid: rows.Text(11), class: rows.Int(12), syntax: rows.Int(13), blob: rows.Blob(14), header: p.header}
		d, err := in.dataset(f.ix, c, st, se)
		if err != nil {
			return err
		}
		if !p.match.Match(d) {
			continue
		}
		if err := f.emit(func() (*dicom.Dataset, error) { return d, nil }); err != nil {
			return err
		}
		if f.full(); f.done {
			return nil
		}
	}
	f.uidRows += n
	f.done = n < nextPage
	return rows.Err()
}
