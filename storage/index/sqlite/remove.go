package sqlite

import (
	"context"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const (
	selectRemoval = `SELECT i.id, i.series, i.study, i.received, i.class, s.uid, e.uid, i.uid, o.key,
		i.offset, i.length FROM instances i CROSS JOIN series e ON e.id=i.series
		CROSS JOIN studies s ON s.id=i.study CROSS JOIN objects o ON o.id=i.object WHERE i.id=?`
	insertChange   = `INSERT INTO changes (id, time, kind, study, series, uid, class) VALUES (?,?,?,?,?,?,?)`
	insertErasure  = `INSERT OR REPLACE INTO pending_erasures (object, offset, length) VALUES (?,?,?)`
	deleteInstance = `DELETE FROM instances WHERE id=?`
	deleteData     = `DELETE FROM instance_data WHERE id=?`

	countSeries  = `SELECT count(*) FROM instances WHERE series=?`
	deleteSeries = `DELETE FROM series WHERE id=?`

	selectStudyRow = `SELECT tenant, patient, name FROM studies WHERE id=?`
	countStudy     = `SELECT count(*) FROM series WHERE study=?`
	sumStudy       = `SELECT sum(instances) FROM series WHERE study=?`
	selectSets     = `SELECT attrs FROM series WHERE study=? ORDER BY id`
	selectClasses  = `SELECT t.term FROM series e CROSS JOIN instances i ON i.series=e.id
		CROSS JOIN terms t ON t.id=i.class WHERE e.study=? GROUP BY t.term ORDER BY min(i.id)`
	shrinkStudy = `UPDATE studies SET series=?, instances=?, modalities=?, classes=?,
		changed=?, announced=0 WHERE id=?`
	deleteStudy     = `DELETE FROM studies WHERE id=?`
	countPatient    = `SELECT count(*) FROM studies WHERE patient=?`
	deletePatient   = `DELETE FROM patients WHERE id=?`
	selectUnderInst = `SELECT i.id FROM instances i WHERE i.tenant=? AND i.uid=?
		AND (?='' OR (SELECT uid FROM series WHERE id=i.series)=?)
		AND (?='' OR (SELECT uid FROM studies WHERE id=i.study)=?)`
	selectUnderSeries = `SELECT i.id FROM series e CROSS JOIN instances i ON i.series=e.id
		WHERE e.tenant=? AND e.uid=? AND (?='' OR (SELECT uid FROM studies WHERE id=e.study)=?)`
	selectUnderStudy = `SELECT i.id FROM studies s CROSS JOIN series e ON e.study=s.id
		CROSS JOIN instances i ON i.series=e.id WHERE s.tenant=? AND s.uid=?`
)

// Remove deletes the rows under r, notes their locations for erasure and writes a change for
// each instance, in one durable transaction.
func (ix *Index) Remove(ctx context.Context, t storage.TenantID, r index.Ref) ([]blob.Location, error) {
	const op = "sqlite.Remove"
	if r == (index.Ref{}) {
		return nil, errs.Errorf(errs.Invalid, op, "nothing named to remove")
	}
	var rem removal
	if err := ix.removeUnder(ctx, t, r, &rem); err != nil {
		return nil, err
	}
	return rem.gone, nil
}

// removal is how instances are removed, and what comes of it.
type removal struct {
	until int64 // to be kept in the trash until then, ns since 1970; 0: to be erased

	gone []blob.Location
	less index.Usage // what the tenant has less of
}

// removeUnder removes what is under r in one durable transaction.
func (ix *Index) removeUnder(ctx context.Context, t storage.TenantID, r index.Ref, rem *removal) error {
	err := ix.db.Write(ctx, sqldb.Durable, func(c *sqldb.Conn) error {
		tenant, err := tenantID(c, t)
		if err != nil {
			return err
		}
		ids, err := under(c, tenant, r)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return errs.Errorf(errs.NotFound, "sqlite.Remove", "nothing there to remove")
		}
		// The counters below are written past the writer's memory.
		ix.state.forgetRows()
		return ix.remove(c, tenant, ids, rem)
	})
	if err != nil {
		return err
	}
	ix.generation.Add(1)
	ix.db.Scrub()
	return nil
}

// under lists the rows of the instances under r.
func under(c *sqldb.Conn, tenant int64, r index.Ref) ([]int64, error) {
	st, se := r.StudyInstanceUID, r.SeriesInstanceUID
	switch {
	case r.SOPInstanceUID != "":
		return column0(c, selectUnderInst, tenant, r.SOPInstanceUID, se, se, st, st)
	case se != "":
		return column0(c, selectUnderSeries, tenant, se, st, st)
	}
	return column0(c, selectUnderStudy, tenant, st)
}

func column0(c *sqldb.Conn, query string, args ...any) ([]int64, error) {
	r, err := c.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []int64
	for r.Next() {
		out = append(out, r.Int(0))
	}
	return out, r.Err()
}

