package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/storage/index/attribute"
)

// plan is how a query is carried out: SQL narrows each level of the hierarchy, what SQL cannot
// decide is left to matchers. Studies come first, their series and instances by statements of
// their own. Where studies are found by something more selective than their order, a sub-select
// yields their ids, so that the server has no choice to get wrong: it looks those rows up and
// sorts them. Else it walks studies_newest.
type plan struct {
	level     query.Level
	tenant    int64
	inOrder   bool // studies are walked in the order of answers
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
	match *query.Matcher
}

// wholeStudies reports whether everything in a study that matches is a match.
func (p *plan) wholeStudies() bool {
	return p.series.empty() && p.restSeries == nil && (p.level == query.Series || p.wholeSeries())
}

// wholeSeries reports whether every instance of a series that matches is a match.
func (p *plan) wholeSeries() bool { return p.instances.empty() && p.restInstance == nil }

// where is a conjunction; ? stands for the arguments in turn.
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
	// ARRAY makes of the sub-select one look ahead of the statement, never a join.
	foundIn      = `s.id=ANY(ARRAY(SELECT f.id FROM studies f WHERE f.tenant=? AND f.`
	foundByName  = `s.id=ANY(ARRAY(SELECT n.study FROM study_names n WHERE n.tenant=? AND n.kind=? AND `
	foundBySerie = `s.id=ANY(ARRAY(SELECT f.study FROM series f WHERE f.tenant=? AND f.uid=ANY(?)))`
	nameIsLike   = `CASE WHEN strpos(s.name, '=')=0 THEN s.name LIKE ?
		ELSE EXISTS (SELECT 1 FROM unnest(string_to_array(s.name, '=')) g WHERE g LIKE ?) END`
	begins = `>=? AND `
	never  = `false`
)

// minPrefix is how many characters make a name selective enough to be looked up by.
const minPrefix = 2

// last is behind every string with the prefix it is appended to.
const last = "\U0010FFFF"

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
func newPlan(tenant int64, q *query.Query, lead *lead) *plan {
	p := &plan{level: q.Level, tenant: tenant}
	if k := exactly(q, tag.SOPInstanceUID); q.Level == query.Instance && k != nil {
		p.byUID, p.uids, p.match = true, texts(k.Canon()), q.Compile()
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
	p.inOrder = true
	if lead != nil && p.level > query.Patient {
		p.studies.and(lead.sql, append([]any{tenant}, lead.args...)...)
		p.inOrder = false
	}
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
		return ok && value(&p.studies, col, k)
	case query.Study:
		switch t {
		case tag.PatientName:
			return p.name(q, k)
		case tag.ModalitiesInStudy:
			return modalities(&p.studies, k)
		}
		col, ok := studyColumn[t]
		return ok && value(&p.studies, col, k)
	case query.Series:
		switch t {
		case tag.SeriesNumber:
			return numbers(&p.series, "e.number", k)
		case tag.Modality:
			modalities(&p.studies, k) // a study without it need not be looked into
		}
		col, ok := seriesColumn[t]
		return ok && value(&p.series, col, k)
	}
	switch t {
	case tag.InstanceNumber:
		return numbers(&p.instances, "i.number", k)
	case tag.SOPClassUID:
		return classes(&p.instances, p.tenant, k)
	}
	col, ok := instanceColumn[t]
	return ok && value(&p.instances, col, k)
}

// lead finds studies by something more selective than their order. many, where it is not
// certain to be, counts what it would find.
type lead struct {
	sql  string
	args []any // behind the tenant
	many string
}

const manyLimit = ` LIMIT 2000`

// chooseLead returns the most selective lead a query offers, nil when there is none.
func chooseLead(q *query.Query) *lead {
	prefixed := func(column, begin string) *lead {
		return &lead{sql: foundIn + column + begins + "f." + column + "<?))", args: []any{begin, begin + last},
			many: `SELECT 1 FROM studies WHERE tenant=? AND ` + column + begins + column + `<?` + manyLimit}
	}
	in := func(column string, k *query.Key) *lead {
		return &lead{sql: foundIn + column + "=ANY(?)))", args: []any{texts(k.Canon())}}
	}
	if k := exactly(q, tag.StudyInstanceUID); k != nil {
		return in("uid", k)
	}
	if k := exactly(q, tag.SeriesInstanceUID); k != nil && q.Level >= query.Series {
		return &lead{sql: foundBySerie, args: []any{texts(k.Canon())}}
	}
	if k := exactly(q, tag.AccessionNumber); k != nil {
		return in("accession", k)
	}
	if k := exactly(q, tag.PatientID); k != nil {
		return in("patient_id", k)
	}
	if b := beginning(q, tag.AccessionNumber); b != "" {
		return prefixed("accession", b)
	}
	if b := beginning(q, tag.PatientID); b != "" {
		return prefixed("patient_id", b)
	}
	return leadByName(q)
}

