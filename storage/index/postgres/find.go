package postgres

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/index/page"
)

// Rows are read in pages: a small one first, so that the first answer comes soon, then larger.
// Between two pages nothing is held on the server.
const (
	firstPage = 64
	nextPage  = 512
)

// Limits are written into the statements: with them the server plans for a page, without for
// the whole table. There are few different ones.
const (
	studyColumns  = `s.id, s.study_date, s.study_time, s.attrs, s.modalities, s.classes, s.series, s.instances`
	selectStudies = `SELECT ` + studyColumns + ` FROM studies s WHERE s.tenant=?`
	studyOrder    = ` ORDER BY s.study_date DESC, s.study_time DESC, s.id DESC`
	studyAfter    = ` AND (s.study_date, s.study_time, s.id) < (?,?,?)`
	studyFrom     = ` AND (s.study_date, s.study_time, s.id) <= (?,?,?)`

	selectSeries = `SELECT e.id, e.study, e.attrs, e.instances FROM series e WHERE e.tenant=? AND e.study=ANY(?)`
	seriesOrder  = ` ORDER BY e.study, e.number, e.id`

	selectRecent = `SELECT ` + studyColumns + ` FROM studies s WHERE s.tenant=$1 ORDER BY s.arrived DESC LIMIT $2`

	// A deep page of series or instances: the study it begins in, and how many come before that.
	selectLeap = `SELECT id, study_date, study_time, before FROM (SELECT s.id, s.study_date, s.study_time,
			sum(s.%[1]s) OVER (ROWS UNBOUNDED PRECEDING)::bigint-s.%[1]s AS before, s.%[1]s AS n
		FROM (SELECT * FROM studies s WHERE s.tenant=?%[2]s%[3]s) s) w WHERE before+n>? LIMIT 1`
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
	passed              int64 // matches in it that were given or passed over
	ds                  *dicom.Dataset
}

func scanStudyRow(r pgx.Rows) (*studyRow, error) {
	st := &studyRow{}
	return st, r.Scan(&st.id, &st.date, &st.time, &st.attrs, &st.modalities, &st.classes, &st.series, &st.instances)
}

// dataset builds what a study answers, once.
func (st *studyRow) dataset() (d *dicom.Dataset, err error) {
	if st.ds == nil {
		st.ds, err = attribute.Study(st.attrs, st.modalities, st.classes, st.series, st.instances)
	}
	return st.ds, err
}

// seriesRow is a series of an answer.
type seriesRow struct {
	id        int64
	study     *studyRow
	attrs     []byte
	instances int64
	ds        *dicom.Dataset
}

func (se *seriesRow) dataset() (*dicom.Dataset, error) {
	if se.ds != nil {
		return se.ds, nil
	}
	upper, err := se.study.dataset()
	if err != nil {
		return nil, err
	}
	se.ds, err = attribute.Series(upper, se.attrs, se.instances)
	return se.ds, err
}