// remove deletes instances by their rows and what is empty without them.
func (ix *Index) remove(c *sqldb.Conn, tenant int64, ids []int64, rem *removal) error {
	last, err := c.Int(selectLast, changeID(tenant, 0), changeID(tenant+1, 0)-1)
	if err != nil {
		return err
	}
	series, studies := make(map[int64]int64), make(map[int64]bool)
	for _, id := range ids {
		last++
		se, st, err := ix.removeOne(c, id, last, rem)
		if err != nil {
			return err
		}
		series[se], studies[st] = last, true
	}
	for se, seq := range series {
		if err := ix.shrink(c, se, seq&(1<<40-1), rem); err != nil {
			return err
		}
	}
	for st := range studies {
		if err := ix.shrinkParent(c, st, rem); err != nil {
			return err
		}
	}
	return lessUsage(c, tenant, rem.less)
}

// removeOne deletes one instance; its change gets the row id change.
func (ix *Index) removeOne(c *sqldb.Conn, id, change int64, rem *removal) (series, study int64, err error) {
	r, err := c.Query(selectRemoval, id)
	if err != nil {
		return 0, 0, err
	}
	if !r.Next() {
		if err := r.Err(); err != nil {
			return 0, 0, err
		}
		return 0, 0, errs.Errorf(errs.Internal, "sqlite.Remove", "an instance has lost its parents")
	}
	series, study = r.Int(1), r.Int(2)
	received, class := r.Int(3), r.Int(4)
	stUID, seUID, uid := r.Text(5), r.Text(6), r.Text(7)
	l := blob.Location{Object: storage.Key(r.Text(8)), Offset: r.Int(9), Length: r.Int(10)}
	r.Close()
	now := ix.now().UnixNano()
	type statement struct {
		sql  string
		args []any
	}
	kept := statement{insertTrash, []any{change, stUID, seUID, now, rem.until, id}}
	if rem.until == 0 {
		kept = statement{insertErasure, []any{string(l.Object), l.Offset, l.Length}}
		rem.less.Instances, rem.less.Bytes = rem.less.Instances+1, rem.less.Bytes+l.Length
	}
	rem.gone = append(rem.gone, l)
	for _, s := range []statement{
		{insertChange, []any{id, received, kindStored, stUID, seUID, uid, class}},
		{insertChange, []any{change, now, kindDeleted, stUID, seUID, uid, class}},
		kept,
		{deleteInstance, []any{id}},
		{deleteData, []any{id}},
	} {
		if _, err := c.Exec(s.sql, s.args...); err != nil {
			return 0, 0, err
		}
	}
	return series, study, nil
}

func (ix *Index) shrink(c *sqldb.Conn, series, seq int64, rem *removal) error {
	if err := unseal(c, series); err != nil {
		return err
	}
	n, err := c.Int(countSeries, series)
	if err != nil {
		return err
	}
	if n == 0 {
		rem.less.Series++
		_, err = c.Exec(deleteSeries, series)
	} else {
		_, err = c.Exec(updateSeries, n, seq, ix.now().UnixNano(), series)
	}
	return err
}

// shrinkParent counts a study anew, and deletes it and its patient when they are empty.
func (ix *Index) shrinkParent(c *sqldb.Conn, study int64, rem *removal) error {
	r, err := c.Query(selectStudyRow, study)
	if err != nil {
		return err
	}
	if !r.Next() {
		return r.Err()
	}
	tenant, patient, name := r.Int(0), r.Int(1), r.Text(2)
	r.Close()
	series, err := c.Int(countStudy, study)
	if err != nil {
		return err
	}
	if series > 0 {
		return ix.recount(c, study, series)
	}
	if err := names(c, deleteNames, tenant, study, name); err != nil {
		return err
	}
	rem.less.Studies++
	if _, err := c.Exec(deleteStudy, study); err != nil {
		return err
	}
	if n, err := c.Int(countPatient, patient); err != nil || n > 0 {
		return err
	}
	rem.less.Patients++
	_, err = c.Exec(deletePatient, patient)
	return err
}

func (ix *Index) recount(c *sqldb.Conn, study, series int64) error {
	instances, err := c.Int(sumStudy, study)
	if err != nil {
		return err
	}
	st := &studyState{}
	r, err := c.Query(selectSets, study)
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		d, err := attribute.Decode(r.Blob(0))
		if err != nil {
			return err
		}
		st.addModality(attribute.Modality(d))
	}
	if err := r.Err(); err != nil {
		return err
	}
	classes, err := c.Query(selectClasses, study)
	if err != nil {
		return err
	}
	defer classes.Close()
	for classes.Next() {
		st.addClass(classes.Text(0))
	}
	if err := classes.Err(); err != nil {
		return err
	}
	_, err = c.Exec(shrinkStudy, series, instances, st.modalities, st.classes, ix.now().UnixNano(), study)
	return err
}
