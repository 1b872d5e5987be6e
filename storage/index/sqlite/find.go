package sqlite

import (
	"context"
	"iter"
	"strconv"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/index/page"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// Rows are read in pages: a small one first, so that the first answer comes soon, then larger.
const (
	firstPage = 64
	nextPage  = 512
)

// Find streams the matches. Studies come newest first (StudyDate, StudyTime, arrival), series
// by SeriesNumber within their study, instances by InstanceNumber within their series.
func (ix *Index) Find(ctx context.Context, t storage.TenantID, q *query.Query) iter.Seq2[*dicom.Dataset, error] {
	return func(yield func(*dicom.Dataset, error) bool) {
		f := &finder{ix: ix, q: q, tenant: t, skip: int64(q.Offset), left: -1, page: firstPage}
		if q.Limit > 0 {
			f.left = int64(q.Limit)
		}
		for !f.done {
			if err := ctx.Err(); err != nil {
				yield(nil, errs.E(errs.Canceled, "sqlite.Find", err))
				return
			}
			if err := f.fill(ctx); err != nil {
				yield(nil, err)
				return
			}
			for _, d := range f.out {
				if !yield(d, nil) {
					return
				}
			}
			f.page = nextPage
		}
	}
}

// Count returns how many matches Find would give without limit and offset.
func (ix *Index) Count(ctx context.Context, t storage.TenantID, q *query.Query) (int64, error) {
	whole := *q
	whole.Limit, whole.Offset, whole.ReturnAll, whole.Return = 0, 0, false, nil
	f := &finder{ix: ix, q: &whole, tenant: t, left: -1, page: nextPage, counting: true}
	for !f.done {
		if err := ctx.Err(); err != nil {
			return 0, errs.E(errs.Canceled, "sqlite.Count", err)
		}
		if err := f.fill(ctx); err != nil {
			return 0, err
		}
	}
	return f.counted, nil
}

// Recent returns up to limit studies by time of last arrival, newest first.
func (ix *Index) Recent(ctx context.Context, t storage.TenantID, limit int) ([]*dicom.Dataset, error) {
	var out []*dicom.Dataset
	err := ix.read(ctx, t, func(c *sqldb.Conn, tenant int64) error {
		rows, err := c.Query(selectStudies+recentStudies, tenant, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			st := scanStudy(rows)
			d, err := st.dataset()
			if err != nil {
				return err
			}
			out = append(out, d)
		}
		return rows.Err()
	})
	return out, err
}

// finder is a Find between two pages.
type finder struct {
	ix     *Index
	q      *query.Query
	tenant storage.TenantID
	plan   *plan

	skip, left int64 // matches to pass over, and still to give (-1: all)
	page       int
	out        []*dicom.Dataset
	done       bool
	counting   bool // nothing goes out
	counted    int64

	after   *studyKey // the last study that was read; nil: from the start
	from    *studyKey // start with this study (a remembered page)
	resumed bool
	studies []*studyRow // read and not done with; [0] is being worked on
	ended   bool        // no study behind them
	within  int64       // matches of studies[0] that are passed
	first   *pageStart  // where the first match of this Find lies
	last    pageStart   // and the place behind the last

	series   []*seriesMatch // of studies[0], not done with
	opened   bool           // series were read
	number   int64          // of the last instance in series[0]
	instance int64
	uidRows  int64 // rows read by fillByUID
}

// fill reads one page into out.
func (f *finder) fill(ctx context.Context) error {
	f.out = f.out[:0]
	ran := false
	err := f.ix.read(ctx, f.tenant, func(c *sqldb.Conn, tenant int64) error {
		ran = true
		if f.plan == nil {
			f.plan = newPlan(tenant, f.q)
			if err := f.plan.choose(c, f.q); err != nil {
				return err
			}
			f.resume()
			if err := f.leap(c); err != nil {
				return err
			}
		}
		switch {
		case f.plan.level == query.Patient:
			return f.fillPatients(c)
		case f.plan.byUID:
			return f.fillByUID(c)
		}
		return f.fillStudies(c)
	})
	if !ran {
		f.done = true
	}
	return err
}

// full reports whether the page is complete; done is set with the last match wanted.
func (f *finder) full() bool {
	if f.left == 0 {
		f.remember()
		f.done = true
	}
	return f.done || len(f.out) >= f.page
}

// want is how many matches may still go into the page.
func (f *finder) want() int64 {
	n := int64(f.page - len(f.out))
	if f.left >= 0 && f.left < n {
		n = f.left
	}
	return n
}

// emit takes a match: passes over it, counts it, or puts it in the page.
func (f *finder) emit(build func() (*dicom.Dataset, error)) error {
	f.within++
	if f.counting {
		f.counted++
		return nil
	}
	if f.skip > 0 {
		f.skip--
		return nil
	}
	d, err := build()
	if err != nil {
		return err
	}
	f.startHere()
	if len(f.studies) > 0 {
		f.last = pageStart{studyKey: f.studies[0].studyKey, within: f.within}
	}
	f.out = append(f.out, d)
	if f.left > 0 {
		f.left--
	}
	return nil
}

// fillStudies works through studies, and for the levels below through what is in them.
func (f *finder) fillStudies(c *sqldb.Conn) error {
	for !f.full() {
		if len(f.studies) == 0 {
			if f.ended {
				f.done = true
				break
			}
			if err := f.readStudies(c); err != nil {
				return err
			}
			continue
		}
		finished, err := f.study(c, f.studies[0])
		if err != nil {
			return err
		}
		if finished {
			f.studies[0] = nil
			f.studies, f.within, f.opened, f.series = f.studies[1:], 0, false, nil
		}
	}
	return nil
}

// study takes what the page needs of one study and reports whether it is exhausted.
func (f *finder) study(c *sqldb.Conn, st *studyRow) (bool, error) {
	p := f.plan
	if p.restStudy != nil && !st.checked {
		d, err := st.dataset()
		if err != nil {
			return false, err
		}
		if !p.restStudy.Match(d) {
			return true, nil
		}
		st.checked = true
	}
	if p.level == query.Study {
		return true, f.emit(st.dataset)
	}
	if p.wholeStudies() && !f.opened {
		// Everything in it matches: the counters say how much there is to pass over.
		n := st.series
		if p.level == query.Instance {
			n = st.instances
		}
		if f.counting {
			f.counted += n
			return true, nil
		}
		if f.skip >= n {
			f.skip -= n
			return true, nil
		}
	}
	if !f.opened {
		if err := f.readSeries(c, st); err != nil {
			return false, err
		}
	}
	for len(f.series) > 0 {
		if f.full() {
			return false, nil
		}
		finished, err := f.oneSeries(c, st, f.series[0])
		if err != nil {
			return false, err
		}
		if finished {
			f.series[0] = nil
			f.series = f.series[1:]
			f.rewind()
		}
	}
	return true, nil
}

func (f *finder) rewind() { f.number, f.instance = -attribute.NoNumber-1, 0 }

// oneSeries takes what the page needs of one series and reports whether it is exhausted.
func (f *finder) oneSeries(c *sqldb.Conn, st *studyRow, se *seriesMatch) (bool, error) {
	p := f.plan
	if p.restSeries != nil && !se.checked {
		d, err := se.dataset(st)
		if err != nil {
			return false, err
		}
		if !p.restSeries.Match(d) {
			return true, nil
		}
		se.checked = true
	}
	if p.level == query.Series {
		return true, f.emit(func() (*dicom.Dataset, error) { return se.dataset(st) })
	}
	if p.instances.empty() && p.restInstance == nil && f.instance == 0 {
		if f.counting {
			f.counted += se.instances
			return true, nil
		}
		if f.skip >= se.instances {
			f.skip -= se.instances
			f.within += se.instances
			return true, nil
		}
	}
	return f.readInstances(c, st, se)
}

const (
	selectStudies = `SELECT s.id, s.study_date, s.study_time, s.attrs, s.modalities, s.classes, s.series,
		s.instances FROM `
	selectCounts = `SELECT s.id, s.study_date, s.study_time, `
	studyOrder   = ` ORDER BY s.study_date DESC, s.study_time DESC, s.id DESC LIMIT ? OFFSET ?`
	studyAfter   = ` AND (s.study_date, s.study_time, s.id) < (?,?,?)`
	studyFrom    = ` AND (s.study_date, s.study_time, s.id) <= (?,?,?)`

	recentStudies = `studies s INDEXED BY studies_arrived WHERE s.tenant=? ORDER BY s.arrived DESC LIMIT ?`

	selectSeriesMatches   = `SELECT e.id, e.attrs, e.instances FROM series e INDEXED BY series_order WHERE e.study=?`
	seriesOrder           = ` ORDER BY e.number, e.id`
	selectSeriesOfStudies = `SELECT e.id, e.attrs, e.instances, e.study FROM series e INDEXED BY series_order
		WHERE e.study IN (SELECT value FROM json_each(?))`
	seriesOfStudiesOrder = ` ORDER BY e.study, e.number, e.id`

	selectInstances = `SELECT i.id, i.number, i.uid, i.class, i.syntax, `
	fromInstances   = ` FROM instances i INDEXED BY instances_order WHERE i.series=? AND (i.number, i.id) > (?,?)`
	instanceOrder   = ` ORDER BY i.number, i.id LIMIT ? OFFSET ?`
	instanceHeader  = `(SELECT d.header FROM instance_data d WHERE d.id=i.id)`
)

// leap passes over studies by their counters alone, without their attributes: what makes a deep
// page of series or instances cheap the first time.
func (f *finder) leap(c *sqldb.Conn) error {
	p := f.plan
	if f.resumed || f.skip < page.Deep || p.level < query.Series || p.restStudy != nil || !p.inOrder || !p.wholeStudies() {
		return nil
	}
	count := "s.series"
	if p.level == query.Instance {
		count = "s.instances"
	}
	rows, err := c.Query(selectCounts+count+` FROM `+p.from+p.studies.sql.String()+studyOrder, append(append([]any{p.tenant}, p.studies.args...), -1, 0)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		n := rows.Int(3)
		if f.skip < n {
			f.from = &studyKey{id: rows.Int(0), date: rows.Text(1), time: rows.Text(2)}
			return nil
		}
		f.skip -= n
	}
	f.done = rows.Err() == nil
	return rows.Err()
}

// readStudies reads the next studies that may match.
func (f *finder) readStudies(c *sqldb.Conn) error {
	p := f.plan
	limit, offset := int64(f.page), int64(0)
	if p.level == query.Study {
		limit = f.want()
		if f.counting {
			limit = nextPage
		}
		if p.restStudy != nil {
			limit = int64(f.page)
		} else {
			offset, f.skip = f.skip, 0
		}
	} else if p.inOrder && f.left >= 0 {
		limit = min(limit, max(16, f.left+f.skip)) // each has at least one series
	}
	sql := selectStudies + p.from + p.studies.sql.String()
	args := append([]any{p.tenant}, p.studies.args...)
	switch {
	case f.after != nil:
		sql += studyAfter
		args = append(args, f.after.date, f.after.time, f.after.id)
	case f.from != nil:
		sql += studyFrom
		args = append(args, f.from.date, f.from.time, f.from.id)
	}
	rows, err := c.Query(sql+studyOrder, append(args, limit, offset)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := int64(0)
	for rows.Next() {
		n++
		f.studies = append(f.studies, scanStudy(rows))
	}
	if n > 0 {
		f.after = &f.studies[len(f.studies)-1].studyKey
	}
	f.ended = n < limit
	if err := rows.Err(); err != nil || p.level != query.Series || p.restStudy != nil || n < 2 || f.counting && p.wholeStudies() {
		return err
	}
	return f.readAllSeries(c)
}

// readAllSeries reads the series of the studies that were just read by one statement.
func (f *finder) readAllSeries(c *sqldb.Conn) error {
	of := make(map[int64]*studyRow, len(f.studies))
	ids := make([]byte, 0, 8*len(f.studies))
	for _, st := range f.studies {
		of[st.id] = st
		st.listed = true
		ids = strconv.AppendInt(append(ids, ','), st.id, 10)
	}
	ids[0] = '['
	rows, err := c.Query(selectSeriesOfStudies+f.plan.series.sql.String()+seriesOfStudiesOrder,
		append([]any{string(append(ids, ']'))}, f.plan.series.args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if st := of[rows.Int(3)]; st != nil {
			st.matches = append(st.matches, &seriesMatch{id: rows.Int(0), attrs: rows.Blob(1), instances: rows.Int(2)})
		}
	}
	return rows.Err()
}

// readSeries reads the series of a study that may match: all, there are rarely many.
func (f *finder) readSeries(c *sqldb.Conn, st *studyRow) error {
	p := f.plan
	f.opened = true
	f.rewind()
	if st.listed {
		f.series, st.matches = st.matches, nil
		return nil
	}
	rows, err := c.Query(selectSeriesMatches+p.series.sql.String()+seriesOrder, append([]any{st.id}, p.series.args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		f.series = append(f.series, &seriesMatch{id: rows.Int(0), attrs: rows.Blob(1), instances: rows.Int(2)})
	}
	return rows.Err()
}

// readInstances takes instances of a series into the page.
func (f *finder) readInstances(c *sqldb.Conn, st *studyRow, se *seriesMatch) (bool, error) {
	p := f.plan
	limit, offset := f.want(), int64(0)
	switch {
	case f.counting || p.restInstance != nil || f.skip > 0 && !p.instances.empty():
		limit = nextPage
	default: // fewer than the series has: see oneSeries
		offset, f.skip = f.skip, 0
	}
	blob := `i.attrs`
	if p.header {
		blob = instanceHeader
	}
	args := append([]any{se.id, f.number, f.instance}, p.instances.args...)
	rows, err := c.Query(selectInstances+blob+fromInstances+p.instances.sql.String()+instanceOrder,
		append(args, limit, offset)...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	f.within += offset
	n := int64(0)
	for rows.Next() {
		n++
		f.instance, f.number = rows.Int(0), rows.Int(1)
		in := instanceMatch{uid: rows.Text(2), class: rows.Int(3), syntax: rows.Int(4), blob: rows.Blob(5), header: p.header}
		var d *dicom.Dataset
		if p.restInstance != nil {
			if d, err = in.dataset(f.ix, c, st, se); err != nil {
				return false, err
			}
			if !p.restInstance.Match(d) {
				continue
			}
		}
		err := f.emit(func() (*dicom.Dataset, error) {
			if d != nil {
				return d, nil
			}
			return in.dataset(f.ix, c, st, se)
		})
		if err != nil {
			return false, err
		}
		if f.left == 0 || len(f.out) >= 2*nextPage {
			return false, nil
		}
	}
	return n < limit && rows.Err() == nil, rows.Err()
}
