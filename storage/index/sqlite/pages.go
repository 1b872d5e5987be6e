package sqlite

import (
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage/index/page"
)

// pageStart is where a page begins: in a study, after so many matches of it. It holds as long as
// nothing was stored or removed.
type pageStart struct {
	studyKey
	within     int64
	generation int64
}

// resume starts at the remembered place of the page, if there is one.
func (f *finder) resume() {
	f.first = &pageStart{generation: f.ix.generation.Load()}
	if f.skip < page.Deep || f.plan.level == query.Patient || !f.plan.inOrder {
		return
	}
	s, ok := f.ix.pages.Get(page.Key(f.tenant, f.q, f.skip))
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
	if f.q.Offset >= page.Deep && f.plan.inOrder && !f.resumed {
		f.ix.pages.Put(page.Key(f.tenant, f.q, int64(f.q.Offset)), *f.first)
	}
}

// remember notes where the page behind this one begins: in the study of the last match.
func (f *finder) remember() {
	next := int64(f.q.Offset) + int64(f.q.Limit)
	if f.first == nil || f.first.id == 0 || next < page.Deep || !f.plan.inOrder || f.counting {
		return
	}
	if f.last.id != 0 {
		s := f.last
		s.generation = f.first.generation
		f.ix.pages.Put(page.Key(f.tenant, f.q, next), s)
	}
}
