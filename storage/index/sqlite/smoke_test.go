package sqlite_test

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	ix, err := sqlite.Open(filepath.Join(t.TempDir(), "index.db"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	g := indextest.New(1, indextest.Shape{Series: 2, Instances: 10})
	for range 400 {
		if _, err := ix.Add(ctx, storage.DefaultTenant, g.Next(), false); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []query.Level{query.Patient, query.Study, query.Series, query.Instance} {
		q, _ := query.FromParams(l, "", "", url.Values{"offset": {"3"}})
		n := 0
		for d, err := range ix.Find(ctx, storage.DefaultTenant, q) {
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				t.Log(l, len(d.Elements))
			}
			n++
		}
		c, err := ix.Count(ctx, storage.DefaultTenant, q)
		t.Log(l, n, c, err)
	}
	n := 0
	for e, err := range ix.Locate(ctx, storage.DefaultTenant, index.Ref{}, index.WithHeader|index.WithFrames) {
		if err != nil || len(e.Header) == 0 {
			t.Fatal(err)
		}
		n++
	}
	t.Log(n)
	cs, err := ix.Changes(ctx, storage.DefaultTenant, 398, 10)
	t.Log(cs, err)
	tails, err := ix.Tails(ctx)
	t.Log(tails, err)
	ls, err := ix.Remove(ctx, storage.DefaultTenant, index.Ref{StudyInstanceUID: cs[0].StudyInstanceUID})
	t.Log(len(ls), err)
	r, err := ix.Recent(ctx, storage.DefaultTenant, 5)
	t.Log(len(r), err)
}
