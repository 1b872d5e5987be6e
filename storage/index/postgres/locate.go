package postgres

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
)

// locatePage is how many entries Locate reads at a time.
const locatePage = 256

const (
	locateColumns = `SELECT i.series, i.number, i.id, i.uid, i.class, i.syntax, o.key, i."offset", i.length,
		i.dataset_offset, i.dataset_crc, i.received`
	joinObject = ` JOIN objects o ON o.id=i.object`
	framesOf   = `(SELECT d.frames FROM instance_data d WHERE d.id=i.id)`
	locateOne  = ` FROM instances i JOIN objects o ON o.id=i.object WHERE i.tenant=$1 AND i.uid=$2`

	seriesStates = `SELECT e.id, s.uid, e.uid, e.revision, e.instances, l.revision, l.object, l."offset", l.length, l.etag
		FROM studies s JOIN series e ON e.study=s.id LEFT JOIN seals l ON l.series=e.id`
	ofInstance = ` JOIN instances i ON i.series=e.id`
	inTenant   = ` WHERE s.tenant=? AND e.tenant=s.tenant`
	statesOf   = ` ORDER BY s.id, e.number, e.id`
)

// seriesUnder lists the series under r in order, and their rows. It holds all of them: a few
// dozen bytes each.
func (ix *Index) seriesUnder(ctx context.Context, op string, tenant int64, r index.Ref) (ids []int64, out []index.SeriesState, err error) {
	sql, args := seriesStates, []any{tenant}
	if r.SOPInstanceUID != "" {
		sql += ofInstance
	}
	sql += inTenant
	for _, k := range []struct{ condition, uid string }{
		{" AND s.uid=?", r.StudyInstanceUID}, {" AND e.uid=?", r.SeriesInstanceUID},
		{" AND i.tenant=s.tenant AND i.uid=?", r.SOPInstanceUID},
	} {
		if k.uid != "" {
			sql, args = sql+k.condition, append(args, text(k.uid))
		}
	}
	err = ix.read(ctx, op, tenant, statement{number(sql + statesOf), args, each(func(r pgx.Rows) error {
		var id int64
		var s index.SeriesState
		var revision, offset, length *int64
		var object, etag *string
		if err := r.Scan(&id, &s.StudyInstanceUID, &s.SeriesInstanceUID, &s.Revision, &s.Instances,
			&revision, &object, &offset, &length, &etag); err != nil {
			return err
		}
		if revision != nil {
			s.Sealed = &index.Seal{Revision: *revision, ETag: *etag}
			s.Sealed.Metadata.Object, s.Sealed.Metadata.Offset, s.Sealed.Metadata.Length = storage.Key(*object), *offset, *length
		}
		ids, out = append(ids, id), append(out, s)
		return nil
	})})
	return ids, out, err
}

// Series lists the series under r with their revision.
func (ix *Index) Series(ctx context.Context, t storage.TenantID, r index.Ref) ([]index.SeriesState, error) {
	const op = "postgres.Series"
	tenant, err := ix.tenantID(ctx, op, t)
	if err != nil || tenant == 0 {
		return nil, err
	}
	_, out, err := ix.seriesUnder(ctx, op, tenant, r)
	return out, err
}

// Locate streams the entries under r in order of series, InstanceNumber and arrival.
func (ix *Index) Locate(ctx context.Context, t storage.TenantID, r index.Ref, f index.Fields) iter.Seq2[index.Entry, error] {
	return func(yield func(index.Entry, error) bool) {
		l := locator{ix: ix, name: t, ref: r, fields: f}
		for !l.done {
			if err := ctx.Err(); err != nil {
				yield(index.Entry{}, errs.E(errs.Canceled, locateOp, err))
				return
			}
			page, err := l.next(ctx)
			if err != nil {
				yield(index.Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

const locateOp = "postgres.Locate"

// locator is a Locate between two pages.
type locator struct {
	ix     *Index
	name   storage.TenantID
	ref    index.Ref
	fields index.Fields

	tenant       int64
	begun, done  bool
	ids          []int64
	series       []index.SeriesState
	number, last int64 // of the last entry in series[0]; last 0: none yet
}

// next reads a page, from as many series as it takes.
func (l *locator) next(ctx context.Context) (page []index.Entry, err error) {
	if !l.begun {
		l.begun = true
		if l.tenant, err = l.ix.tenantID(ctx, locateOp, l.name); err != nil || l.tenant == 0 {
			l.done = true
			return nil, err
		}
		if l.ids, l.series, err = l.ix.seriesUnder(ctx, locateOp, l.tenant, l.ref); err != nil {
			return nil, err
		}
	}
	if len(l.ids) == 0 {
		l.done = true
		return nil, nil
	}
	if l.ref.SOPInstanceUID != "" {
		l.done = true
		page, _, err = l.scan(ctx, l.columns()+locateOne, []any{l.tenant, text(l.ref.SOPInstanceUID)})
		return page, err
	}
	counts := make([]int64, len(l.series))
	for i := range l.series {
		counts[i] = int64(l.series[i].Instances)
	}
	sql, args, together := instancesOf(l.columns(), joinObject, l.tenant, l.ids, counts, nil, l.number, l.last, locatePage)
	page, end, err := l.scan(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	drop := together
	if l.last = 0; len(page) == locatePage {
		drop = 0
		for l.ids[drop] != end.series {
			drop++
		}
		l.number, l.last = end.number, end.id
	}
	l.ids, l.series = l.ids[drop:], l.series[drop:]
	l.done = len(l.ids) == 0
	return page, nil
}

func (l *locator) columns() string {
	columns := locateColumns
	for _, c := range []struct {
		field index.Fields
		sql   string
	}{{index.WithHeader, headerOf}, {index.WithFrames, framesOf}} {
		if l.fields&c.field != 0 {
			columns += ", " + c.sql
		} else {
			columns += ", NULL::bytea"
		}
	}
	return columns
}

// place is where an entry lies in the order.
type place struct{ series, number, id int64 }

// scan reads entries and returns the place of the last.
func (l *locator) scan(ctx context.Context, sql string, args []any) (out []index.Entry, end place, err error) {
	of := make(map[int64]*index.SeriesState, len(l.ids))
	for i, id := range l.ids {
		of[id] = &l.series[i]
	}
	var class, syntax []int64
	terms := make(map[int64]string)
	err = l.ix.read(ctx, locateOp, l.tenant, statement{sql, args, each(func(r pgx.Rows) error {
		var e index.Entry
		var c, x, crc, received int64
		var key string
		var header []byte
		err := r.Scan(&end.series, &end.number, &end.id, &e.SOPInstanceUID, &c, &x, &key, &e.Location.Offset,
			&e.Location.Length, &e.DatasetOffset, &crc, &received, &header, &e.Frames)
		if err != nil {
			return err
		}
		s := of[end.series]
		if s == nil { // moved to another series meanwhile
			return nil
		}
		e.StudyInstanceUID, e.SeriesInstanceUID = s.StudyInstanceUID, s.SeriesInstanceUID
		e.Location.Object, e.DatasetCRC, e.Received = storage.Key(key), uint32(crc), unixNano(received)
		if e.Header, err = attribute.UnpackHeader(header); err != nil {
			return err
		}
		terms[c], terms[x] = "", ""
		out, class, syntax = append(out, e), append(class, c), append(syntax, x)
		return nil
	})})
	if err == nil {
		err = l.ix.texts(ctx, locateOp, l.tenant, terms)
	}
	for i := range out {
		out[i].SOPClassUID, out[i].TransferSyntaxUID = terms[class[i]], terms[syntax[i]]
	}
	return out, end, err
}
