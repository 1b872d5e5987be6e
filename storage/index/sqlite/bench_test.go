package sqlite_test

import (
	"context"
	"fmt"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
)

func fill(b testing.TB, ix index.Index, g *indextest.Generator, n int) []index.Instance {
	b.Helper()
	var out []index.Instance
	const batch = 64
	for done := 0; done < n; {
		ins := make([]index.Instance, min(batch, n-done))
		errs := make(chan error, len(ins))
		for i := range ins {
			ins[i] = g.Next()
			in := ins[i]
			go func() {
				_, err := ix.Add(context.Background(), storage.DefaultTenant, in, false)
				errs <- err
			}()
		}
		for range ins {
			if err := <-errs; err != nil {
				b.Fatal(err)
			}
		}
		done += len(ins)
		out = append(out, index.Instance{StudyInstanceUID: ins[0].StudyInstanceUID, SeriesInstanceUID: ins[0].SeriesInstanceUID, SOPInstanceUID: ins[0].SOPInstanceUID, Dataset: ins[0].Dataset})
	}
	return out
}

// cpu returns the processor time the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU adds the processor time of the process per operation: on a machine shared with
// others it is steadier than wall time.
func reportCPU(b *testing.B) func() {
	before := cpu()
	return func() { b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-us/op") }
}

func BenchmarkAdd(b *testing.B) {
	for name, s := range map[string]indextest.Shape{"series200": {Series: 2, Instances: 200}, "study20": {Series: 2, Instances: 10}} {
		b.Run(name, func(b *testing.B) {
			ix := open(b, b.TempDir())
			defer ix.Close()
			g := indextest.New(1, s)
			ins := make([]index.Instance, b.N)
			for i := range ins {
				ins[i] = g.Next()
			}
			b.ReportAllocs()
			defer reportCPU(b)()
			b.ResetTimer()
			for i := range ins {
				if _, err := ix.Add(context.Background(), storage.DefaultTenant, ins[i], false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("parallel8", func(b *testing.B) {
		ix := open(b, b.TempDir())
		defer ix.Close()
		g := indextest.New(1, indextest.Shape{Series: 2, Instances: 200})
		ins := make(chan index.Instance, b.N)
		for range b.N {
			ins <- g.Next()
		}
		b.SetParallelism(4)
		defer reportCPU(b)()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := ix.Add(context.Background(), storage.DefaultTenant, <-ins, false); err != nil {
					b.Error(err)
				}
			}
		})
	})
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
		{"name_fuzzy25", query.Study, func(i int) string { return "PatientName=jan&fuzzymatching=true&limit=25" }},
		{"date50", query.Study, func(i int) string { return fmt.Sprintf("StudyDate=%d0101-%d0331&limit=50", 2015+i%10, 2015+i%10) }},
		{"modality50", query.Study, func(i int) string { return "ModalitiesInStudy=MR&limit=50" }},
		{"combined25", query.Study, func(i int) string {
			return "ModalitiesInStudy=CT&StudyDate=20180101-20211231&StudyDescription=*HEAD*&limit=25"
		}},
		{"page_first", query.Study, func(i int) string { return "limit=25&offset=0" }},
		{"page_deep", query.Study, func(i int) string { return "limit=25&offset=400" }},
		{"all500", query.Study, func(i int) string { return "" }},
		{"no_match", query.Study, func(i int) string { return "PatientID=NOBODY" }},
		{"series_of_study", query.Series, func(i int) string { return "StudyInstanceUID=" + st(i).StudyInstanceUID }},
		{"series_modality50", query.Series, func(i int) string { return "Modality=MR&limit=50" }},
		{"series_all1000", query.Series, func(i int) string { return "" }},
		{"instances_of_series", query.Instance, func(i int) string {
			return "StudyInstanceUID=" + st(i).StudyInstanceUID + "&SeriesInstanceUID=" + st(i).SeriesInstanceUID
		}},
		{"instances_deep", query.Instance, func(i int) string { return "limit=50&offset=9900" }},
		{"instances_deep_cold", query.Instance, func(i int) string { return fmt.Sprintf("limit=50&offset=%d", 9000+i%900) }},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
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
				for _, err := range ix.Find(context.Background(), storage.DefaultTenant, q) {
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

func BenchmarkSeries200(b *testing.B) {
	ix := open(b, b.TempDir())
	defer ix.Close()
	some := fill(b, ix, indextest.New(1, indextest.Shape{Series: 1, Instances: 200}), 2000)
	r := index.Ref{StudyInstanceUID: some[0].StudyInstanceUID}
	b.Run("locate", func(b *testing.B) { locate(b, ix, r, 0) })
	b.Run("locate_header", func(b *testing.B) { locate(b, ix, r, index.WithHeader) })
	b.Run("locate_one", func(b *testing.B) {
		locate(b, ix, index.Ref{StudyInstanceUID: r.StudyInstanceUID, SeriesInstanceUID: some[0].SeriesInstanceUID, SOPInstanceUID: some[0].SOPInstanceUID}, index.WithFrames)
	})
	for name, field := range map[string]string{"find": "", "find_all": "all"} {
		b.Run(name, func(b *testing.B) {
			q, err := query.FromParams(query.Instance, r.StudyInstanceUID, "", url.Values{"includefield": {field}})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				for _, err := range ix.Find(context.Background(), storage.DefaultTenant, q) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	b.Run("states", func(b *testing.B) {
		for b.Loop() {
			if _, err := ix.Series(context.Background(), storage.DefaultTenant, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func locate(b *testing.B, ix index.Index, r index.Ref, f index.Fields) {
	b.ReportAllocs()
	defer reportCPU(b)()
	for b.Loop() {
		for _, err := range ix.Locate(context.Background(), storage.DefaultTenant, r, f) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