// Find streams the matches. Studies come newest first (StudyDate, StudyTime, arrival), series
// by SeriesNumber within their study, instances by InstanceNumber within their series.
func (ix *Index) Find(ctx context.Context, t storage.TenantID, q *query.Query) iter.Seq2[*dicom.Dataset, error] {
	return func(yield func(*dicom.Dataset, error) bool) {
		f := &finder{ix: ix, op: "postgres.Find", q: q, name: t, skip: int64(q.Offset), left: -1, page: firstPage}
		if q.Limit > 0 {
			f.left = int64(q.Limit)
		}
		for !f.done {
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
	f := &finder{ix: ix, op: "postgres.Count", q: &whole, name: t, left: -1, page: nextPage, counting: true}
	for !f.done {
		if err := f.fill(ctx); err != nil {
			return 0, err
		}
	}
	return f.counted, nil
}

// Recent returns up to limit studies by time of last arrival, newest first.
func (ix *Index) Recent(ctx context.Context, t storage.TenantID, limit int) ([]*dicom.Dataset, error) {
	const op = "postgres.Recent"
	tenant, err := ix.tenantID(ctx, op, t)
	if err != nil || tenant == 0 {
		return nil, err
	}
	var out []*dicom.Dataset
	err = ix.read(ctx, op, tenant, statement{selectRecent, []any{tenant, limit}, each(func(r pgx.Rows) error {
		st, err := scanStudyRow(r)
		if err != nil {
			return err
		}
		d, err := st.dataset()
		out = append(out, d)
		return err
	})})
	return out, err
}

// finder is a Find between two pages.
type finder struct {
	ix     *Index
	op     string
	q      *query.Query
	name   storage.TenantID
	tenant int64
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
	first   *pageStart // where the first match of this Find lies; nil: pages are not remembered
	ended   bool       // no study behind those that were read

	series       []*seriesRow // read and not done with; [0] is being worked on
	number, last int64        // of the last instance in series[0]; last 0: none yet
	patient      int64        // the last patient
	uidRows      int64        // rows read by fillByUID
}

// fill reads one page into out.
func (f *finder) fill(ctx context.Context) error {
	f.out = f.out[:0]
	if err := ctx.Err(); err != nil {
		return errs.E(errs.Canceled, f.op, err)
	}
	if f.plan == nil {
		if err := f.start(ctx); err != nil || f.done {
			return err
		}
	}
	switch {
	case f.plan.level == query.Patient:
		return f.fillPatients(ctx)
	case f.plan.byUID:
		return f.fillByUID(ctx)
	}
	for !f.done && len(f.out) < f.page {
		var err error
		switch {
		case len(f.series) > 0:
			err = f.readInstances(ctx)
		case f.ended:
			f.done = true
		default:
			err = f.readStudies(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) start(ctx context.Context) (err error) {
	f.tenant, err = f.ix.tenantID(ctx, f.op, f.name)
	if err != nil || f.tenant == 0 {
		f.done = true
		return err
	}
	if f.plan, err = f.ix.plan(ctx, f.op, f.tenant, f.q); err != nil {
		return err
	}
	if err := f.resume(ctx); err != nil {
		return err
	}
	return f.leap(ctx)
}

// leap passes over studies by their counters alone: what makes a deep page of series or
// instances cheap the first time.
func (f *finder) leap(ctx context.Context) error {
	p := f.plan
	if f.resumed || f.skip < page.Deep || p.level < query.Series || p.restStudy != nil || p.byUID || !p.inOrder || !p.wholeStudies() {
		return nil
	}
	count := "series"
	if p.level == query.Instance {
		count = "instances"
	}
	found := false
	sql := number(fmt.Sprintf(selectLeap, count, p.studies.sql.String(), studyOrder))
	args := append(append([]any{p.tenant}, p.studies.args...), f.skip)
	err := f.ix.read(ctx, f.op, f.tenant, statement{sql, args, each(func(r pgx.Rows) error {
		var before int64
		f.from, found = &studyKey{}, true
		err := r.Scan(&f.from.id, &f.from.date, &f.from.time, &before)
		f.skip -= before
		return err
	})})
	f.done = err == nil && !found
	return err
}

// emit takes a match of a study: passes over it, counts it, or puts it in the page. It reports
// whether more are wanted.
func (f *finder) emit(st *studyRow, build func() (*dicom.Dataset, error)) (more bool, err error) {
	st.passed++
	switch {
	case f.counting:
		f.counted++
		return true, nil
	case f.skip > 0:
		f.skip--
		return true, nil
	}
	d, err := build()
	if err != nil {
		return false, err
	}
	f.startHere(st)
	f.out = append(f.out, d)
	if f.left > 0 {
		f.left--
	}
	if f.left == 0 {
		f.remember(st)
		f.done = true
	}
	return !f.done, nil
}

// pass passes over n matches of a study without looking at them, if that is what is to be done.
func (f *finder) pass(st *studyRow, n int64) bool {
	switch {
	case f.counting:
		f.counted += n
	case f.skip >= n:
		f.skip -= n
	default:
		return false
	}
	st.passed += n
	return true
}

// batch is how many rows of a level that is not filtered behind SQL a page can use.
func (f *finder) batch() int64 {
	n := int64(f.page - len(f.out))
	if f.left >= 0 {
		n = min(n, f.left)
	}
	return n
}

// readStudies reads the next studies that may match, and for the level of series and below what
// is in them.
func (f *finder) readStudies(ctx context.Context) error {
	p := f.plan
	limit, offset := int64(f.page), int64(0)
	switch {
	case f.counting:
		limit = nextPage
	case p.level == query.Study && p.restStudy == nil:
		limit = f.batch()
		offset, f.skip = f.skip, 0
	case p.level > query.Study && p.inOrder && f.left >= 0:
		limit = min(limit, max(16, f.left+f.skip)) // each has at least one series
	}
	sql, args := selectStudies+p.studies.sql.String(), append([]any{p.tenant}, p.studies.args...)
	if k := f.after; k != nil {
		sql, args = sql+studyAfter, append(args, k.date, k.time, k.id)
	} else if k := f.from; k != nil {
		sql, args = sql+studyFrom, append(args, k.date, k.time, k.id)
	}
	sql += studyOrder + fmt.Sprintf(" LIMIT %d", limit)
	if offset > 0 {
		sql, args = sql+" OFFSET ?", append(args, offset)
	}
	var studies []*studyRow
	err := f.ix.read(ctx, f.op, f.tenant, statement{number(sql), args, each(func(r pgx.Rows) error {
		st, err := scanStudyRow(r)
		studies = append(studies, st)
		return err
	})})
	if err != nil {
		return err
	}
	f.ended = int64(len(studies)) < limit
	if len(studies) == 0 {
		return nil
	}
	f.after = &studies[len(studies)-1].studyKey
	return f.takeStudies(ctx, studies)
}

// takeStudies gives studies, or reads the series of those that are not passed over whole.
func (f *finder) takeStudies(ctx context.Context, studies []*studyRow) error {
	p := f.plan
	open := make(map[int64]*studyRow)
	var ids []int64
	covered := int64(0) // instances of the open studies
	for _, st := range studies {
		if p.restStudy != nil {
			d, err := st.dataset()
			if err != nil {
				return err
			}
			if !p.restStudy.Match(d) {
				continue
			}
		}
		if p.level == query.Study {
			if more, err := f.emit(st, st.dataset); !more || err != nil {
				return err
			}
			continue
		}
		n := st.series
		if p.level == query.Instance {
			n = st.instances
		}
		// What is passed over comes before what is given.
		if p.wholeStudies() && (f.counting || len(ids) == 0 && len(f.series) == 0) && f.pass(st, n) {
			continue
		}
		open[st.id] = st
		ids = append(ids, st.id)
		covered += n
		if p.level == query.Instance && p.wholeStudies() && f.left >= 0 && covered >= f.skip+f.left {
			// The answer ends in here: the series of the others are not wanted, unless something is
			// removed meanwhile.
			f.after, f.ended = &st.studyKey, false
			break
		}
	}
	if len(ids) == 0 {
		return nil
	}
	of := make(map[int64][]*seriesRow, len(ids))
	err := f.ix.read(ctx, f.op, f.tenant, statement{number(selectSeries + p.series.sql.String() + seriesOrder),
		append([]any{p.tenant, ids}, p.series.args...), each(func(r pgx.Rows) error {
			se := &seriesRow{}
			var study int64
			err := r.Scan(&se.id, &study, &se.attrs, &se.instances)
			se.study = open[study]
			of[study] = append(of[study], se)
			return err
		})})
	if err != nil {
		return err
	}
	for _, id := range ids {
		for _, se := range of[id] {
			if more, err := f.takeSeries(se); !more || err != nil {
				return err
			}
		}
	}
	return nil
}

// takeSeries gives a series, or notes it for its instances to be read.
func (f *finder) takeSeries(se *seriesRow) (more bool, err error) {
	p := f.plan
	if p.restSeries != nil {
		d, err := se.dataset()
		if err != nil {
			return false, err
		}
		if !p.restSeries.Match(d) {
			return true, nil
		}
	}
	if p.level == query.Series {
		return f.emit(se.study, se.dataset)
	}
	if p.wholeSeries() && (f.counting || len(f.series) == 0) && f.pass(se.study, se.instances) {
		return true, nil
	}
	f.series = append(f.series, se)
	return true, nil
}
