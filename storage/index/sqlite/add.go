package sqlite

import (
	"context"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// maxBatch bounds how many Adds share a commit, so that the first of them does not wait long.
const maxBatch = 128

const (
	insertInstance = `INSERT INTO instances (id, tenant, series, study, number, uid, class, syntax, source,
		object, offset, length, dataset_offset, dataset_crc, received, attrs)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (tenant, uid) DO NOTHING`
	insertData = `INSERT INTO instance_data (id, header, frames) VALUES (?,?,?)`
)

// addition is one Add on its way through the writer.
type addition struct {
	tenant  storage.TenantID
	in      index.Instance
	replace bool
	attribute.Prepared

	result index.Added
	gives  bool // the entry there must give way: a transaction of its own
	err    error
}

// Add writes one instance. What can be done without the writer is done first.
func (ix *Index) Add(ctx context.Context, t storage.TenantID, in index.Instance, replace bool) (index.Added, error) {
	const op = "sqlite.Add"
	if err := ctx.Err(); err != nil {
		return index.Added{}, errs.E(errs.Canceled, op, err)
	}
	a, err := prepare(t, in, replace)
	if err != nil {
		return index.Added{}, err
	}
	// Once it is queued it will be written: an answer is due whatever becomes of ctx.
	if !ix.queue.Do(a, ix.write) {
		return index.Added{}, errs.Errorf(errs.Unavailable, op, "the index is closed")
	}
	return a.result, a.err
}

func prepare(t storage.TenantID, in index.Instance, replace bool) (*addition, error) {
	prepared, err := attribute.Prepare("sqlite.Add", in)
	if err != nil {
		return nil, err
	}
	return &addition{tenant: t, in: in, replace: replace, Prepared: prepared}, nil
}

// write carries out a batch. If its transaction fails, each item gets one of its own, so that
// one that cannot be written does not take the others with it.
func (ix *Index) write(batch []*addition) {
	if err := ix.transact(sqldb.Process, batch); err != nil {
		for _, a := range batch {
			a.err = ix.transact(sqldb.Process, []*addition{a})
		}
	}
	for _, a := range batch {
		if a.err == nil && a.gives {
			a.err = ix.replace(a)
		}
	}
}

// transact writes the items in one transaction, all or none.
func (ix *Index) transact(d sqldb.Durability, items []*addition) error {
	err := ix.db.Write(context.Background(), d, func(c *sqldb.Conn) error {
		for _, a := range items {
			a.result, a.gives = index.Added{}, false
			if err := ix.state.add(c, a); err != nil {
				return err
			}
		}
		return ix.state.flush(c)
	})
	if err != nil {
		ix.forget()
		return err
	}
	ix.generation.Add(1)
	return nil
}

// forget drops what the writer remembers: after a rollback it may be wrong.
func (ix *Index) forget() { ix.state = newWriterState(ix.now) }

// forgetRows drops what a removal makes wrong.
func (w *writerState) forgetRows() {
	clear(w.tenants)
	clear(w.studies)
	clear(w.seriesOf)
}

// add writes one instance, its parents where they are new, and its change. Counters follow in
// flush.
func (w *writerState) add(c *sqldb.Conn, a *addition) error {
	t, err := w.tenant(c, a.tenant)
	if err != nil {
		return err
	}
	obj, err := w.object(c, a.in.Blob.Location.Object)
	if err != nil {
		return err
	}
	st, err := w.study(c, t, a.in.StudyInstanceUID)
	if err != nil {
		return err
	}
	var se *seriesState
	if st != nil {
		if se, err = w.series(c, st, t.id, a.in.SeriesInstanceUID); err != nil {
			return err
		}
	}
	// The next instance of a series we have just written to needs no look at what is there:
	// the INSERT tells. In all other cases parents would be changed for a duplicate.
	settled := st != nil && se != nil && st.knows(a.Levels.StudySum) && se.knows(a.Levels.SeriesSum)
	if !settled {
		if found, err := w.existing(c, t, a); err != nil || found {
			return err
		}
		if st, se, err = w.parents(c, t, st, se, a); err != nil {
			return err
		}
	}
	inserted, err := w.insert(c, t, st, se, obj, a)
	if err != nil {
		return err
	}
	if !inserted {
		_, err = w.existing(c, t, a)
	}
	return err
}

func (w *writerState) insert(c *sqldb.Conn, t *tenantState, st *studyState, se *seriesState, obj *objectState, a *addition) (bool, error) {
	class, err := w.term(c, a.in.SOPClassUID)
	if err != nil {
		return false, err
	}
	syntax, err := w.term(c, a.in.TransferSyntaxUID)
	if err != nil {
		return false, err
	}
	source, err := w.term(c, a.in.SourceAET)
	if err != nil {
		return false, err
	}
	received := a.in.Blob.Received
	if received.IsZero() {
		received = w.now()
	}
	l := a.in.Blob.Location
	seq := t.seq + 1
	id := changeID(t.id, seq)
	r, err := c.Exec(insertInstance, id, t.id, se.id, st.id, a.Number, a.in.SOPInstanceUID, class, syntax, source,
		obj.id, l.Offset, l.Length, a.in.DatasetOffset, a.in.DatasetCRC, received.UnixNano(), a.Attrs)
	if err != nil || r.Changed == 0 {
		return false, err
	}
	if _, err := c.Exec(insertData, id, a.Header, a.in.Frames); err != nil {
		return false, err
	}
	t.seq = seq
	a.result.Sequence = seq
	se.instances, se.revision, se.dirty = se.instances+1, seq, true
	st.instances, st.dirty = st.instances+1, true
	t.more.Instances, t.more.Bytes = t.more.Instances+1, t.more.Bytes+l.Length
	st.addClass(a.in.SOPClassUID)
	if t.latest != st.id { // else it is the last to have arrived already
		t.latest, st.arrived, st.dirtyArrival = st.id, seq, true
	}
	obj.Seen(a.in.Blob)
	return true, nil
}

// existing fills the result if the SOP Instance UID is there. Its record counts as seen: it is
// a replay, or a duplicate whose bytes the archive takes back.
func (w *writerState) existing(c *sqldb.Conn, t *tenantState, a *addition) (bool, error) {
	e, id, err := w.entry(c, t.id, a.in.SOPInstanceUID)
	if err != nil || id == 0 {
		return false, err
	}
	if a.replace {
		a.gives = true
		return true, nil
	}
	a.result = index.Added{Existing: &e}
	if obj, err := w.object(c, a.in.Blob.Location.Object); err == nil {
		obj.Seen(a.in.Blob)
	}
	return true, nil
}

// replace puts an instance in the place of the one that is there. The old one's bytes will be
// erased, so this is durable.
func (ix *Index) replace(a *addition) error {
	err := ix.db.Write(context.Background(), sqldb.Durable, func(c *sqldb.Conn) error {
		a.result, a.gives = index.Added{}, false
		t, err := ix.state.tenant(c, a.tenant)
		if err != nil {
			return err
		}
		e, id, err := ix.state.entry(c, t.id, a.in.SOPInstanceUID)
		if err != nil {
			return err
		}
		if id != 0 && e.Location == a.in.Blob.Location { // a sweep was faster
			a.result.Existing = &e
			return nil
		}
		if id != 0 {
			if err := ix.remove(c, t.id, []int64{id}, &removal{}); err != nil {
				return err
			}
			ix.state.forgetRows()
		}
		if err := ix.state.add(c, a); err != nil {
			return err
		}
		if id != 0 {
			a.result.Replaced = &e
		}
		return ix.state.flush(c)
	})
	if err != nil {
		ix.forget()
		return err
	}
	ix.generation.Add(1)
	ix.db.Scrub()
	return nil
}

func changeID(tenant, seq int64) int64 { return tenant<<40 | seq }

func unixNano(n int64) time.Time { return time.Unix(0, n) }
