package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

const (
	senders   = 256 // goroutines that add: as many as a commit can carry twice over
	saveEvery = 20  // studies between two notes of how far the load has got
	single    = 4   // senders of the measured last part, as four associations
	lastPart  = 4000
	longPart  = 100_000 // instances of the bulk rate
)

// progress of a load: what is in the index for certain.
type progress struct {
	Studies   int `json:"studies"`
	Instances int `json:"instances"`
}

// loaded is what a load measured.
type loaded struct {
	progress
	Seconds  float64 `json:"seconds"`
	BulkRate float64 `json:"bulk_rate"` // Adds/s of the last longPart instances, senders at a time
	Rate4    float64 `json:"rate_4"`    // Adds/s of the last part with four senders
	RSS      int64   `json:"rss"`       // peak
}

func progressFile(dir, engine string) string { return filepath.Join(dir, engine+".progress.json") }

func readProgress(dir, engine string) (p progress, err error) {
	b, err := os.ReadFile(progressFile(dir, engine))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(b, &p)
}

func (p progress) save(dir, engine string) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	tmp := progressFile(dir, engine) + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, progressFile(dir, engine))
}

// load fills the index until it holds at least `to` instances, from where it was.
func load(ctx context.Context, h hospital, e engine, dir string, to int) (out loaded, err error) {
	p, err := readProgress(dir, e.name)
	if err != nil {
		return out, err
	}
	ix, err := e.open(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	l := &loader{h: h, ix: ix, dir: dir, engine: e.name, progress: p}
	begin := time.Now()
	if err := l.fill(ctx, to-lastPart-longPart, senders); err != nil {
		return out, err
	}
	if out.BulkRate, err = l.timed(ctx, to-lastPart, senders); err != nil {
		return out, err
	}
	if out.Rate4, err = l.timed(ctx, to, single); err != nil {
		return out, err
	}
	out.progress, out.Seconds = l.progress, time.Since(begin).Seconds()
	out.RSS = peakRSS()
	return out, nil
}

type loader struct {
	h      hospital
	ix     index.Index
	dir    string
	engine string
	progress
}

func (l *loader) timed(ctx context.Context, to, n int) (float64, error) {
	before, begin := l.Instances, time.Now()
	if err := l.fill(ctx, to, n); err != nil || l.Instances == before {
		return 0, err
	}
	return float64(l.Instances-before) / time.Since(begin).Seconds(), nil
}

// job is an instance to be made and added.
type job struct {
	scan *scan
	k    int
}

// fill adds whole studies with n senders until `to` instances are there.
func (l *loader) fill(ctx context.Context, to, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	told := time.Now()
	for l.Instances < to {
		jobs := make(chan job, n)
		var wg sync.WaitGroup
		var there atomic.Int64
		for range n {
			wg.Go(func() {
				for j := range jobs {
					if ctx.Err() != nil {
						continue
					}
					if err := l.add(ctx, j, &there); err != nil {
						cancel(err)
					}
				}
			})
		}
		next := l.progress
		for s := 0; s < saveEvery && next.Instances < to; s++ {
			next.Instances += l.study(next.Studies, jobs)
			next.Studies++
		}
		close(jobs)
		wg.Wait()
		if err := context.Cause(ctx); err != nil {
			return err
		}
		l.progress = next
		if err := l.save(l.dir, l.engine); err != nil {
			return err
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "%s %s %d instances (%d were there)\n", told.Format(time.TimeOnly), l.engine, l.Instances, there.Load())
		}
	}
	return nil
}

// study hands out the instances of the nth study and returns how many there are.
func (l *loader) study(n int, jobs chan<- job) int {
	st := l.h.study(n)
	before := 0
	for i := range st.series {
		sc := l.h.newScan(st, &st.series[i], before)
		for k := 1; k <= st.series[i].instances; k++ {
			jobs <- job{sc, k}
		}
		before += st.series[i].instances
	}
	return before
}

func (l *loader) add(ctx context.Context, j job, there *atomic.Int64) error {
	in, err := j.scan.instance(j.k)
	if err != nil {
		return err
	}
	done, err := l.ix.Add(ctx, storage.DefaultTenant, in, false)
	if done.Existing != nil { // of a load that was broken off
		there.Add(1)
	}
	return err
}
