package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
)

// maxTogether bounds how many series one statement reads the instances of.
const maxTogether = 64

const (
	// Of one series, from behind an instance; or of several from their start, each as far as one
	// page goes. Both walk instances_order.
	fromOne = ` FROM instances i%s WHERE i.tenant=? AND i.series=? AND (i.number, i.id) > (?,?)%s
		ORDER BY i.number, i.id LIMIT %d`
	fromSeveral = ` FROM unnest(?::bigint[]) WITH ORDINALITY u (series, ord) CROSS JOIN LATERAL
			(SELECT i.* FROM instances i WHERE i.tenant=? AND i.series=u.series%[2]s ORDER BY i.number, i.id LIMIT %[3]d) i%[1]s
		ORDER BY u.ord, i.number, i.id LIMIT %[3]d`

	ownColumns = `SELECT i.series, i.number, i.id, i.uid, i.class, i.syntax, `
	headerOf   = `(SELECT d.header FROM instance_data d WHERE d.id=i.id)`

	selectByUID = `SELECT ` + studyColumns + `, e.id, e.attrs, e.instances, i.uid, i.class, i.syntax, %s
		FROM instances i JOIN series e ON e.id=i.series JOIN studies s ON s.id=i.study
		WHERE i.tenant=$1 AND i.uid=ANY($2)` + studyOrder + `, e.number, e.id, i.number, i.id LIMIT 512 OFFSET $3`

	selectPatients = `SELECT p.id, p.attrs, c.studies, c.series, c.instances FROM
			(SELECT p.id, p.attrs FROM patients p WHERE p.tenant=? AND p.id>=? AND p.id<?%s ORDER BY p.id DESC LIMIT %d OFFSET ?) p
			CROSS JOIN LATERAL (SELECT count(*) AS studies, coalesce(sum(s.series), 0)::bigint AS series,
				coalesce(sum(s.instances), 0)::bigint AS instances FROM studies s WHERE s.patient=p.id) c
		ORDER BY p.id DESC`
)

// noInstance is before the number of every instance.
const noInstance = -attribute.NoNumber - 1

// instancesOf composes a statement for instances of the first few of some series, given how many
// instances each has, and says of how many. It begins behind (at, last) of the first, or with
// last 0 at its start.
func instancesOf(columns, joins string, tenant int64, series, counts []int64, cond *where, at, last int64, limit int) (
	sql string, args []any, together int) {
	and, more := "", []any(nil)
	if cond != nil {
		and, more = cond.sql.String(), cond.args
	}
	if last != 0 {
		return number(columns + fmt.Sprintf(fromOne, joins, and, limit)), append([]any{tenant, series[0], at, last}, more...), 1
	}
	n := int64(0)
	for together < len(series) && together < maxTogether && (n < int64(limit) || and != "") {
		n += counts[together]
		together++
	}
	if together == 1 {
		return number(columns + fmt.Sprintf(fromOne, joins, and, limit)), append([]any{tenant, series[0], int64(noInstance), int64(0)}, more...), 1
	}
	return number(columns + fmt.Sprintf(fromSeveral, joins, and, limit)), append([]any{series[:together], tenant}, more...), together
}

// instanceRow is an instance of an answer.
type instanceRow struct {
	series        *seriesRow
	number, id    int64
	class, syntax int64
	own           attribute.Own
}

// readInstances takes instances of the next series into the page.
func (f *finder) readInstances(ctx context.Context) error {
	p := f.plan
	limit := nextPage
	if !f.counting && p.wholeSeries() {
		limit = int(min(nextPage, f.batch()+f.skip))
	}
	columns := ownColumns + `i.attrs`
	if p.header {
		columns = ownColumns + headerOf
	}
	ids, counts := make([]int64, len(f.series)), make([]int64, len(f.series))
	byID := make(map[int64]*seriesRow, len(f.series))
	for i, se := range f.series {
		ids[i], counts[i], byID[se.id] = se.id, se.instances, se
	}
	sql, args, together := instancesOf(columns, "", p.tenant, ids, counts, &p.instances, f.number, f.last, limit)
	var rows []*instanceRow
	terms := make(map[int64]string)
	err := f.ix.read(ctx, f.op, f.tenant, statement{sql, args, each(func(r pgx.Rows) error {
		in := &instanceRow{own: attribute.Own{Header: p.header}}
		var series int64
		err := r.Scan(&series, &in.number, &in.id, &in.own.SOPInstanceUID, &in.class, &in.syntax, &in.own.Bytes)
		in.series = byID[series]
		terms[in.class], terms[in.syntax] = "", ""
		rows = append(rows, in)
		return err
	})})
	if err == nil {
		err = f.ix.texts(ctx, f.op, f.tenant, terms)
	}
	if err != nil {
		return err
	}
	for _, in := range rows {
		if more, err := f.takeInstance(in, terms); !more || err != nil {
			return err
		}
	}
	if len(rows) < limit { // all of these series were read
		f.series, f.last = f.series[together:], 0
		return nil
	}
	end := rows[len(rows)-1]
	for f.series[0] != end.series {
		f.series = f.series[1:]
	}
	f.number, f.last = end.number, end.id
	return nil
}

