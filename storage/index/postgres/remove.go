package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
)

const (
	selectRemoval = `SELECT i.id, i.series, i.study, i.received, i.class, s.uid, e.uid, i.uid, o.key, i."offset", i.length
		FROM studies s JOIN series e ON e.study=s.id JOIN instances i ON i.series=e.id JOIN objects o ON o.id=i.object
		WHERE s.tenant=? AND e.tenant=s.tenant AND i.tenant=s.tenant`
	insertChanges = `INSERT INTO changes (id, tenant, time, kind, study, series, uid, class)
		SELECT id, $1, time, kind, study, series, uid, class FROM unnest($2::bigint[], $3::bigint[], $4::smallint[],
			$5::text[], $6::text[], $7::text[], $8::bigint[]) n (id, time, kind, study, series, uid, class)`
	insertErasures = `INSERT INTO pending_erasures (tenant, object, "offset", length)
		SELECT $1, object, "offset", max(length) FROM unnest($2::text[], $3::bigint[], $4::bigint[]) n (object, "offset", length)
		GROUP BY object, "offset" ON CONFLICT (object, "offset", tenant) DO UPDATE SET length=EXCLUDED.length`
	insertTrash = `INSERT INTO trash (id, tenant, study, series, uid, class, syntax, source, object, "offset", length,
			dataset_offset, dataset_crc, received, discarded, until, header, frames)
		SELECT n.id, $1, n.study, n.series, i.uid, i.class, i.syntax, i.source, i.object, i."offset", i.length,
			i.dataset_offset, i.dataset_crc, i.received, $2, $3, d.header, d.frames
		FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::text[]) n (id, instance, study, series)
			JOIN instances i ON i.id=n.instance JOIN instance_data d ON d.id=n.instance WHERE i.tenant=$1`
	deleteInstances = `DELETE FROM instances WHERE tenant=$1 AND id=ANY($2)`
	deleteData      = `DELETE FROM instance_data WHERE tenant=$1 AND id=ANY($2)`

	shrinkSeries = `UPDATE series e SET instances=e.instances-n.gone, revision=n.revision, changed=$2, sealed=false
		FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) n (id, gone, revision) WHERE e.tenant=$1 AND e.id=n.id`
	deleteSeries = `DELETE FROM series WHERE tenant=$1 AND id=ANY($2) AND instances=0 RETURNING id`

	selectStudyRest = `SELECT s.patient, s.name, count(e.id), coalesce(sum(e.instances), 0)::bigint
		FROM studies s LEFT JOIN series e ON e.study=s.id WHERE s.tenant=$1 AND s.id=$2 GROUP BY s.id`
	selectSeriesSets = `SELECT attrs FROM series WHERE tenant=$1 AND study=$2 ORDER BY id`
	selectClasses    = `SELECT t.term FROM series e JOIN instances i ON i.series=e.id JOIN terms t ON t.id=i.class
		WHERE e.tenant=$1 AND e.study=$2 GROUP BY t.term ORDER BY min(i.id)`
	shrinkStudy = `UPDATE studies SET series=$3, instances=$4, modalities=$5, classes=$6, changed=$7, announced=false
		WHERE tenant=$1 AND id=$2`
	deleteStudy   = `DELETE FROM studies WHERE tenant=$1 AND id=$2`
	deletePatient = `DELETE FROM patients p WHERE p.tenant=$1 AND p.id=$2
		AND NOT EXISTS (SELECT 1 FROM studies s WHERE s.patient=p.id) RETURNING p.id`
)

// The kinds of a row of changes.
const (
	kindStored    = 0
	kindDeleted   = 1
	kindCompleted = 2
)

// Remove deletes the rows under r, notes their locations for erasure and writes a change for
// each instance, in one transaction.
func (ix *Index) Remove(ctx context.Context, t storage.TenantID, r index.Ref) ([]blob.Location, error) {
	return ix.removeUnder(ctx, "postgres.Remove", t, r, 0)
}

