package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
)

const tenant = storage.DefaultTenant

func take(g *indextest.Generator, n int) []index.Instance {
	out := make([]index.Instance, n)
	for i := range out {
		out[i] = g.Next()
	}
	return out
}

// TestTwoNodes lets two nodes, 32 senders each, store one study, while both read the feed: no
// count may be off, no change may be missed or seen twice, and of what both send one wins.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	nodes := []node{openNode(t, dir), openNode(t, dir)}
	const senders, each = 32, 12
	ins := take(indextest.New(1, indextest.Shape{Series: 4, Instances: senders * each / 4}), senders*each)

	feeds := make([][]index.Change, len(nodes))
	var readers, writers sync.WaitGroup
	stop := make(chan struct{})
	for i, n := range nodes {
		readers.Go(func() {
			for last := false; ; {
				after := int64(len(feeds[i]))
				cs, err := n.Changes(ctx, tenant, after, 50)
				if err != nil {
					t.Error(err)
					return
				}
				feeds[i] = append(feeds[i], cs...)
				if last && len(cs) == 0 {
					return
				}
				select {
				case <-stop:
					last = true
				default:
				}
			}
		})
	}
	var stored, newStudies, newSeries atomic.Int64
	winners := make([]atomic.Int64, len(ins))
	for s := range senders {
		for i, n := range nodes {
			writers.Go(func() {
				for j := range each {
					at := s*each + j
					in := ins[at]
					// Different bytes under one UID, at the same moment.
					in.Blob.Location.Object = storage.Key(fmt.Sprintf("default/node%d", i))
					in.DatasetCRC += uint32(i)
					got, err := n.Add(ctx, tenant, in, false)
					switch {
					case err != nil:
						t.Error(err)
					case got.Existing == nil:
						stored.Add(1)
						winners[at].Add(int64(in.DatasetCRC) + 1)
					case got.Existing.SOPInstanceUID != in.SOPInstanceUID:
						t.Errorf("existing: %+v", got.Existing)
					}
					if got.NewStudy {
						newStudies.Add(1)
					}
					if got.NewSeries {
						newSeries.Add(1)
					}
				}
			})
		}
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	for what, c := range map[string][2]int64{"stored": {stored.Load(), senders * each}, "new studies": {newStudies.Load(), 1},
		"new series": {newSeries.Load(), 4}} {
		if c[0] != c[1] {
			t.Errorf("%s: %d, want %d", what, c[0], c[1])
		}
	}
	for i, feed := range feeds {
		seen := make(map[string]bool)
		for j, c := range feed {
			if c.Sequence != int64(j+1) || seen[c.SOPInstanceUID] {
				t.Fatalf("node %d: change %d has sequence %d, seen %v", i, j, c.Sequence, seen[c.SOPInstanceUID])
			}
			seen[c.SOPInstanceUID] = true
		}
		if len(feed) != len(ins) {
			t.Errorf("node %d read %d changes", i, len(feed))
		}
	}
	for _, n := range nodes {
		for d, err := range n.Find(ctx, tenant, &query.Query{Level: query.Study}) {
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Text(tag.NumberOfStudyRelatedInstances); got != fmt.Sprint(len(ins)) {
				t.Errorf("instances of the study: %s", got)
			}
		}
		for e, err := range n.Locate(ctx, tenant, index.Ref{}, 0) {
			if err != nil {
				t.Fatal(err)
			}
			for at := range ins {
				if ins[at].SOPInstanceUID == e.SOPInstanceUID && winners[at].Load() != int64(e.DatasetCRC)+1 {
					t.Errorf("the one that lost is there")
				}
			}
		}
		u, err := n.Usage(ctx, tenant)
		if err != nil || u.Studies != 1 || u.Series != 4 || u.Instances != int64(len(ins)) {
			t.Errorf("usage: %+v, %v", u, err)
		}
	}
	for _, n := range nodes {
		n.Close()
	}
}

