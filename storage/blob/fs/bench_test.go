package fs_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
)

// BenchmarkCommit compares ways to make a record durable, each with 1 and 4 writers: packs as
// this package has them, one pack that all writers share with a group commit, and a file per
// record. docs/decisions has the numbers.
//
//	BENCH_DIR=/on/the/disk go test ./storage/blob/fs -run '^$' -bench Commit -benchtime 300x -count 5
func BenchmarkCommit(b *testing.B) {
	ways := []struct {
		name string
		open func(b *testing.B, dir string) func(content []byte)
	}{
		{"packs", packs}, {"shared-pack", sharedPack}, {"file-each", fileEach},
	}
	for _, size := range []int{526_000, 10_000} {
		content := blobtest.Content(1, size)
		for _, writers := range []int{1, 4} {
			for _, way := range ways {
				b.Run(fmt.Sprintf("%dkB/writers=%d/%s", size/1000, writers, way.name), func(b *testing.B) {
					dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "blob-bench")
					if err != nil {
						b.Fatal(err)
					}
					defer os.RemoveAll(dir)
					put := way.open(b, dir)
					b.SetBytes(int64(size))
					b.ResetTimer()
					var wg sync.WaitGroup
					var left atomic.Int64
					left.Store(int64(b.N))
					for range writers {
						wg.Go(func() {
							for left.Add(-1) >= 0 {
								put(content)
							}
						})
					}
					wg.Wait()
					b.StopTimer()
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
				})
			}
		}
	}
}

func packs(b *testing.B, dir string) func([]byte) {
	s := open(b, fs.Config{Dir: dir})
	return func(content []byte) { blobtest.Put(b, s, tenant, content) }
}

func sharedPack(b *testing.B, dir string) func([]byte) {
	f, err := os.Create(filepath.Join(dir, "pack"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	var end int64
	var written, synced int
	var syncing bool
	return func(content []byte) {
		mu.Lock()
		off := end
		end += int64(len(content))
		mu.Unlock()
		if _, err := f.WriteAt(content, off); err != nil {
			b.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		written++
		for mine := written; synced < mine; {
			if syncing {
				cond.Wait()
				continue
			}
			syncing = true
			upto := written
			mu.Unlock()
			if err := fs.Datasync(f); err != nil {
				b.Error(err)
			}
			mu.Lock()
			synced, syncing = upto, false
			cond.Broadcast()
		}
	}
}

func fileEach(b *testing.B, dir string) func([]byte) {
	var n atomic.Int64
	d, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	return func(content []byte) {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(n.Add(1))))
		if err != nil {
			b.Error(err)
			return
		}
		if _, err = f.Write(content); err == nil {
			if err = f.Sync(); err == nil {
				err = d.Sync()
			}
		}
		if err != nil {
			b.Error(err)
		}
		f.Close()
	}
}

// BenchmarkOpen reads 20 kB frames at random from one record, as a slide viewer does.
func BenchmarkOpen(b *testing.B) {
	s := open(b, fs.Config{Dir: b.TempDir()})
	r := blobtest.Put(b, s, tenant, blobtest.Content(1, 40<<20))
	read := func(r io.ReadCloser, err error) {
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			r.Close()
		}
		if err != nil {
			b.Error(err)
		}
	}
	b.SetBytes(20_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		read(s.Open(b.Context(), r.Location, int64(i*20_011%(39<<20)), 20_000))
	}
}
