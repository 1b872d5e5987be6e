package sqlite

import (
	"context"
	"iter"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// locatePage is how many entries Locate reads at a time.
const locatePage = 256

const (
	locateColumns = `SELECT i.id, i.number, i.uid, i.class, i.syntax, o.key, i.offset, i.length,
		i.dataset_offset, i.dataset_crc, i.received`
	locateSeries = ` FROM instances i INDEXED BY instances_order CROSS JOIN objects o ON o.id=i.object`
	locateData   = ` CROSS JOIN instance_data d ON d.id=i.id`
	locateOrder  = ` WHERE i.series=? AND (i.number, i.id) > (?,?) ORDER BY i.number, i.id LIMIT ?`
	locateOne    = ` FROM instances i CROSS JOIN objects o ON o.id=i.object`

	selectSeries = `SELECT e.id, s.uid, e.uid, e.revision, e.instances, z.object, z.offset, z.length, z.etag FROM `
	withSeal     = ` LEFT JOIN seals z ON z.series=e.id`

	selectSeriesOfStudy = selectSeries + `studies s CROSS JOIN series e ON e.study=s.id` + withSeal +
		` WHERE s.tenant=? AND s.uid=? ORDER BY e.number, e.id`
	selectSeriesByUID = selectSeries + `series e CROSS JOIN studies s ON s.id=e.study` + withSeal +
		` WHERE e.tenant=? AND e.uid=? ORDER BY e.study`
	selectSeriesByBoth = selectSeries + `studies s CROSS JOIN series e ON e.tenant=s.tenant AND e.uid=? AND e.study=s.id` +
		withSeal + ` WHERE s.tenant=? AND s.uid=?`
	selectSeriesOfInstance = selectSeries + `instances i CROSS JOIN series e ON e.id=i.series
		CROSS JOIN studies s ON s.id=i.study` + withSeal + ` WHERE i.tenant=? AND i.uid=?`
	selectSeriesAll = selectSeries + `studies s CROSS JOIN series e ON e.study=s.id` + withSeal +
		` WHERE s.tenant=? ORDER BY s.id, e.number, e.id`
)

// seriesRow is a series of a Ref.
type seriesRow struct {
	id int64
	index.SeriesState
}

// seriesUnder lists the series under r in order. It holds all of them: a few dozen bytes each.
func seriesUnder(c *sqldb.Conn, tenant int64, r index.Ref) ([]seriesRow, error) {
	query, args := selectSeriesAll, []any{tenant}
	switch {
	case r.SOPInstanceUID != "":
		query, args = selectSeriesOfInstance, []any{tenant, r.SOPInstanceUID}
	case r.StudyInstanceUID != "" && r.SeriesInstanceUID != "":
		query, args = selectSeriesByBoth, []any{r.SeriesInstanceUID, tenant, r.StudyInstanceUID}
	case r.StudyInstanceUID != "":
		query, args = selectSeriesOfStudy, []any{tenant, r.StudyInstanceUID}
	case r.SeriesInstanceUID != "":
		query, args = selectSeriesByUID, []any{tenant, r.SeriesInstanceUID}
	}
	rows, err := c.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []seriesRow
	for rows.Next() {
		s := seriesRow{rows.Int(0), index.SeriesState{StudyInstanceUID: rows.Text(1),
			SeriesInstanceUID: rows.Text(2), Revision: rows.Int(3), Instances: int(rows.Int(4))}}
		if !rows.Null(5) {
			s.Sealed = &index.Seal{Revision: s.Revision, ETag: rows.Text(8),
				Metadata: blob.Location{Object: storage.Key(rows.Text(5)), Offset: rows.Int(6), Length: rows.Int(7)}}
		}
		if (r.StudyInstanceUID == "" || r.StudyInstanceUID == s.StudyInstanceUID) &&
			(r.SeriesInstanceUID == "" || r.SeriesInstanceUID == s.SeriesInstanceUID) {
			out = append(out, s)
		}
	}
	return out, rows.Err()
}

// Series lists the series under r with their revision and seal.
func (ix *Index) Series(ctx context.Context, t storage.TenantID, r index.Ref) ([]index.SeriesState, error) {
	var out []index.SeriesState
	err := ix.read(ctx, t, func(c *sqldb.Conn, tenant int64) error {
		rows, err := seriesUnder(c, tenant, r)
		for _, s := range rows {
			out = append(out, s.SeriesState)
		}
		return err
	})
	return out, err
}

// Locate streams the entries under r in order of series, InstanceNumber and arrival.
func (ix *Index) Locate(ctx context.Context, t storage.TenantID, r index.Ref, f index.Fields) iter.Seq2[index.Entry, error] {
	return func(yield func(index.Entry, error) bool) {
		l := locator{ix: ix, ref: r, fields: f, first: true}
		for !l.done {
			page, err := l.next(ctx, t)
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				yield(index.Entry{}, err)
				return
			}
			if err := ctx.Err(); err != nil && !l.done {
				yield(index.Entry{}, errs.E(errs.Canceled, "sqlite.Locate", err))
				return
			}
		}
	}
}

