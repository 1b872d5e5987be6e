package sqlite

import (
	"strconv"
	"strings"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
)

// deepPage is the offset from which on the place of a page is remembered. QIDO-RS can only page
// by offset; without a memory the cost of a page grows with its number.
const (
	deepPage      = 200
	maxPageStarts = 256
)

// pageStart is where a page begins: in a study, after so many matches of it.
type pageStart struct {
	studyKey
	within     int64
	generation int64
}

// pageCache remembers where pages of questions began or will begin. An entry holds as long as
// nothing was stored or removed.
type pageCache struct {
	lock   sync.Mutex
	starts map[string]pageStart
}

func (p *pageCache) get(key string) (pageStart, bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	s, ok := p.starts[key]
	return s, ok
}

func (p *pageCache) put(key string, s pageStart) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.starts == nil || len(p.starts) >= maxPageStarts {
		p.starts = make(map[string]pageStart)
	}
	p.starts[key] = s
}

// pageKey names a page of a question.
func pageKey(t storage.TenantID, q *query.Query, offset int64) string {
	var b strings.Builder
	b.WriteString(string(t))
	b.WriteByte(0)
	b.WriteByte(byte(q.Level))
	b.WriteString(strconv.FormatBool(q.Fuzzy))
	for _, k := range q.Keys {
		for _, t := range k.Path {
			b.WriteString(t.Hex())
		}
		b.WriteByte(byte(k.Kind))
		for _, v := range k.Values {
			b.WriteByte(0)
			b.WriteString(v)
		}
		b.WriteByte(1)
	}
	b.WriteString(strconv.FormatInt(offset, 10))
	return b.String()
}

// resume starts at the remembered place of the page, if there is one.
func (f *finder) resume() {
	f.first = &pageStart{generation: f.ix.generation.Load()}
	if f.skip < deepPage || f.plan.level == query.Patient || !f.plan.inOrder {
		return
	}
	s, ok := f.ix.pages.get(pageKey(f.tenant, f.q, f.skip))
	if ok && s.generation == f.first.generation {
		f.from, f.skip = &s.studyKey, s.within
		f.resumed = true
	}
}

// startHere notes where the first match lies.
func (f *finder) startHere() {
	if f.first == nil || f.first.id != 0 || len(f.studies) == 0 {
		return
	}
	f.first.studyKey, f.first.within = f.studies[0].studyKey, f.within-1
	if f.q.Offset >= deepPage && f.plan.inOrder && !f.resumed {
		f.ix.pages.put(pageKey(f.tenant, f.q, int64(f.q.Offset)), *f.first)
	}
}

// remember notes where the page behind this one begins: in the study of the last match.
func (f *finder) remember() {
	next := int64(f.q.Offset) + int64(f.q.Limit)
	if f.first == nil || f.first.id == 0 || next < deepPage || !f.plan.inOrder || f.counting {
		return
	}
	if f.last.id != 0 {
		s := f.last
		s.generation = f.first.generation
		f.ix.pages.put(pageKey(f.tenant, f.q, next), s)
	}
}
