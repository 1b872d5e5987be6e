package sqlite_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
)

// TestScale loads AURELIUS_SCALE instances (200000 takes about a minute) and compares the rate
// of Add and the time of queries at the beginning and at the end.
func TestScale(t *testing.T) {
	total, err := strconv.Atoi(os.Getenv("AURELIUS_SCALE"))
	if err != nil {
		t.Skip("AURELIUS_SCALE is not set")
	}
	const step = 10_000
	ix := open(t, t.TempDir())
	defer ix.Close()
	g := indextest.New(1, indextest.Shape{Series: 2, Instances: 10})
	var rates []float64
	ask := func(params string, at func(i int) int) time.Duration {
		var took []time.Duration
		for i := range 400 {
			v, err := url.ParseQuery(fmt.Sprintf(params, at(i)))
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			q, err := query.FromParams(query.Study, "", "", v)
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range ix.Find(context.Background(), storage.DefaultTenant, q) {
				if err != nil {
					t.Fatal(err)
				}
			}
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	var first, last [4]time.Duration
	for done := 0; done < total; done += step {
		used := cpu()
		begin := time.Now()
		fill(t, ix, g, step)
		wall := time.Since(begin)
		rates = append(rates, step/(cpu()-used).Seconds())
		studies := (done + step) / 20
		last = [4]time.Duration{
			ask("PatientID=PAT%06d", func(i int) int { return i * 7919 % (studies * 7 / 10) }),
			ask("AccessionNumber=ACC%07d", func(i int) int { return i * 7919 % studies }),
			ask("PatientName=smi*&limit=25&offset=%d", func(int) int { return 0 }),
			ask("StudyDate=%d0101-&limit=25", func(i int) int { return 2016 + i%8 }),
		}
		if done == 0 {
			first = last
		}
		if done%(5*step) == 0 || done+step >= total {
			t.Logf("%7d: Add %.0f/s wall, %.0f per CPU second; PatientID %v, AccessionNumber %v, name prefix %v, date %v",
				done+step, step/wall.Seconds(), rates[len(rates)-1], last[0], last[1], last[2], last[3])
		}
	}
	t.Logf("Add, last 10k against first 10k: %.2f; PatientID %.2f", rates[len(rates)-1]/rates[0], float64(last[0])/float64(first[0]))
}
