package postgres

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/index/tail"
)

const (
	selectExisting = `SELECT s.uid, e.uid, i.uid, c.term, x.term, o.key, i."offset", i.length, i.dataset_offset,
			i.dataset_crc, i.received
		FROM instances i JOIN series e ON e.id=i.series JOIN studies s ON s.id=i.study
			JOIN objects o ON o.id=i.object JOIN terms c ON c.id=i.class JOIN terms x ON x.id=i.syntax
		WHERE i.tenant=$1 AND i.uid=ANY($2)`
	selectStudyStates = `SELECT id, uid, series, instances, modalities, classes, announced, name,
			CASE WHEN uid=ANY($3) THEN attrs END FROM studies WHERE tenant=$1 AND uid=ANY($2)`
	selectSeriesStates = `SELECT id, study, uid, instances, sealed, CASE WHEN uid=ANY($3) THEN attrs END
		FROM series WHERE tenant=$1 AND uid=ANY($2)`
	selectPatientStates = `SELECT id, patient_id, issuer, only_study, attrs FROM patients
		WHERE tenant=$1 AND (patient_id, issuer, only_study) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::text[]))`
	selectStudyAttrs  = `SELECT attrs FROM studies WHERE tenant=$1 AND id=$2`
	selectSeriesAttrs = `SELECT attrs FROM series WHERE tenant=$1 AND id=$2`
	selectTermIDs     = `SELECT id, term FROM terms WHERE tenant=$1 AND term=ANY($2)`
	selectObjects     = `SELECT id, key, tail FROM objects WHERE tenant=$1 AND key=ANY($2)`
)

// state is what a transaction of Adds found, and what it makes of it.
type state struct {
	existing   map[string]*index.Entry // by SOP Instance UID
	studies    map[string]*studyState
	series     map[seriesKey]*seriesState
	patients   map[patientKey]*patientState
	asked      map[patientKey]bool // patients that were looked for
	terms      map[string]int64
	columns    instanceColumns
	newTerms   pairs
	newObjects []*object
}

type seriesKey struct {
	study int64
	uid   string
}

type patientKey struct{ id, issuer, onlyStudy string }

type patientState struct {
	id    int64
	attrs []byte
	fresh bool
	dirty bool
	ds    *dicom.Dataset // what is to be written
}

type studyState struct {
	id, patient         int64
	uid, name           string // name as the row has it
	series, instances   int64
	arrived             int64 // 0: as it was
	modalities, classes string
	announced           bool
	attrs               []byte // nil: not read
	fresh, dirty        bool
	ds                  *dicom.Dataset // attributes to be written; nil: as they are
}

type seriesState struct {
	id, study           int64
	uid                 string
	instances, revision int64
	sealed              bool
	attrs               []byte
	fresh, dirty        bool
	ds                  *dicom.Dataset
}

