package sqlite

import (
	"encoding/json"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// plan is how a query is carried out: SQL narrows each level of the hierarchy, what SQL cannot
// decide is left to matchers. Studies come first, their series and instances by statements of
// their own: no join, no sort except of studies found by something else than their order.
type plan struct {
	level     query.Level
	tenant    int64
	from      string // table and index of the statement for studies (or patients)
	inOrder   bool   // from yields the order of answers by itself
	studies   where
	series    where
	instances where

	restStudy    *query.Matcher // nil: SQL decides
	restSeries   *query.Matcher
	restInstance *query.Matcher
	header       bool // instances answer from their header

	// byUID: instances are asked for by SOP Instance UID. One statement finds them, and match,
	// with every key, has the last word.
	byUID bool
	uids  []string

	// many counts, up to a bound, what the chosen index would find; see choose.
	many     string
	manyArgs []any
	match    *query.Matcher
}

// wholeStudies reports whether everything in a study that matches is a match.
func (p *plan) wholeStudies() bool {
	return p.series.empty() && p.restSeries == nil &&
		(p.level == query.Series || p.instances.empty() && p.restInstance == nil)
}

// where is a conjunction.
type where struct {
	sql  strings.Builder
	args []any
}

func (w *where) and(sql string, args ...any) {
	w.sql.WriteString(" AND ")
	w.sql.WriteString(sql)
	w.args = append(w.args, args...)
}

func (w *where) empty() bool { return w.sql.Len() == 0 }

const (
	fromNewest    = `studies s INDEXED BY studies_newest WHERE s.tenant=?`
	fromAccession = `studies s INDEXED BY studies_accession WHERE s.tenant=?`
	fromPatientID = `studies s INDEXED BY studies_patient_id WHERE s.tenant=?`
	fromUID       = `studies s INDEXED BY studies_uid WHERE s.tenant=?`
	fromRow       = `studies s NOT INDEXED WHERE +s.tenant=?`
	fromPatients  = `patients p NOT INDEXED WHERE +p.tenant=?`
	fromPatient   = `patients p WHERE p.tenant=?`

	nameIs     = `s.id IN (SELECT study FROM study_names WHERE tenant=? AND kind=0 AND name=?)`
	nameBegins = `s.id IN (SELECT study FROM study_names WHERE tenant=? AND kind=0 AND name>=? AND name<? AND name GLOB ?)`
	wordBegins = `s.id IN (SELECT study FROM study_names WHERE tenant=? AND kind=1 AND name>=? AND name<?)`

	studyOfSeries = `s.id IN (SELECT study FROM series WHERE tenant=? AND uid`
)

// minPrefix is how many characters make a name selective enough to be looked up by.
const minPrefix = 2

// columns of single values, by level. The Canon of the attribute's first value is in them.
var studyColumn = map[tag.Tag]string{
	tag.StudyInstanceUID: "s.uid", tag.StudyDate: "s.study_date", tag.StudyTime: "s.study_time",
	tag.AccessionNumber: "s.accession", tag.StudyID: "s.study_id", tag.StudyDescription: "s.description",
	tag.PatientID: "s.patient_id", tag.IssuerOfPatientID: "s.issuer",
	tag.PatientBirthDate: "s.birth_date", tag.PatientSex: "s.sex",
}

var patientColumn = map[tag.Tag]string{
	tag.PatientID: "p.patient_id", tag.IssuerOfPatientID: "p.issuer",
	tag.PatientBirthDate: "p.birth_date", tag.PatientSex: "p.sex",
}

var seriesColumn = map[tag.Tag]string{
	tag.SeriesInstanceUID: "e.uid", tag.SeriesDescription: "e.description", tag.Modality: "e.modality",
	tag.BodyPartExamined: "e.body_part", tag.SeriesDate: "e.series_date",
}

var instanceColumn = map[tag.Tag]string{tag.SOPInstanceUID: "i.uid"}

// newPlan sorts the keys: into SQL, into matchers, or both.
func newPlan(tenant int64, q *query.Query) *plan {
	p := &plan{level: q.Level, tenant: tenant}
	if q.Level == query.Instance && equals(q, tag.SOPInstanceUID) {
		p.byUID, p.match = true, q.Compile()
		for i := range q.Keys {
			if k := &q.Keys[i]; len(k.Path) == 1 && k.Path[0] == tag.SOPInstanceUID {
				p.uids = k.Canon()
				break
			}
		}
		p.header = q.ReturnAll || attribute.Beyond(q, q.Keys)
		return p
	}
	var rest [4][]query.Key
	for _, k := range q.Keys {
		if len(k.Path) == 0 {
			continue
		}
		level := query.LevelOf(k.Path[0])
		if level == query.Patient && q.Level > query.Patient {
			level = query.Study
		}
		if level > q.Level || !p.push(q, level, k) {
			level = min(level, q.Level)
			rest[level] = append(rest[level], k)
		}
	}
	matcher := func(keys []query.Key) *query.Matcher {
		if len(keys) == 0 {
			return nil
		}
		return q.Compile(keys...)
	}
	p.restStudy = matcher(append(rest[query.Patient], rest[query.Study]...))
	p.restSeries, p.restInstance = matcher(rest[query.Series]), matcher(rest[query.Instance])
	p.drive(q)
	p.header = q.Level == query.Instance && (q.ReturnAll || attribute.Beyond(q, rest[query.Instance]))
	return p
}

// push adds a key to the SQL of its level and reports whether that decides it for good.
func (p *plan) push(q *query.Query, level query.Level, k query.Key) bool {
	t := k.Path[0]
	if len(k.Path) > 1 || k.VR != t.VR() {
		return false
	}
	switch level {
	case query.Patient:
		col, ok := patientColumn[t]
		return ok && text(&p.studies, col, k)
	case query.Study:
		switch t {
		case tag.PatientName:
			return p.name(q, k)
		case tag.ModalitiesInStudy:
			return modalities(&p.studies, k)
		}
		col, ok := studyColumn[t]
		return ok && text(&p.studies, col, k)
	case query.Series:
		switch t {
		case tag.SeriesNumber:
			return numbers(&p.series, "e.number", k)
		case tag.Modality:
			modalities(&p.studies, k) // a study without it need not be looked into
		}
		col, ok := seriesColumn[t]
		return ok && text(&p.series, col, k)
	}
	switch t {
	case tag.InstanceNumber:
		return numbers(&p.instances, "i.number", k)
	case tag.SOPClassUID:
		return classes(&p.instances, k)
	}
	col, ok := instanceColumn[t]
	return ok && text(&p.instances, col, k)
}

// drive chooses the index by which studies are found: what is most selective first.
func (p *plan) drive(q *query.Query) {
	if p.level == query.Patient {
		p.from, p.inOrder = fromPatients, true
		if equals(q, tag.PatientID) {
			p.from = fromPatient
		}
		return
	}
	switch {
	case equals(q, tag.StudyInstanceUID):
		p.from = fromUID
	case p.level >= query.Series && equals(q, tag.SeriesInstanceUID):
		p.from = fromRow
		p.underSeries(q)
	case equals(q, tag.AccessionNumber):
		p.from = fromAccession
	case equals(q, tag.PatientID):
		p.from = fromPatientID
	case begins(q, tag.AccessionNumber) != "":
		p.from = fromAccession
		p.estimate(manyAccessions, begins(q, tag.AccessionNumber))
	case begins(q, tag.PatientID) != "":
		p.from = fromPatientID
		p.estimate(manyPatientIDs, begins(q, tag.PatientID))
	case p.byName(q):
		p.from = fromRow
	default:
		p.from, p.inOrder = fromNewest, true
	}
}

// underSeries adds the studies of the series asked for by UID.
func (p *plan) underSeries(q *query.Query) {
	for i := range q.Keys {
		if k := &q.Keys[i]; len(k.Path) == 1 && k.Path[0] == tag.SeriesInstanceUID {
			cond, args := oneOf(k.Canon())
			p.studies.and(studyOfSeries+cond+")", append([]any{p.tenant}, args...)...)
			return
		}
	}
}

// equals reports whether the attribute is asked for by values without wildcard.
func equals(q *query.Query, t tag.Tag) bool {
	for i := range q.Keys {
		k := &q.Keys[i]
		if len(k.Path) == 1 && k.Path[0] == t && (k.Kind == query.Single || k.Kind == query.List || k.Kind == query.Wildcard) {
			for j := range k.Values {
				if k.Wild(j) {
					return false
				}
			}
			return true
		}
	}
	return false
}

// begins returns what a single pattern for the attribute begins with, if that is selective.
func begins(q *query.Query, t tag.Tag) string {
	for i := range q.Keys {
		if k := &q.Keys[i]; len(k.Path) == 1 && k.Path[0] == t && k.Kind == query.Wildcard {
			if pre := prefix(k.Canon()[0]); len(pre) >= minPrefix {
				return pre
			}
		}
	}
	return ""
}

// byName reports whether studies are found through study_names.
func (p *plan) byName(q *query.Query) bool {
	for i := range q.Keys {
		k := &q.Keys[i]
		if len(k.Path) != 1 || k.Path[0] != tag.PatientName || len(k.Values) != 1 || k.Kind == query.Range {
			continue
		}
		c := k.Canon()[0]
		switch words := query.Words(c); {
		case strings.Contains(c, "="):
			return false
		case q.Fuzzy:
			if k.Wild(0) || len(words) == 0 {
				return false
			}
			p.estimate(manyWords, words[0])
		case k.Wild(0):
			if len(prefix(c)) < minPrefix {
				return false
			}
			p.estimate(manyNames, prefix(c))
		}
		return true
	}
	return false
}

const (
	manyLimit      = ` LIMIT 2000)`
	manyAccessions = `SELECT count(*) FROM (SELECT 1 FROM studies WHERE tenant=? AND accession>=? AND accession<?` + manyLimit
	manyPatientIDs = `SELECT count(*) FROM (SELECT 1 FROM studies WHERE tenant=? AND patient_id>=? AND patient_id<?` + manyLimit
	manyNames      = `SELECT count(*) FROM (SELECT 1 FROM study_names WHERE tenant=? AND kind=0 AND name>=? AND name<?` + manyLimit
	manyWords      = `SELECT count(*) FROM (SELECT 1 FROM study_names WHERE tenant=? AND kind=1 AND name>=? AND name<?` + manyLimit
	selectStudyMax = `SELECT max(id) FROM studies`
)

func (p *plan) estimate(sql, begins string) {
	p.many, p.manyArgs = sql, []any{p.tenant, begins, begins + last}
}

// choose goes back from an index that would find too much to the order of answers: to sort all
// matches for one page costs more than to walk until the page is full. A match that is sorted is
// a row that is read, ten times what a step of the walk costs.
func (p *plan) choose(c *sqldb.Conn, q *query.Query) error {
	if p.many == "" || q.Limit == 0 {
		return nil
	}
	matches, err := c.Int(p.many, p.manyArgs...)
	if err != nil {
		return err
	}
	studies, err := c.Int(selectStudyMax)
	if err != nil {
		return err
	}
	if int64(q.Limit)+int64(q.Offset) < 10*matches*matches/max(studies, 1) {
		p.from, p.inOrder = fromNewest, true
	}
	return nil
}

// name adds PatientName: through study_names where the value begins with something, else by a
// scan of the order's index.
func (p *plan) name(q *query.Query, k query.Key) bool {
	if k.Kind == query.Empty {
		p.studies.and("s.name=''")
		return false
	}
	if len(k.Values) != 1 {
		return false
	}
	c, w := k.Canon()[0], &p.studies
	switch {
	case c == "":
		w.and("0")
		return true
	case strings.Contains(c, "=") && !q.Fuzzy:
		w.and("s.name GLOB ?", glob(c, k.Wild(0)))
		return true
	case q.Fuzzy && k.Wild(0) || strings.Contains(c, "="):
		for _, word := range query.Words(c) {
			w.and("instr(s.name, ?)>0", word)
		}
		return false
	case q.Fuzzy:
		words := query.Words(c)
		for _, word := range words {
			w.and(wordBegins, p.tenant, word, word+last)
		}
		if len(words) == 0 {
			w.and("0")
		}
		return true
	case !k.Wild(0):
		w.and(nameIs, p.tenant, c)
		return true
	}
	if pre := prefix(c); len(pre) >= minPrefix {
		w.and(nameBegins, p.tenant, pre, pre+last, glob(c, true))
		return true
	}
	// A name of several groups must be taken apart; there are few.
	w.and("(s.name GLOB ? OR instr(s.name, '=')>0)", glob(c, true))
	return false
}

// last is behind every string with the prefix it is appended to.
const last = "\U0010FFFF"

// text adds the condition of a key on a text column.
func text(w *where, col string, k query.Key) bool {
	switch k.Kind {
	case query.Empty:
		w.and(col + "=''") // also what is no date: not decided
		return false
	case query.Range:
		lo, hi := k.Bounds()
		if k.VR != vr.DA && k.VR != vr.TM {
			return false
		}
		w.and(col+">=?", max(lo, "0")) // '' is no date
		if hi != "" {
			w.and(col+"<=?", hi)
		}
		return true
	}
	var plain, patterns []string
	for i, c := range k.Canon() {
		switch {
		case c == "":
		case k.Wild(i):
			patterns = append(patterns, c)
		default:
			plain = append(plain, c)
		}
	}
	switch {
	case len(plain)+len(patterns) == 0:
		w.and("0")
	case len(patterns) == 0:
		cond, args := oneOf(plain)
		w.and(col+cond, args...)
	case len(patterns) == 1 && len(plain) == 0:
		if pre := prefix(patterns[0]); pre != "" {
			w.and(col+">=? AND "+col+"<?", pre, pre+last)
		}
		w.and(col+" GLOB ?", glob(patterns[0], true))
	default:
		var sql []string
		var args []any
		for _, c := range patterns {
			sql, args = append(sql, col+" GLOB ?"), append(args, glob(c, true))
		}
		if len(plain) > 0 {
			cond, more := oneOf(plain)
			sql, args = append(sql, col+cond), append(args, more...)
		}
		w.and("("+strings.Join(sql, " OR ")+")", args...)
	}
	return true
}

// oneOf is = for one value, and IN over a list that is one parameter whatever its length.
func oneOf(values []string) (string, []any) {
	if len(values) == 1 {
		return "=?", []any{values[0]}
	}
	b, _ := json.Marshal(values) // strings always marshal
	return " IN (SELECT value FROM json_each(?))", []any{string(b)}
}

// glob turns a DICOM pattern, or a plain value, into one of SQLite's GLOB, where [ is special.
func glob(s string, pattern bool) string {
	if !pattern {
		s = strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]").Replace(s)
		return s
	}
	return strings.ReplaceAll(s, "[", "[[]")
}

