package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/postgres"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// fill adds n instances, many at a time, and returns one of each hundred.
func fill(t testing.TB, ix index.Index, g *indextest.Generator, n int) []index.Instance {
	t.Helper()
	ins := make(chan index.Instance)
	var wg sync.WaitGroup
	for range 128 {
		wg.Go(func() {
			for in := range ins {
				if _, err := ix.Add(context.Background(), tenant, in, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var some []index.Instance
	for i := range n {
		in := g.Next()
		if i%100 == 0 {
			some = append(some, in)
		}
		ins <- in
	}
	close(ins)
	wg.Wait()
	return some
}

// BenchmarkAgainstSQLite interleaves rounds of Add on both engines, on one machine and one disk,
// and reports the ratio of their medians: the machine is shared, so no figure stands alone.
// PostgreSQL runs with fsync (PG_DURABLE=1) and every Add of it is durable; SQLite's is not.
func BenchmarkAgainstSQLite(b *testing.B) {
	part := testkit.NewPart(b, "postgres", "PG_DURABLE=1")
	db := connect(b, part.URL)
	pg, err := postgres.Open(context.Background(), db, postgres.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	defer pg.Close()
	lite, err := sqlite.Open(filepath.Join(b.TempDir(), "index.db"), sqlite.Config{DB: sqldb.Config{}})
	if err != nil {
		b.Fatal(err)
	}
	defer lite.Close()
	g := indextest.New(1, indextest.Shape{Series: 2, Instances: 100})
	for _, callers := range []int{1, 4, 32} {
		b.Run(fmt.Sprintf("callers%d", callers), func(b *testing.B) {
			for b.Loop() {
				var took [2][]float64
				added, used := 0, cpu(b, part.PID)
				for range 8 {
					for i, ix := range []index.Index{lite, pg} {
						ins := take(g, 100*min(callers, 8))
						added += len(ins) * i
						begin := time.Now()
						share(b, ix, ins, callers)
						took[i] = append(took[i], float64(len(ins))/time.Since(begin).Seconds())
					}
				}
				used = cpu(b, part.PID) - used
				for i := range took {
					slices.Sort(took[i])
				}
				b.ReportMetric(float64(used.Microseconds())/float64(added), "server-cpu-us/add")
				b.ReportMetric(took[0][4], "sqlite/s")
				b.ReportMetric(took[1][4], "postgres/s")
				b.ReportMetric(took[1][4]/took[0][4], "ratio")
			}
		})
	}
}

// cpu returns the processor time of the server's processes: on a machine shared with others it is
// steadier than the clock. A connection that ended is missing; here none does.
func cpu(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	pids := []string{strconv.Itoa(pid)}
	if children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)); err == nil {
		pids = append(pids, strings.Fields(string(children))...)
	}
	for _, p := range pids {
		stat, err := os.ReadFile("/proc/" + p + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, f := range fields[11:13] { // utime, stime in ticks of 10 ms
			ticks, err := strconv.Atoi(f)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum
}

func share(b *testing.B, ix index.Index, ins []index.Instance, callers int) {
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := c; i < len(ins); i += callers {
				if _, err := ix.Add(context.Background(), tenant, ins[i], false); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkFind(b *testing.B) {
	ix := open(b, b.TempDir())
	defer ix.Close()
	// 500 studies of 20 instances, as the bench harness has.
	some := fill(b, ix, indextest.New(1, indextest.Shape{Series: 2, Instances: 10}), 10_000)
	st := func(i int) index.Instance { return some[i%len(some)] }
	for _, q := range []struct {
		name  string
		level query.Level
		at    func(i int) string
	}{
		{"patient_id", query.Study, func(i int) string { return fmt.Sprintf("PatientID=PAT%06d", i%350) }},
		{"accession", query.Study, func(i int) string { return fmt.Sprintf("AccessionNumber=ACC%07d", i%500) }},
		{"study_uid", query.Study, func(i int) string { return "StudyInstanceUID=" + st(i).StudyInstanceUID }},
		{"sop_uid", query.Instance, func(i int) string { return "SOPInstanceUID=" + st(i).SOPInstanceUID }},
		{"name_prefix25", query.Study, func(i int) string { return "PatientName=smi*&limit=25" }},
		{"name_infix25", query.Study, func(i int) string { return "PatientName=*john*&limit=25" }},
		{"modality50", query.Study, func(i int) string { return "ModalitiesInStudy=MR&limit=50" }},
		{"page_deep", query.Study, func(i int) string { return "limit=25&offset=400" }},
		{"all500", query.Study, func(i int) string { return "" }},
		{"series_all1000", query.Series, func(i int) string { return "" }},
		{"instances_of_series", query.Instance, func(i int) string {
			return "StudyInstanceUID=" + st(i).StudyInstanceUID + "&SeriesInstanceUID=" + st(i).SeriesInstanceUID
		}},
		{"instances_first", query.Instance, func(i int) string { return "limit=50" }},
		{"instances_deep", query.Instance, func(i int) string { return "limit=50&offset=9900" }},
		{"instances_deep_cold", query.Instance, func(i int) string { return fmt.Sprintf("limit=50&offset=%d", 9000+i%900) }},
	} {
		b.Run(q.name, func(b *testing.B) {
			n := 0
			for i := 0; b.Loop(); i++ {
				v, err := url.ParseQuery(q.at(i))
				if err != nil {
					b.Fatal(err)
				}
				q, err := query.FromParams(q.level, "", "", v)
				if err != nil {
					b.Fatal(err)
				}
				for _, err := range ix.Find(context.Background(), tenant, q) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n)/float64(b.N), "matches/op")
		})
	}
}
