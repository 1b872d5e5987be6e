package sqlite

import (
	"slices"
	"strings"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/index/tail"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// maxRemembered bounds the rows of each kind the writer remembers between transactions.
const maxRemembered = 1024

// writerState is what the writer remembers of rows it has just written, so that the next
// instance of a series needs no SELECT. Valid only as long as every transaction commits; see
// Index.forget.
type writerState struct {
	now      func() time.Time
	tenants  map[storage.TenantID]*tenantState
	terms    map[string]int64
	studies  map[uidKey]*studyState
	seriesOf map[uidKey]*seriesState
	objects  map[storage.Key]*objectState
}

// uidKey is a UID under a tenant or a study.
type uidKey struct {
	parent int64
	uid    string
}

type tenantState struct {
	id, seq int64
	latest  int64       // the study with the highest arrived; 0: not known
	more    index.Usage // what this transaction added
}

// seenSums remembers which attributes were merged last: instances of one study usually say the
// same of it.
type seenSums struct {
	sums [4]uint64
	next int
}

func (s *seenSums) knows(sum uint64) bool { return slices.Contains(s.sums[:], sum) }

func (s *seenSums) learn(sum uint64) {
	s.sums[s.next] = sum
	s.next = (s.next + 1) % len(s.sums)
}

type studyState struct {
	seenSums
	id, patient         int64
	series, instances   int64
	arrived             int64
	modalities, classes string
	dirty, dirtySets    bool
	dirtyArrival        bool
	announced           bool // as complete, before what is dirty
}

type seriesState struct {
	seenSums
	id                  int64
	instances, revision int64
	dirty               bool
	sealed              bool // before what is dirty
}

func (st *studyState) addClass(uid string) {
	if uid != "" && !strings.Contains(st.classes, `\`+uid+`\`) {
		st.classes = attribute.Join(st.classes, uid)
		st.dirty, st.dirtySets = true, true
	}
}

func (st *studyState) addModality(m string) {
	if m != "" && !strings.Contains(st.modalities, `\`+m+`\`) {
		st.modalities = attribute.Join(st.modalities, m)
		st.dirty, st.dirtySets = true, true
	}
}

// objectState is the tail of an object with a row.
type objectState struct {
	id int64
	tail.Object
}

func newWriterState(now func() time.Time) *writerState {
	return &writerState{
		now:      now,
		tenants:  make(map[storage.TenantID]*tenantState),
		terms:    make(map[string]int64),
		studies:  make(map[uidKey]*studyState),
		seriesOf: make(map[uidKey]*seriesState),
		objects:  make(map[storage.Key]*objectState),
	}
}

const (
	insertTenant = `INSERT INTO tenants (name) VALUES (?)`
	selectLast   = `SELECT max(coalesce((SELECT max(id) FROM instances WHERE id BETWEEN ?1 AND ?2), ?1),
		coalesce((SELECT max(id) FROM changes WHERE id BETWEEN ?1 AND ?2), ?1),
		?1+(SELECT base FROM tenants WHERE id=?1>>40))`
	insertTerm   = `INSERT INTO terms (term) VALUES (?)`
	selectObject = `SELECT id, tail FROM objects WHERE key=?`
	insertObject = `INSERT INTO objects (key, tail) VALUES (?,0)`
	updateObject = `UPDATE objects SET tail=? WHERE id=?`

	selectStudyState = `SELECT id, patient, series, instances, arrived, modalities, classes, announced
		FROM studies WHERE tenant=? AND uid=?`
	updateStudy       = `UPDATE studies SET series=?, instances=?, changed=? WHERE id=?`
	updateReopen      = `UPDATE studies SET announced=0 WHERE id=?`
	updateArrival     = `UPDATE studies SET arrived=? WHERE id=?`
	updateStudySets   = `UPDATE studies SET modalities=?, classes=? WHERE id=?`
	selectSeriesState = `SELECT id, instances, revision, sealed FROM series WHERE tenant=? AND uid=? AND study=?`
	updateSeries      = `UPDATE series SET instances=?, revision=?, changed=? WHERE id=?`

	entryColumns = `i.id, s.uid, e.uid, i.uid, i.class, i.syntax, o.key, i.offset, i.length,
		i.dataset_offset, i.dataset_crc, i.received`
	selectEntry = `SELECT ` + entryColumns + ` FROM instances i
		CROSS JOIN series e ON e.id=i.series CROSS JOIN studies s ON s.id=i.study
		CROSS JOIN objects o ON o.id=i.object WHERE i.tenant=? AND i.uid=?`
)

func (w *writerState) tenant(c *sqldb.Conn, name storage.TenantID) (*tenantState, error) {
	if t := w.tenants[name]; t != nil {
		return t, nil
	}
	id, err := tenantID(c, name)
	if err != nil {
		return nil, err
	}
	if id == 0 {
		r, err := c.Exec(insertTenant, string(name))
		if err != nil {
			return nil, err
		}
		id = r.LastID
		if _, err := c.Exec(insertUsage, id); err != nil {
			return nil, err
		}
	}
	last, err := c.Int(selectLast, changeID(id, 0), changeID(id+1, 0)-1)
	if err != nil {
		return nil, err
	}
	t := &tenantState{id: id, seq: last & (1<<40 - 1)}
	w.tenants[name] = t
	return t, nil
}

func (w *writerState) term(c *sqldb.Conn, text string) (int64, error) {
	if id, ok := w.terms[text]; ok {
		return id, nil
	}
	id, err := c.Int(selectTermID, text)
	if err != nil {
		return 0, err
	}
	if id == 0 {
		r, err := c.Exec(insertTerm, text)
		if err != nil {
			return 0, err
		}
		id = r.LastID
	}
	w.terms[text] = id
	return id, nil
}

func (w *writerState) object(c *sqldb.Conn, key storage.Key) (*objectState, error) {
	if o := w.objects[key]; o != nil {
		return o, nil
	}
	r, err := c.Query(selectObject, string(key))
	if err != nil {
		return nil, err
	}
	o := &objectState{}
	if r.Next() {
		o = &objectState{id: r.Int(0), Object: tail.At(r.Int(1))}
	}
	r.Close()
	if err := r.Err(); err != nil {
		return nil, err
	}
	if o.id == 0 {
		r, err := c.Exec(insertObject, string(key))
		if err != nil {
			return nil, err
		}
		o.id = r.LastID
	}
	w.objects[key] = o
	return o, nil
}

// study returns what is there of the study, nil when nothing is.
func (w *writerState) study(c *sqldb.Conn, t *tenantState, uid string) (*studyState, error) {
	key := uidKey{t.id, uid}
	if st := w.studies[key]; st != nil {
		return st, nil
	}
	r, err := c.Query(selectStudyState, t.id, uid)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if !r.Next() {
		return nil, r.Err()
	}
	st := &studyState{id: r.Int(0), patient: r.Int(1), series: r.Int(2), instances: r.Int(3),
		arrived: r.Int(4), modalities: r.Text(5), classes: r.Text(6), announced: r.Int(7) != 0}
	w.studies[key] = st
	return st, nil
}

func (w *writerState) series(c *sqldb.Conn, st *studyState, tenant int64, uid string) (*seriesState, error) {
	key := uidKey{st.id, uid}
	if se := w.seriesOf[key]; se != nil {
		return se, nil
	}
	r, err := c.Query(selectSeriesState, tenant, uid, st.id)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if !r.Next() {
		return nil, r.Err()
	}
	se := &seriesState{id: r.Int(0), instances: r.Int(1), revision: r.Int(2), sealed: r.Int(3) != 0}
	w.seriesOf[key] = se
	return se, nil
}

// entry finds an instance; id is 0 when it is not there.
func (w *writerState) entry(c *sqldb.Conn, tenant int64, uid string) (e index.Entry, id int64, err error) {
	r, err := c.Query(selectEntry, tenant, uid)
	if err != nil {
		return e, 0, err
	}
	if !r.Next() {
		return e, 0, r.Err()
	}
	id, class, syntax := r.Int(0), r.Int(4), r.Int(5)
	e = scanEntry(r)
	r.Close()
	// The writer's own terms are by text; going to the table is rare enough here.
	if e.SOPClassUID, err = termText(c, class); err != nil {
		return e, 0, err
	}
	if e.TransferSyntaxUID, err = termText(c, syntax); err != nil {
		return e, 0, err
	}
	return e, id, nil
}

func termText(c *sqldb.Conn, id int64) (string, error) {
	r, err := c.Query(selectTerm, id)
	if err != nil {
		return "", err
	}
	defer r.Close()
	if !r.Next() {
		if err := r.Err(); err != nil {
			return "", err
		}
		return "", errs.Errorf(errs.Internal, "sqlite.term", "a term is missing")
	}
	return r.Text(0), nil
}

// scanEntry reads entryColumns; class and syntax are left to the caller.
func scanEntry(r *sqldb.Rows) index.Entry {
	return index.Entry{
		Ref:           index.Ref{StudyInstanceUID: r.Text(1), SeriesInstanceUID: r.Text(2), SOPInstanceUID: r.Text(3)},
		Location:      blob.Location{Object: storage.Key(r.Text(6)), Offset: r.Int(7), Length: r.Int(8)},
		DatasetOffset: r.Int(9),
		DatasetCRC:    uint32(r.Int(10)),
		Received:      unixNano(r.Int(11)),
	}
}

// flush writes the counters that changed, once for all instances of the transaction.
func (w *writerState) flush(c *sqldb.Conn) error {
	now := w.now().UnixNano()
	for _, st := range w.studies {
		if !st.dirty {
			continue
		}
		if _, err := c.Exec(updateStudy, st.series, st.instances, now, st.id); err != nil {
			return err
		}
		if st.announced {
			if _, err := c.Exec(updateReopen, st.id); err != nil {
				return err
			}
			st.announced = false
		}
		if st.dirtyArrival {
			if _, err := c.Exec(updateArrival, st.arrived, st.id); err != nil {
				return err
			}
		}
		if st.dirtySets {
			if _, err := c.Exec(updateStudySets, st.modalities, st.classes, st.id); err != nil {
				return err
			}
		}
		st.dirty, st.dirtySets, st.dirtyArrival = false, false, false
	}
	for _, se := range w.seriesOf {
		if !se.dirty {
			continue
		}
		if _, err := c.Exec(updateSeries, se.instances, se.revision, now, se.id); err != nil {
			return err
		}
		if se.sealed {
			if err := unseal(c, se.id); err != nil {
				return err
			}
		}
		se.dirty, se.sealed = false, false
	}
	for _, t := range w.tenants {
		if err := moreUsage(c, t.id, t.more); err != nil {
			return err
		}
		t.more = index.Usage{}
	}
	// Too many to remember: their rows say it all, then they can be dropped. A store that keeps
	// a record an object gets here.
	crowded := len(w.objects) > maxRemembered
	for _, o := range w.objects {
		if crowded || o.Due() {
			if err := o.store(c); err != nil {
				return err
			}
		}
	}
	w.trim()
	return nil
}

// store writes the tail to its row.
func (o *objectState) store(c *sqldb.Conn) error {
	at, changed := o.Store()
	if !changed {
		return nil
	}
	_, err := c.Exec(updateObject, at, o.id)
	return err
}

// storeTails writes every tail.
func (w *writerState) storeTails(c *sqldb.Conn) error {
	for _, o := range w.objects {
		if err := o.store(c); err != nil {
			return err
		}
	}
	return nil
}

// trim bounds memory. What is dropped is read again when it is needed.
func (w *writerState) trim() {
	if len(w.studies) > maxRemembered {
		clear(w.studies)
	}
	if len(w.seriesOf) > maxRemembered {
		clear(w.seriesOf)
	}
	if len(w.terms) > maxTermsCached {
		clear(w.terms)
	}
	if len(w.tenants) > maxRemembered {
		clear(w.tenants)
	}
	if len(w.objects) > maxRemembered {
		clear(w.objects) // flush has stored their tails
	}
}