// prefix is what stands before the first wildcard.
func prefix(pattern string) string {
	if i := strings.IndexAny(pattern, "*?"); i >= 0 {
		return pattern[:i]
	}
	return pattern
}

// modalities narrows by the set of modalities kept with the study. Its case is as it came, so
// a pattern is left to the matcher.
func modalities(w *where, k query.Key) bool {
	if k.Kind != query.Single && k.Kind != query.List {
		return false
	}
	var sql []string
	var args []any
	for i, c := range k.Canon() {
		if k.Wild(i) {
			return false
		}
		if c != "" {
			sql, args = append(sql, `instr(lower(s.modalities), ?)>0`), append(args, `\`+c+`\`)
		}
	}
	if len(sql) == 0 {
		w.and("0")
		return true
	}
	w.and("("+strings.Join(sql, " OR ")+")", args...)
	return true
}

// numbers narrows by an IS column; what is no number is left to the matcher.
func numbers(w *where, col string, k query.Key) bool {
	if k.Kind != query.Single && k.Kind != query.List {
		return false
	}
	var ns []int64
	for _, v := range k.Values {
		n, ok := attribute.WholeNumber(v)
		if !ok {
			return false
		}
		ns = append(ns, n)
	}
	b, _ := json.Marshal(ns) // numbers always marshal
	w.and(col+" IN (SELECT value FROM json_each(?))", string(b))
	return true
}

func classes(w *where, k query.Key) bool {
	if k.Kind != query.Single && k.Kind != query.List {
		return false
	}
	cond, args := oneOf(k.Canon())
	w.and("i.class IN (SELECT id FROM terms WHERE term"+cond+")", args...)
	return true
}
