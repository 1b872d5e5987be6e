package postgres

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

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
	within int64
	change int64 // last change of the tenant when it was noted
}

// pageCache remembers where pages of questions begin. An entry holds as long as nothing was
// stored or removed, on this node or another: the tenant's last change says so.
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

const selectLastChange = `SELECT seq FROM tenants WHERE id=$1`

// resume starts at the remembered place of the page, if there is one.
func (f *finder) resume(ctx context.Context) error {
	if f.plan.level == query.Patient || !f.plan.inOrder || f.counting || f.skip+max(f.left, 0) < deepPage {
		return nil
	}
	f.first = &pageStart{}
	err := f.ix.read(ctx, f.op, f.tenant, statement{selectLastChange, []any{f.tenant}, each(func(r pgx.Rows) error {
		return r.Scan(&f.first.change)
	})})
	if err != nil || f.skip < deepPage {
		return err
	}
	if s, ok := f.ix.pages.get(f.pageKey(f.skip)); ok && s.change == f.first.change {
		f.from, f.skip, f.resumed = &s.studyKey, s.within, true
	}
	return nil
}

func (f *finder) pageKey(offset int64) string { return pageKey(f.name, f.q, offset) }

// startHere notes where the first match lies.
func (f *finder) startHere(st *studyRow) {
	if f.first == nil || f.first.id != 0 {
		return
	}
	f.first.studyKey, f.first.within = st.studyKey, st.passed-1
	if f.q.Offset >= deepPage && !f.resumed {
		f.ix.pages.put(f.pageKey(int64(f.q.Offset)), *f.first)
	}
}

// remember notes where the page behind this one begins: in the study of the last match.
func (f *finder) remember(st *studyRow) {
	next := int64(f.q.Offset) + int64(f.q.Limit)
	if f.first != nil && next >= deepPage {
		f.ix.pages.put(f.pageKey(next), pageStart{studyKey: st.studyKey, within: st.passed, change: f.first.change})
	}
}