func (st *studyState) addClass(uid string) {
	if uid != "" && !strings.Contains(st.classes, `\`+uid+`\`) {
		st.classes = attribute.Join(st.classes, uid)
	}
}

func (st *studyState) addModality(m string) {
	if m != "" && !strings.Contains(st.modalities, `\`+m+`\`) {
		st.modalities = attribute.Join(st.modalities, m)
	}
}

// known remembers which attributes were merged into a row: instances of one study usually say
// the same of it, and its attributes need not be read again. Rows are never given a number
// twice, and attributes are only ever filled in, so what is remembered stays true whatever other
// nodes do.
type known struct {
	lock sync.Mutex
	rows map[int64]*merged
	ids  map[seriesKey]int64 // by UID: study 0 - the tenant, else the study
}

type merged struct {
	sums [4]uint64
	next int
}

// maxKnown bounds the rows that are remembered.
const maxKnown = 4096

// knows reports whether the row has all that the sum stands for.
func (k *known) knows(id int64, sum uint64) bool {
	k.lock.Lock()
	defer k.lock.Unlock()
	m := k.rows[id]
	if m == nil {
		return false
	}
	for _, s := range m.sums {
		if s == sum {
			return true
		}
	}
	return false
}

// row returns the number a UID had when it was last written to; it may be gone.
func (k *known) row(parent int64, uid string) int64 {
	k.lock.Lock()
	defer k.lock.Unlock()
	return k.ids[seriesKey{parent, uid}]
}

func (k *known) learn(parent int64, uid string, id int64, sum uint64) {
	k.lock.Lock()
	defer k.lock.Unlock()
	if k.rows == nil || len(k.rows) >= maxKnown {
		k.rows, k.ids = make(map[int64]*merged), make(map[seriesKey]int64)
	}
	m := k.rows[id]
	if m == nil {
		m = &merged{}
		k.rows[id] = m
		k.ids[seriesKey{parent, uid}] = id
	}
	m.sums[m.next] = sum
	m.next = (m.next + 1) % len(m.sums)
}

// set is a list without duplicates.
type set map[string]bool

func (s set) list() []string {
	out := make([]string, 0, len(s))
	for k := range s {
		out = append(out, k)
	}
	return out
}

// gather reads, in one round trip, all that is there of what the items name.
func (w *writer) gather(items []*addition) error {
	w.state = &state{existing: make(map[string]*index.Entry), studies: make(map[string]*studyState),
		series: make(map[seriesKey]*seriesState), patients: make(map[patientKey]*patientState),
		asked: make(map[patientKey]bool), terms: make(map[string]int64)}
	instances, studies, series := make(set), make(set), make(set)
	fullStudies, fullSeries, terms, objects := make(set), make(set), make(set), make(set)
	for _, a := range items {
		a.result, a.gives = index.Added{}, false
		instances[a.in.SOPInstanceUID], studies[a.in.StudyInstanceUID], series[a.in.SeriesInstanceUID] = true, true, true
		st := w.ix.known.row(-w.tenant, a.in.StudyInstanceUID)
		if st == 0 || !w.ix.known.knows(st, a.Levels.StudySum) {
			fullStudies[a.in.StudyInstanceUID] = true
			w.asked[keyOfPatient(a)] = true
		}
		if se := w.ix.known.row(st, a.in.SeriesInstanceUID); se == 0 || !w.ix.known.knows(se, a.Levels.SeriesSum) {
			fullSeries[a.in.SeriesInstanceUID] = true
		}
		for _, term := range []string{a.in.SOPClassUID, a.in.TransferSyntaxUID, a.in.SourceAET} {
			term = text(term)
			if id, ok := w.ix.names.term(w.tenant, term); ok {
				w.terms[term] = id
			} else {
				terms[term] = true
			}
		}
		if key := text(string(a.in.Blob.Location.Object)); !w.ix.objects.has(objectKey{w.tenant, storage.Key(key)}) {
			objects[key] = true
		}
	}
	ss := []statement{
		{selectExisting, []any{w.tenant, instances.list()}, each(w.scanExisting)},
		{selectStudyStates, []any{w.tenant, studies.list(), fullStudies.list()}, each(w.scanStudy)},
		{selectSeriesStates, []any{w.tenant, series.list(), fullSeries.list()}, each(w.scanSeries)},
	}
	if len(w.asked) > 0 {
		ss = append(ss, patientsOf(w.tenant, slices.Collect(maps.Keys(w.asked)), w.scanPatient))
	}
	if len(terms) > 0 {
		ss = append(ss, statement{selectTermIDs, []any{w.tenant, terms.list()}, each(func(r pgx.Rows) error {
			var id int64
			var term string
			err := r.Scan(&id, &term)
			w.terms[term], w.learned[term] = id, id
			return err
		})})
	}
	if len(objects) > 0 {
		ss = append(ss, statement{selectObjects, []any{w.tenant, objects.list()}, each(func(r pgx.Rows) error {
			var id, stored int64
			var key string
			if err := r.Scan(&id, &key, &stored); err != nil {
				return err
			}
			k := objectKey{w.tenant, storage.Key(key)}
			if w.made[k] == nil { // else this transaction made it
				w.ix.objects.put(&object{objectKey: k, id: id, Object: tail.At(stored)})
			}
			return nil
		})})
	}
	return w.look(ss...)
}

func (w *writer) scanExisting(r pgx.Rows) error {
	e := &index.Entry{}
	var key string
	var crc, received int64
	err := r.Scan(&e.StudyInstanceUID, &e.SeriesInstanceUID, &e.SOPInstanceUID, &e.SOPClassUID, &e.TransferSyntaxUID,
		&key, &e.Location.Offset, &e.Location.Length, &e.DatasetOffset, &crc, &received)
	e.Location.Object, e.DatasetCRC, e.Received = storage.Key(key), uint32(crc), unixNano(received)
	w.existing[e.SOPInstanceUID] = e
	return err
}

func (w *writer) scanStudy(r pgx.Rows) error {
	st := &studyState{}
	err := r.Scan(&st.id, &st.uid, &st.series, &st.instances, &st.modalities, &st.classes, &st.announced, &st.name, &st.attrs)
	w.studies[st.uid] = st
	return err
}

func (w *writer) scanSeries(r pgx.Rows) error {
	se := &seriesState{}
	err := r.Scan(&se.id, &se.study, &se.uid, &se.instances, &se.sealed, &se.attrs)
	w.state.series[seriesKey{se.study, se.uid}] = se
	return err
}

func (w *writer) scanPatient(r pgx.Rows) error {
	p := &patientState{}
	var k patientKey
	err := r.Scan(&p.id, &k.id, &k.issuer, &k.onlyStudy, &p.attrs)
	w.patients[k] = p
	return err
}

func patientsOf(tenant int64, keys []patientKey, scan func(pgx.Rows) error) statement {
	var ids, issuers, only []string
	for _, k := range keys {
		ids, issuers, only = append(ids, k.id), append(issuers, k.issuer), append(only, k.onlyStudy)
	}
	return statement{selectPatientStates, []any{tenant, ids, issuers, only}, each(scan)}
}

func keyOfPatient(a *addition) patientKey {
	k := patientKey{id: textOf(a.in.Dataset, tag.PatientID), issuer: textOf(a.in.Dataset, tag.IssuerOfPatientID)}
	if k.id == "" {
		k.onlyStudy = a.in.StudyInstanceUID
	}
	return k
}

// entryOf is what the index will know of an instance that is being added.
func entryOf(a *addition, received int64) *index.Entry {
	return &index.Entry{
		Ref: index.Ref{StudyInstanceUID: a.in.StudyInstanceUID, SeriesInstanceUID: a.in.SeriesInstanceUID,
			SOPInstanceUID: a.in.SOPInstanceUID},
		SOPClassUID: a.in.SOPClassUID, TransferSyntaxUID: a.in.TransferSyntaxUID,
		Location:      blob.Location{Object: a.in.Blob.Location.Object, Offset: a.in.Blob.Location.Offset, Length: a.in.Blob.Location.Length},
		DatasetOffset: a.in.DatasetOffset, DatasetCRC: a.in.DatasetCRC, Received: unixNano(received),
	}
}
