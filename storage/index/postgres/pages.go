package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage/index/page"
)

// pageStart is where a page begins: in a study, after so many matches of it. It holds as long as
// nothing was stored or removed, on this node or another: the tenant's last change says so.
type pageStart struct {
	studyKey
	within int64
	change int64 // last change of the tenant when it was noted
}

const selectLastChange = `SELECT seq FROM tenants WHERE id=$1`

// resume starts at the remembered place of the page, if there is one.
func (f *finder) resume(ctx context.Context) error {
	if f.plan.level == query.Patient || !f.plan.inOrder || f.counting || f.skip+max(f.left, 0) < page.Deep {
		return nil
	}
	f.first = &pageStart{}
	err := f.ix.read(ctx, f.op, f.tenant, statement{selectLastChange, []any{f.tenant}, each(func(r pgx.Rows) error {
		return r.Scan(&f.first.change)
	})})
	if err != nil || f.skip < page.Deep {
		return err
	}
	if s, ok := f.ix.pages.Get(f.pageKey(f.skip)); ok && s.change == f.first.change {
		f.from, f.skip, f.resumed = &s.studyKey, s.within, true
	}
	return nil
}

func (f *finder) pageKey(offset int64) string { return page.Key(f.name, f.q, offset) }

// startHere notes where the first match lies.
func (f *finder) startHere(st *studyRow) {
	if f.first == nil || f.first.id != 0 {
		return
	}
	f.first.studyKey, f.first.within = st.studyKey, st.passed-1
	if f.q.Offset >= page.Deep && !f.resumed {
		f.ix.pages.Put(f.pageKey(int64(f.q.Offset)), *f.first)
	}
}

// remember notes where the page behind this one begins: in the study of the last match.
func (f *finder) remember(st *studyRow) {
	next := int64(f.q.Offset) + int64(f.q.Limit)
	if f.first != nil && next >= page.Deep {
		f.ix.pages.Put(f.pageKey(next), pageStart{studyKey: st.studyKey, within: st.passed, change: f.first.change})
	}
}