func (f *finder) takeInstance(in *instanceRow, terms map[int64]string) (more bool, err error) {
	build := func() (*dicom.Dataset, error) {
		upper, err := in.series.dataset()
		if err != nil {
			return nil, err
		}
		in.own.SOPClassUID, in.own.TransferSyntaxUID = terms[in.class], terms[in.syntax]
		return attribute.Instance(upper, in.own)
	}
	if rest := f.plan.restInstance; rest != nil {
		d, err := build()
		if err != nil {
			return false, err
		}
		if !rest.Match(d) {
			return true, nil
		}
		build = func() (*dicom.Dataset, error) { return d, nil }
	}
	return f.emit(in.series.study, build)
}

// fillByUID answers a question for instances by their UID: few, so that one statement may give
// them all, in chunks that bound memory.
func (f *finder) fillByUID(ctx context.Context) error {
	p := f.plan
	column := `i.attrs`
	if p.header {
		column = headerOf
	}
	var rows []*instanceRow
	terms := make(map[int64]string)
	err := f.ix.read(ctx, f.op, f.tenant, statement{fmt.Sprintf(selectByUID, column), []any{p.tenant, p.uids, f.uidRows}, each(func(r pgx.Rows) error {
		st := &studyRow{}
		in := &instanceRow{series: &seriesRow{study: st}, own: attribute.Own{Header: p.header}}
		err := r.Scan(&st.id, &st.date, &st.time, &st.attrs, &st.modalities, &st.classes, &st.series, &st.instances,
			&in.series.id, &in.series.attrs, &in.series.instances, &in.own.SOPInstanceUID, &in.class, &in.syntax, &in.own.Bytes)
		terms[in.class], terms[in.syntax] = "", ""
		if len(rows) > 0 && rows[len(rows)-1].series.id == in.series.id {
			in.series = rows[len(rows)-1].series
		}
		rows = append(rows, in)
		return err
	})})
	if err == nil {
		err = f.ix.texts(ctx, f.op, f.tenant, terms)
	}
	if err != nil {
		return err
	}
	p.restInstance = p.match
	for _, in := range rows {
		if more, err := f.takeInstance(in, terms); !more || err != nil {
			return err
		}
	}
	f.uidRows += int64(len(rows))
	f.done = len(rows) < nextPage
	return nil
}

// fillPatients answers at the patient level, those that came last first.
func (f *finder) fillPatients(ctx context.Context) error {
	p := f.plan
	for !f.done && len(f.out) < f.page {
		limit, offset := f.batch(), int64(0)
		if f.counting || p.restStudy != nil {
			limit = nextPage
		} else {
			offset, f.skip = f.skip, 0
		}
		end := f.patient
		if end == 0 {
			end = rowID(p.tenant+1, 0)
		}
		args := append([]any{p.tenant, rowID(p.tenant, 0), end}, p.studies.args...)
		var found []*dicom.Dataset
		err := f.ix.read(ctx, f.op, f.tenant, statement{number(fmt.Sprintf(selectPatients, p.studies.sql.String(), limit)),
			append(args, offset), each(func(r pgx.Rows) error {
				var attrs []byte
				var studies, series, instances int64
				if err := r.Scan(&f.patient, &attrs, &studies, &series, &instances); err != nil {
					return err
				}
				d, err := attribute.Patient(attrs, studies, series, instances)
				found = append(found, d)
				return err
			})})
		if err != nil {
			return err
		}
		none := &studyRow{}
		for _, d := range found {
			if p.restStudy != nil && !p.restStudy.Match(d) {
				continue
			}
			if more, err := f.emit(none, func() (*dicom.Dataset, error) { return d, nil }); !more || err != nil {
				return err
			}
		}
		f.done = int64(len(found)) < limit
	}
	return nil
}