// TestRemovedElsewhere: what a node remembers of a study is of no use when another node removed
// it and stored it anew.
func TestRemovedElsewhere(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	a, b := openNode(t, dir), openNode(t, dir)
	defer a.Close()
	defer b.Close()
	ins := take(indextest.New(2, indextest.Shape{Series: 1, Instances: 4}), 4)
	add := func(n node, in index.Instance) index.Added {
		t.Helper()
		got, err := n.Add(ctx, tenant, in, false)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	add(a, ins[0])
	ref := index.Ref{StudyInstanceUID: ins[0].StudyInstanceUID}
	if _, err := b.Remove(ctx, tenant, ref); err != nil {
		t.Fatal(err)
	}
	if got := add(a, ins[1]); !got.NewStudy || !got.NewSeries {
		t.Errorf("after it was removed elsewhere: %+v", got)
	}
	if _, err := b.Remove(ctx, tenant, ref); err != nil {
		t.Fatal(err)
	}
	poor := ins[2]
	poor.Dataset = poor.Dataset.Clone()
	poor.Dataset.Delete(tag.StudyDescription)
	poor.Dataset.Delete(tag.BodyPartExamined)
	add(b, poor)
	full := ins[3]
	full.Dataset = full.Dataset.Clone()
	full.Dataset.SetText(tag.StudyDescription, ins[1].Dataset.Text(tag.StudyDescription))
	add(a, full)
	for d, err := range a.Find(ctx, tenant, &query.Query{Level: query.Series}) {
		if err != nil {
			t.Fatal(err)
		}
		if d.Text(tag.StudyDescription) != full.Dataset.Text(tag.StudyDescription) || d.Text(tag.BodyPartExamined) != full.Dataset.Text(tag.BodyPartExamined) {
			t.Errorf("not filled in: %q, %q", d.Text(tag.StudyDescription), d.Text(tag.BodyPartExamined))
		}
	}
}

// TestAddAgain: an Add whose answer was lost is repeated.
func TestAddAgain(t *testing.T) {
	t.Parallel()
	n := openNode(t, t.TempDir())
	defer n.Close()
	in := indextest.New(3, indextest.Shape{Series: 1, Instances: 1}).Next()
	for round := range 2 {
		got, err := n.Add(context.Background(), tenant, in, false)
		if err != nil || (got.Existing != nil) != (round == 1) || round == 1 && got.Existing.Location != in.Blob.Location {
			t.Errorf("round %d: %+v, %v", round, got, err)
		}
	}
}

// TestOddValues stores what a text column cannot hold as it is.
func TestOddValues(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	n := openNode(t, t.TempDir())
	defer n.Close()
	in := indextest.New(4, indextest.Shape{Series: 1, Instances: 1}).Next()
	long := make([]byte, 4000)
	for i := range long {
		long[i] = 'a' + byte(i*i%23)
	}
	in.Dataset.SetText(tag.PatientName, "Nul\x00Name\xff^\xfe")
	in.Dataset.SetText(tag.AccessionNumber, string(long))
	in.Dataset.SetText(tag.StudyDescription, string(long))
	in.Dataset.SetText(tag.PatientID, "A\x00B")
	if _, err := n.Add(ctx, tenant, in, false); err != nil {
		t.Fatal(err)
	}
	for _, k := range []query.Key{
		{Path: []tag.Tag{tag.PatientID}, VR: tag.PatientID.VR(), Kind: query.Single, Values: []string{"A\x00B"}},
		{Path: []tag.Tag{tag.AccessionNumber}, VR: tag.AccessionNumber.VR(), Kind: query.Single, Values: []string{string(long)}},
	} {
		c, err := n.Count(ctx, tenant, &query.Query{Level: query.Study, Keys: []query.Key{k}})
		if err != nil || c != 1 {
			t.Errorf("%v: %d, %v", k.Path, c, err)
		}
	}
}

// TestRowSecurity goes around the index, on a connection of its own as the role that owns the
// tables: whoever names one tenant sees and touches no other's rows, and who names none nothing.
func TestRowSecurity(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	n := openNode(t, dir)
	defer n.Close()
	in := indextest.New(5, indextest.Shape{Series: 1, Instances: 1}).Next()
	for _, name := range []storage.TenantID{"one", "two"} {
		if _, err := n.Add(ctx, name, in, false); err != nil {
			t.Fatal(err)
		}
	}
	// Every table has a row of each tenant.
	for i, name := range []storage.TenantID{"one", "two"} {
		more := in
		more.SOPInstanceUID += fmt.Sprint(".", i)
		if _, err := n.Add(ctx, name, more, false); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Discard(ctx, name, index.Ref{SOPInstanceUID: more.SOPInstanceUID}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	c, err := pgx.Connect(ctx, address(t, schema(dir)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	rows, err := c.Query(ctx, `SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c
		WHERE c.relnamespace=$1::text::regnamespace AND c.relkind='r' AND c.relname<>'schema_migrations'`, schema(dir))
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		var forced bool
		if err := rows.Scan(&name, &forced); err != nil {
			t.Fatal(err)
		}
		if !forced {
			t.Errorf("%s has no row-level security", name)
		}
		tables = append(tables, name)
	}
	if len(tables) < 14 {
		t.Fatalf("tables: %v", tables)
	}
	count := func(sql string) (n int) {
		t.Helper()
		if err := c.QueryRow(ctx, sql).Scan(&n); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
		return n
	}
	set := func(tenant string) { c.Exec(ctx, `SELECT set_config('aurelius.tenant', $1, false)`, tenant) }
	if _, err := c.Exec(ctx, `SELECT 1 FROM studies`); err == nil {
		t.Error("who names no tenant reads studies")
	}
	set("1")
	for _, table := range tables {
		column := "tenant"
		if table == "tenants" {
			column = "id"
		}
		if n := count(fmt.Sprintf(`SELECT count(*) FROM %s WHERE %s<>1`, table, column)); n != 0 {
			t.Errorf("%d rows of another tenant in %s", n, table)
		}
	}
	if count(`SELECT count(*) FROM studies`) != 1 {
		t.Error("its own study is hidden too")
	}
	for _, sql := range []string{`UPDATE studies SET name='x' WHERE tenant=2`, `DELETE FROM instances WHERE tenant=2`} {
		if r, err := c.Exec(ctx, sql); err != nil || r.RowsAffected() != 0 {
			t.Errorf("%s: %v, %v", sql, r, err)
		}
	}
	for _, sql := range []string{`UPDATE studies SET tenant=2`, `INSERT INTO study_names VALUES (2, 0, 'x', 1)`} {
		if _, err := c.Exec(ctx, sql); err == nil {
			t.Errorf("%s went through", sql)
		}
	}
	set("0")
	if count(`SELECT count(*) FROM studies`) != 2 {
		t.Error("maintenance does not see both")
	}
	set("")
	if _, err := c.Exec(ctx, `SELECT 1 FROM studies`); err == nil {
		t.Error("an empty tenant reads studies")
	}
}

// TestAway takes the server's connections away in the middle: an Add fails or has stored, never
// both, and the next one finds its way.
func TestAway(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	n := openNode(t, dir)
	defer n.Close()
	admin, err := pgx.Connect(ctx, server.admin.String())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(ctx)
	stored := make(map[string]bool)
	for i, in := range take(indextest.New(6, indextest.Shape{Series: 2, Instances: 20}), 40) {
		if i%10 == 5 {
			if _, err := admin.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name=$1`, schema(dir)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := n.Add(ctx, tenant, in, false)
		for tries := 0; errs.Is(err, errs.Unavailable) && tries < 20; tries++ {
			got, err = n.Add(ctx, tenant, in, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got.Existing != nil && got.Existing.Location != in.Blob.Location {
			t.Errorf("existing: %+v", got.Existing)
		}
		stored[in.SOPInstanceUID] = true
	}
	found := 0
	for e, err := range n.Locate(ctx, tenant, index.Ref{}, 0) {
		if err != nil || !stored[e.SOPInstanceUID] {
			t.Fatalf("%+v, %v", e, err)
		}
		found++
	}
	if found != len(stored) {
		t.Errorf("%d of %d", found, len(stored))
	}
	cs, err := n.Changes(ctx, tenant, 0, 0)
	if err != nil || len(cs) != len(stored) {
		t.Errorf("%d changes, %v", len(cs), err)
	}
}