// removeUnder deletes, or with until discards, what is under r.
func (ix *Index) removeUnder(ctx context.Context, op string, t storage.TenantID, r index.Ref, until int64) (gone []blob.Location, err error) {
	if r == (index.Ref{}) {
		return nil, errs.Errorf(errs.Invalid, op, "nothing named to remove")
	}
	tenant, err := ix.existingTenant(ctx, op, t)
	if err != nil {
		return nil, err
	}
	err = ix.write(ctx, op, tenant, func(w *writer) (err error) {
		gone, err = w.remove(r, until)
		if err == nil && len(gone) == 0 {
			err = errs.Errorf(errs.NotFound, op, "nothing there to remove")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// existingTenant is tenantID where nothing stored means nothing to find.
func (ix *Index) existingTenant(ctx context.Context, op string, t storage.TenantID) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, errs.E(errs.Canceled, op, err)
	}
	id, err := ix.tenantID(ctx, op, t)
	if err == nil && id == 0 {
		err = errs.Errorf(errs.NotFound, op, "nothing there")
	}
	return id, err
}

// changeColumns are new changes, by column.
type changeColumns struct {
	id, time           []int64
	kind               []int16
	study, series, uid []string
	class              []int64
}

func (c *changeColumns) add(id, time int64, kind int16, r index.Ref, class int64) {
	c.id, c.time, c.kind = append(c.id, id), append(c.time, time), append(c.kind, kind)
	c.study, c.series = append(c.study, r.StudyInstanceUID), append(c.series, r.SeriesInstanceUID)
	c.uid, c.class = append(c.uid, r.SOPInstanceUID), append(c.class, class)
}

func (c *changeColumns) statement(tenant int64) statement {
	return statement{sql: insertChanges, args: []any{tenant, c.id, c.time, c.kind, c.study, c.series, c.uid, c.class}}
}

// removal is what a transaction removes.
type removal struct {
	ids, changeIDs []int64
	study, series  []string
	gone           []blob.Location
	changes        changeColumns
	seriesIDs      []int64
	counts         []int64
	revisions      []int64
	at             map[int64]int // of a series in seriesIDs
	studies        map[int64]bool
}

// remove deletes, or with until discards, what is under r, and what is empty without it. It
// writes at once: what follows may look at it.
func (w *writer) remove(r index.Ref, until int64) ([]blob.Location, error) {
	rem := &removal{at: make(map[int64]int), studies: make(map[int64]bool)}
	sql, args := selectRemoval, []any{w.tenant}
	for _, k := range []struct{ column, uid string }{
		{"s.uid", r.StudyInstanceUID}, {"e.uid", r.SeriesInstanceUID}, {"i.uid", r.SOPInstanceUID},
	} {
		if k.uid != "" {
			sql, args = sql+" AND "+k.column+"=?", append(args, text(k.uid))
		}
	}
	err := w.look(statement{number(sql + " ORDER BY i.id"), args, each(func(rows pgx.Rows) error { return w.scanRemoval(rows, rem) })})
	if err != nil || len(rem.ids) == 0 {
		return nil, err
	}
	w.latest = 0
	ss := []statement{rem.changes.statement(w.tenant)}
	if until != 0 {
		ss = append(ss, statement{sql: insertTrash, args: []any{w.tenant, w.now.UnixNano(), until, rem.changeIDs, rem.ids, rem.study, rem.series}})
	} else {
		ss = append(ss, erasures(w.tenant, rem.gone))
		w.more.Instances -= int64(len(rem.gone))
		for _, l := range rem.gone {
			w.more.Bytes -= l.Length
		}
	}
	ss = append(ss,
		statement{sql: deleteData, args: []any{w.tenant, rem.ids}},
		statement{sql: deleteInstances, args: []any{w.tenant, rem.ids}},
		statement{sql: insertStale, args: []any{w.tenant, rem.seriesIDs}},
		statement{sql: deleteSeals, args: []any{w.tenant, rem.seriesIDs}},
		statement{sql: shrinkSeries, args: []any{w.tenant, w.now.UnixNano(), rem.seriesIDs, rem.counts, rem.revisions}},
		statement{deleteSeries, []any{w.tenant, rem.seriesIDs}, each(func(pgx.Rows) error {
			w.more.Series--
			return nil
		})})
	if err := w.look(ss...); err != nil {
		return nil, err
	}
	for study := range rem.studies {
		if err := w.shrinkStudy(study); err != nil {
			return nil, err
		}
	}
	return rem.gone, nil
}

func (w *writer) scanRemoval(r pgx.Rows, rem *removal) error {
	var id, series, study, received, class int64
	var ref index.Ref
	var key string
	var l blob.Location
	if err := r.Scan(&id, &series, &study, &received, &class, &ref.StudyInstanceUID, &ref.SeriesInstanceUID,
		&ref.SOPInstanceUID, &key, &l.Offset, &l.Length); err != nil {
		return err
	}
	l.Object = storage.Key(key)
	change := w.nextChange()
	rem.changes.add(id, received, kindStored, ref, class)
	rem.changes.add(change, w.now.UnixNano(), kindDeleted, ref, class)
	rem.ids, rem.changeIDs, rem.gone = append(rem.ids, id), append(rem.changeIDs, change), append(rem.gone, l)
	rem.study, rem.series = append(rem.study, ref.StudyInstanceUID), append(rem.series, ref.SeriesInstanceUID)
	rem.studies[study] = true
	at, ok := rem.at[series]
	if !ok {
		at = len(rem.seriesIDs)
		rem.at[series] = at
		rem.seriesIDs, rem.counts, rem.revisions = append(rem.seriesIDs, series), append(rem.counts, 0), append(rem.revisions, 0)
	}
	rem.counts[at]++
	rem.revisions[at] = w.seq
	return nil
}

func erasures(tenant int64, ls []blob.Location) statement {
	objects, offsets, lengths := columnsOf(ls)
	return statement{sql: insertErasures, args: []any{tenant, objects, offsets, lengths}}
}

func columnsOf(ls []blob.Location) (objects []string, offsets, lengths []int64) {
	for _, l := range ls {
		objects, offsets, lengths = append(objects, text(string(l.Object))), append(offsets, l.Offset), append(lengths, l.Length)
	}
	return objects, offsets, lengths
}

// shrinkStudy counts a study anew, and deletes it and its patient when they are empty.
func (w *writer) shrinkStudy(study int64) error {
	var patient int64
	st := &studyState{id: study}
	classes := each(func(r pgx.Rows) error {
		var class string
		err := r.Scan(&class)
		st.addClass(class)
		return err
	})
	modalities := each(func(r pgx.Rows) error {
		var attrs []byte
		if err := r.Scan(&attrs); err != nil {
			return err
		}
		d, err := attribute.Decode(attrs)
		if err != nil {
			return err
		}
		st.addModality(text(attribute.Modality(d)))
		return nil
	})
	args := []any{w.tenant, study}
	if err := w.look(
		statement{selectStudyRest, args, each(func(r pgx.Rows) error { return r.Scan(&patient, &st.name, &st.series, &st.instances) })},
		statement{selectSeriesSets, args, modalities},
		statement{selectClasses, args, classes},
	); err != nil {
		return err
	}
	if st.series > 0 {
		return w.look(statement{sql: shrinkStudy, args: []any{w.tenant, study, st.series, st.instances, st.modalities,
			st.classes, w.now.UnixNano()}})
	}
	w.more.Studies--
	kinds, names := nameRows(st.name)
	return w.look(
		statement{sql: deleteNames, args: []any{w.tenant, kinds, names, study}},
		statement{sql: deleteStudy, args: args},
		statement{deletePatient, []any{w.tenant, patient}, each(func(pgx.Rows) error {
			w.more.Patients--
			return nil
		})})
}

// Discard is Remove with a way back.
func (ix *Index) Discard(ctx context.Context, t storage.TenantID, r index.Ref, until time.Time) (int, error) {
	gone, err := ix.removeUnder(ctx, "postgres.Discard", t, r, max(until.UnixNano(), 1))
	return len(gone), err
}