// leadByName finds studies through study_names.
func leadByName(q *query.Query) *lead {
	prefixed := func(kind int, begin string) *lead {
		return &lead{sql: foundByName + `n.name` + begins + `n.name<?))`, args: []any{kind, begin, begin + last},
			many: `SELECT 1 FROM study_names WHERE tenant=? AND kind=? AND name` + begins + `name<?` + manyLimit}
	}
	for i := range q.Keys {
		k := &q.Keys[i]
		if len(k.Path) != 1 || k.Path[0] != tag.PatientName || len(k.Values) != 1 || k.Kind == query.Range || k.Kind == query.Empty {
			continue
		}
		c := text(k.Canon()[0])
		words := query.Words(c)
		switch {
		case strings.Contains(c, "="):
		case q.Fuzzy && !k.Wild(0) && len(words) > 0:
			return prefixed(1, words[0])
		case !q.Fuzzy && k.Wild(0) && len(prefix(c)) >= minPrefix:
			return prefixed(0, prefix(c))
		case !q.Fuzzy && !k.Wild(0) && c != "":
			return &lead{sql: foundByName + `n.name=?))`, args: []any{0, c}}
		}
		return nil
	}
	return nil
}

// plan chooses a plan. A lead that would find too much is dropped for the order of answers: to
// sort all matches for one page costs more than to walk until the page is full.
func (ix *Index) plan(ctx context.Context, op string, tenant int64, q *query.Query) (*plan, error) {
	if q.Level == query.Patient {
		return newPlan(tenant, q, nil), nil
	}
	lead := chooseLead(q)
	if lead == nil || lead.many == "" || q.Limit == 0 {
		return newPlan(tenant, q, lead), nil
	}
	var matches, studies int64
	sql := number(`SELECT (SELECT count(*) FROM (` + lead.many + `) m), (SELECT studies FROM tenants WHERE id=?)`)
	args := append(append([]any{tenant}, lead.args...), tenant)
	err := ix.read(ctx, op, tenant, statement{sql, args, each(func(r pgx.Rows) error { return r.Scan(&matches, &studies) })})
	if err != nil {
		return nil, err
	}
	if int64(q.Limit)+int64(q.Offset) < 10*matches*matches/max(studies, 1) {
		lead = nil
	}
	return newPlan(tenant, q, lead), nil
}

// exactly returns the key of an attribute that is asked for by values without wildcard.
func exactly(q *query.Query, t tag.Tag) *query.Key {
	for i := range q.Keys {
		k := &q.Keys[i]
		if len(k.Path) != 1 || k.Path[0] != t || k.Kind != query.Single && k.Kind != query.List && k.Kind != query.Wildcard {
			continue
		}
		for j := range k.Values {
			if k.Wild(j) {
				return nil
			}
		}
		return k
	}
	return nil
}

// beginning returns what a single pattern for the attribute begins with, if that is selective.
func beginning(q *query.Query, t tag.Tag) string {
	for i := range q.Keys {
		if k := &q.Keys[i]; len(k.Path) == 1 && k.Path[0] == t && k.Kind == query.Wildcard {
			if pre := text(prefix(k.Canon()[0])); len(pre) >= minPrefix {
				return pre
			}
		}
	}
	return ""
}

func texts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = text(s)
	}
	return out
}

// name narrows by PatientName: any of its component groups may match.
func (p *plan) name(q *query.Query, k query.Key) bool {
	w := &p.studies
	if k.Kind == query.Empty {
		w.and("s.name=''")
		return false
	}
	if len(k.Values) != 1 {
		return false
	}
	c := text(k.Canon()[0])
	switch {
	case c == "":
		w.and(never)
		return true
	case strings.Contains(c, "=") && !q.Fuzzy:
		w.and("s.name LIKE ?", like(c, k.Wild(0)))
		return true
	case q.Fuzzy || strings.Contains(c, "="):
		for _, word := range query.Words(c) {
			w.and("strpos(s.name, ?)>0", word)
		}
		return false
	}
	pattern := like(c, k.Wild(0))
	w.and(nameIsLike, pattern, pattern)
	return true
}

// value adds the condition of a key on a text column.
func value(w *where, col string, k query.Key) bool {
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
		switch c = text(c); {
		case c == "":
		case k.Wild(i):
			patterns = append(patterns, c)
		default:
			plain = append(plain, c)
		}
	}
	switch {
	case len(plain)+len(patterns) == 0:
		w.and(never)
	case len(patterns) == 0 && len(plain) == 1:
		w.and(col+"=?", plain[0])
	case len(patterns) == 0:
		w.and(col+"=ANY(?)", plain)
	case len(patterns) == 1 && len(plain) == 0:
		if pre := prefix(patterns[0]); pre != "" {
			w.and(col+">=? AND "+col+"<?", pre, pre+last)
		}
		w.and(col+" LIKE ?", like(patterns[0], true))
	default:
		sql, args := []string{col + "=ANY(?)"}, []any{plain}
		for _, c := range patterns {
			sql, args = append(sql, col+" LIKE ?"), append(args, like(c, true))
		}
		w.and("("+strings.Join(sql, " OR ")+")", args...)
	}
	return true
}

var (
	literal = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	pattern = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`, `?`, `_`)
)

// like turns a DICOM pattern, or a plain value, into one of LIKE.
func like(s string, wild bool) string {
	if wild {
		return pattern.Replace(s)
	}
	return literal.Replace(s)
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
			sql, args = append(sql, `strpos(lower(s.modalities), ?)>0`), append(args, `\`+text(c)+`\`)
		}
	}
	if len(sql) == 0 {
		w.and(never)
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
	w.and(col+"=ANY(?)", ns)
	return true
}

func classes(w *where, tenant int64, k query.Key) bool {
	if k.Kind != query.Single && k.Kind != query.List {
		return false
	}
	w.and("i.class=ANY(ARRAY(SELECT id FROM terms WHERE tenant=? AND term=ANY(?)))", tenant, texts(k.Canon()))
	return true
}
