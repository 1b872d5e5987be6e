package sqlite

import (
	"context"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// maxChanges bounds one answer of Changes.
const maxChanges = 10_000

const (
	selectChanges = `SELECT * FROM (SELECT i.id, i.received, 0, s.uid, e.uid, i.uid, i.class FROM instances i
			CROSS JOIN series e ON e.id=i.series CROSS JOIN studies s ON s.id=i.study
			WHERE i.id>?1 AND i.id<?2 ORDER BY i.id LIMIT ?3)
		UNION ALL SELECT * FROM (SELECT c.id, c.time, c.kind, c.study, c.series, c.uid, c.class FROM changes c
			WHERE c.id>?1 AND c.id<?2 ORDER BY c.id LIMIT ?3)
		ORDER BY 1 LIMIT ?3`
	selectErasures = `SELECT object, offset, length FROM pending_erasures ORDER BY object, offset`
	deleteErasure  = `DELETE FROM pending_erasures WHERE object=? AND offset=?`
	selectTails    = `SELECT key, tail FROM objects WHERE tail>0`
	selectHas      = `SELECT 1 FROM objects o CROSS JOIN instances i ON i.object=o.id
			WHERE o.key=?1 AND i.offset=?2 AND i.length=?3
		UNION ALL SELECT 1 FROM objects o CROSS JOIN trash d ON d.object=o.id
			WHERE o.key=?1 AND d.offset=?2 AND d.length=?3`
	selectKnown = selectHas + ` UNION ALL SELECT 1 FROM pending_erasures WHERE object=?1 AND offset=?2`
)

// Changes returns up to limit changes after the sequence number (limit 0: as many as one answer
// may hold).
func (ix *Index) Changes(ctx context.Context, t storage.TenantID, after int64, limit int) ([]index.Change, error) {
	if limit <= 0 || limit > maxChanges {
		limit = maxChanges
	}
	after = min(max(after, 0), 1<<40-1)
	var out []index.Change
	err := ix.read(ctx, t, func(c *sqldb.Conn, tenant int64) error {
		r, err := c.Query(selectChanges, changeID(tenant, 0)+after, changeID(tenant+1, 0), limit)
		if err != nil {
			return err
		}
		defer r.Close()
		for r.Next() {
			ch := index.Change{
				Sequence: r.Int(0) & (1<<40 - 1),
				Time:     unixNano(r.Int(1)),
				Kind:     index.InstanceStored,
				Ref:      index.Ref{StudyInstanceUID: r.Text(3), SeriesInstanceUID: r.Text(4), SOPInstanceUID: r.Text(5)},
			}
			switch r.Int(2) {
			case kindDeleted:
				ch.Kind = index.InstanceDeleted
			case kindCompleted:
				ch.Kind = index.StudyCompleted
				out = append(out, ch)
				continue
			}
			if ch.SOPClassUID, err = ix.terms.term(c, r.Int(6)); err != nil {
				return err
			}
			out = append(out, ch)
		}
		return r.Err()
	})
	return out, err
}

// PendingErasures lists locations removed from the index whose bytes may still be there.
func (ix *Index) PendingErasures(ctx context.Context) ([]blob.Location, error) {
	return ix.locations(ctx, selectErasures)
}

// NoteErasure notes a record for erasure unless an instance lies there. Like an Add it may be
// lost in a power cut, and then so is every Remove after it: what it is a duplicate of is there.
func (ix *Index) NoteErasure(ctx context.Context, _ storage.TenantID, l blob.Location) (noted bool, err error) {
	err = ix.db.Write(ctx, sqldb.Process, func(c *sqldb.Conn) error {
		n, err := c.Int(selectHas, string(l.Object), l.Offset, l.Length)
		if err != nil || n > 0 {
			return err
		}
		noted = true
		_, err = c.Exec(insertErasure, string(l.Object), l.Offset, l.Length)
		return err
	})
	return noted && err == nil, err
}

// Erased forgets pending erasures that were carried out.
func (ix *Index) Erased(ctx context.Context, ls []blob.Location) error {
	return ix.forgetLocations(ctx, deleteErasure, ls)
}

func (ix *Index) locations(ctx context.Context, query string) ([]blob.Location, error) {
	var out []blob.Location
	err := ix.db.Read(ctx, func(c *sqldb.Conn) error {
		r, err := c.Query(query)
		if err != nil {
			return err
		}
		defer r.Close()
		for r.Next() {
			out = append(out, blob.Location{Object: storage.Key(r.Text(0)), Offset: r.Int(1), Length: r.Int(2)})
		}
		return r.Err()
	})
	return out, err
}

func (ix *Index) forgetLocations(ctx context.Context, statement string, ls []blob.Location) error {
	if len(ls) == 0 {
		return nil
	}
	return ix.db.Write(ctx, sqldb.Process, func(c *sqldb.Conn) error {
		for _, l := range ls {
			if _, err := c.Exec(statement, string(l.Object), l.Offset); err != nil {
				return err
			}
		}
		return nil
	})
}

// Tails returns, for each object, the offset up to which every record has been seen.
func (ix *Index) Tails(ctx context.Context) (map[storage.Key]int64, error) {
	out := make(map[storage.Key]int64)
	// What the writer has not written yet is no use after a crash, but this is asked after a
	// start, or by tests: then it shall be exact.
	err := ix.db.Write(ctx, sqldb.Process, func(c *sqldb.Conn) error { return ix.state.storeTails(c) })
	if err != nil {
		ix.forget()
		return nil, err
	}
	err = ix.db.Read(ctx, func(c *sqldb.Conn) error {
		r, err := c.Query(selectTails)
		if err != nil {
			return err
		}
		defer r.Close()
		for r.Next() {
			out[storage.Key(r.Text(0))] = r.Int(1)
		}
		return r.Err()
	})
	return out, err
}

// Has reports whether the record is known: an instance, discarded, or to be erased.
func (ix *Index) Has(ctx context.Context, l blob.Location) (found bool, err error) {
	err = ix.db.Read(ctx, func(c *sqldb.Conn) error {
		n, err := c.Int(selectKnown, string(l.Object), l.Offset, l.Length)
		found = n > 0
		return err
	})
	return found, err
}