// locator is a Locate between two pages.
type locator struct {
	ix     *Index
	ref    index.Ref
	fields index.Fields

	first, done bool
	series      []seriesRow
	number, id  int64 // of the last entry in series[0]
}

// next reads a page, from as many series as it takes.
func (l *locator) next(ctx context.Context, t storage.TenantID) (page []index.Entry, err error) {
	ran := false
	err = l.ix.read(ctx, t, func(c *sqldb.Conn, tenant int64) error {
		ran = true
		if l.first {
			if l.series, err = seriesUnder(c, tenant, l.ref); err != nil {
				return err
			}
			l.first = false
			l.rewind()
		}
		if l.ref.SOPInstanceUID != "" {
			if len(l.series) > 0 {
				page, err = l.one(c, tenant)
			}
			l.done = true
			return err
		}
		for len(page) < locatePage && len(l.series) > 0 {
			want := locatePage - len(page)
			got, err := l.some(c, want)
			page = append(page, got...)
			if err != nil {
				return err
			}
			if len(got) < want {
				l.series = l.series[1:]
				l.rewind()
			}
		}
		l.done = len(l.series) == 0
		return nil
	})
	l.done = l.done || !ran
	return page, err
}

func (l *locator) rewind() { l.number, l.id = -attribute.NoNumber-1, 0 }

// sql returns the statement for the fields asked for and the columns of header and frames.
func (l *locator) sql(from, where string) (query string, header, frames int) {
	query, next := locateColumns, 11
	if l.fields&index.WithHeader != 0 {
		query += ", d.header"
		header = next
		next++
	}
	if l.fields&index.WithFrames != 0 {
		query += ", d.frames"
		frames = next
	}
	query += from
	if l.fields != 0 {
		query += locateData
	}
	return query + where, header, frames
}

func (l *locator) some(c *sqldb.Conn, limit int) ([]index.Entry, error) {
	query, header, frames := l.sql(locateSeries, locateOrder)
	return l.scan(c, header, frames, query, l.series[0].id, l.number, l.id, limit)
}

func (l *locator) one(c *sqldb.Conn, tenant int64) ([]index.Entry, error) {
	query, header, frames := l.sql(locateOne, ` WHERE i.tenant=? AND i.uid=?`)
	return l.scan(c, header, frames, query, tenant, l.ref.SOPInstanceUID)
}

func (l *locator) scan(c *sqldb.Conn, header, frames int, query string, args ...any) ([]index.Entry, error) {
	rows, err := c.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []index.Entry
	s := &l.series[0]
	for rows.Next() {
		e := index.Entry{
			Ref: index.Ref{StudyInstanceUID: s.StudyInstanceUID, SeriesInstanceUID: s.SeriesInstanceUID,
				SOPInstanceUID: rows.Text(2)},
			Location:      blob.Location{Object: storage.Key(rows.Text(5)), Offset: rows.Int(6), Length: rows.Int(7)},
			DatasetOffset: rows.Int(8),
			DatasetCRC:    uint32(rows.Int(9)),
			Received:      unixNano(rows.Int(10)),
		}
		l.id, l.number = rows.Int(0), rows.Int(1)
		if e.SOPClassUID, err = l.ix.terms.term(c, rows.Int(3)); err != nil {
			return out, err
		}
		if e.TransferSyntaxUID, err = l.ix.terms.term(c, rows.Int(4)); err != nil {
			return out, err
		}
		if header > 0 {
			if e.Header, err = attribute.UnpackHeader(rows.Blob(header)); err != nil {
				return out, err
			}
		}
		if frames > 0 && !rows.Null(frames) {
			e.Frames = rows.Blob(frames)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}
