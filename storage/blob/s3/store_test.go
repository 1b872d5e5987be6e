package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
	"github.com/aurelius-imaging/aurelius/storage/blob/s3"
	"github.com/aurelius-imaging/aurelius/storage/blob/s3/s3test"
)

const (
	user     = "minioadmin"
	password = "minioadmin"
)

// peers are the object stores that every test runs on.
var peers = map[string]func(testing.TB) string{
	"gofakes3": s3test.Fake,
	"minio":    func(t testing.TB) string { return testkit.Part(t, "minio") },
}

// onPeers runs a test on each object store.
func onPeers(t *testing.T, run func(t *testing.T, url string)) {
	for name, start := range peers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, start(t))
		})
	}
}

// quick is a configuration with which failures do not take long.
func quick(t testing.TB, url string) s3.Config {
	return s3.Config{
		Endpoint: url, Bucket: "test-" + strings.ToLower(rand.Text()[:16]),
		AccessKey: user, SecretKey: password, Region: "us-east-1", PartSize: 5 << 20,
	}
}

// open opens a store in a bucket that goes away with the test.
func open(t testing.TB, cfg s3.Config) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, cfg.Endpoint)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		empty(t, c, cfg.Bucket)
	})
	return s
}

func client(t testing.TB, url string) *minio.Core {
	t.Helper()
	c, err := minio.NewCore(strings.TrimPrefix(url, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(user, password, ""), Region: "us-east-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// empty removes the bucket.
func empty(t testing.TB, c *minio.Core, bucket string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for o := range c.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			t.Logf("emptying the bucket: %v", o.Err)
			return
		}
		_ = c.Client.RemoveObject(ctx, bucket, o.Key, minio.RemoveObjectOptions{VersionID: o.VersionID})
	}
	if err := c.RemoveBucket(ctx, bucket); err != nil {
		t.Logf("removing the bucket: %v", err)
	}
}

// inBucket is a store of the suite and where it keeps its objects.
type inBucket struct {
	*s3.Store
	cfg s3.Config
}

func TestStore(t *testing.T) {
	onPeers(t, func(t *testing.T, url string) {
		blobtest.Run(t, blobtest.Engine{
			New: func(t *testing.T) blob.Store {
				cfg := quick(t, url)
				return inBucket{open(t, cfg), cfg}
			},
			Flip: func(t *testing.T, s blob.Store, l blob.Location, at int64) {
				flip(t, s.(inBucket).cfg, l, at)
			},
		})
	})
}

// flip changes a bit of a record's content where it lies.
func flip(t *testing.T, cfg s3.Config, l blob.Location, at int64) {
	t.Helper()
	c := client(t, cfg.Endpoint)
	name := cfg.Prefix + string(l.Object)
	r, _, _, err := c.GetObject(t.Context(), cfg.Bucket, name, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	b[l.Offset+at] ^= 1
	if _, err := c.PutObject(t.Context(), cfg.Bucket, name, bytes.NewReader(b), int64(len(b)), "", "", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestListSince(t *testing.T) {
	onPeers(t, func(t *testing.T, url string) {
		cfg := quick(t, url)
		cfg.Prefix = "/hospital/"
		s := open(t, cfg)
		blobtest.Put(t, s, "a", blobtest.Content(1, 100))
		blobtest.Put(t, s, "b", blobtest.Content(2, 6<<20))
		since := time.Now()
		want := []blob.Record{
			blobtest.Put(t, s, "a", blobtest.Content(3, 100)),
			blobtest.Put(t, s, "b", blobtest.Content(4, 6<<20)),
			blobtest.Put(t, s, "c", blobtest.Content(5, 0)),
		}
		// What others keep in the bucket is none of ours.
		c := client(t, url)
		for _, name := range []string{"readme", "hospital/readme", "hospital/a/readme", "hospital/A B/x", "other/a/" + strings.Repeat("0", 32)} {
			if _, err := c.PutObject(t.Context(), cfg.Bucket, name, strings.NewReader("x"), 1, "", "", minio.PutObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		var got []blob.Record
		for r, err := range s.ListSince(t.Context(), since) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if !slices.Equal(got, want) {
			t.Errorf("since: %+v, want %+v", got, want)
		}
		if got := blobtest.Records(t, s, nil); len(got) != 5 {
			t.Errorf("%d records, want 5", len(got))
		}
	})
}

// An object under one of our keys that is none of ours is told, and does not keep others from being listed.
func TestListForeign(t *testing.T) {
	onPeers(t, func(t *testing.T, url string) {
		cfg := quick(t, url)
		s := open(t, cfg)
		r := blobtest.Put(t, s, tenant, blobtest.Content(1, 1000))
		c := client(t, url)
		src, _, _, err := c.GetObject(t.Context(), cfg.Bucket, string(r.Location.Object), minio.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(src)
		src.Close()
		if err != nil {
			t.Fatal(err)
		}
		for i, content := range [][]byte{b, b[:70], b[:1]} { // copied, cut
			name := fmt.Sprintf("%s/%032d", tenant, i)
			if _, err := c.PutObject(t.Context(), cfg.Bucket, name, bytes.NewReader(content), int64(len(content)), "", "", minio.PutObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		records, damaged := 0, 0
		for got, err := range s.List(t.Context(), nil) {
			switch {
			case errs.Is(err, errs.Invalid):
				damaged++
			case err != nil || got != r:
				t.Errorf("%+v, %v", got, err)
			default:
				records++
			}
		}
		if records != 1 || damaged != 3 {
			t.Errorf("%d records, %d damaged", records, damaged)
		}
	})
}

func TestSweep(t *testing.T) {
	url := s3test.Fake(t)
	cfg := quick(t, url)
	s := open(t, cfg)
	c := client(t, url)
	for _, name := range []string{newName(), newName(), "others/upload"} {
		if _, err := c.NewMultipartUpload(t.Context(), cfg.Bucket, name, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Sweep(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("swept %d that are young, %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), -time.Hour); n != 2 || err != nil {
		t.Errorf("swept %d, want 2, %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), -time.Hour); n != 0 || err != nil {
		t.Errorf("swept %d again, %v", n, err)
	}
}

func newName() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%s/%x", tenant, b)
}

// In a bucket that keeps versions a deletion only hides an object.
func TestEraseVersions(t *testing.T) {
	onPeers(t, func(t *testing.T, url string) {
		cfg := quick(t, url)
		c := client(t, url)
		if err := c.MakeBucket(t.Context(), cfg.Bucket, minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := c.EnableVersioning(t.Context(), cfg.Bucket); err != nil {
			t.Fatal(err)
		}
		s := open(t, cfg)
		var ls []blob.Location
		for i, n := range []int{10, 100_000, 6 << 20} {
			ls = append(ls, blobtest.Put(t, s, tenant, blobtest.Content(uint64(i), n)).Location)
		}
		flip(t, cfg, ls[0], 1) // a second version
		for range 2 {
			if err := s.Erase(t.Context(), ls...); err != nil {
				t.Fatal(err)
			}
			for o := range c.ListObjectsIter(t.Context(), cfg.Bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
				t.Errorf("%s %s stayed", o.Key, o.VersionID)
			}
		}
	})
}

func TestOpen(t *testing.T) {
	url := s3test.Fake(t)
	cfg := quick(t, url)
	first, second := open(t, cfg), open(t, cfg) // two nodes
	r := blobtest.Put(t, first, tenant, []byte("content"))
	if got := blobtest.Get(t, second, r.Location); string(got) != "content" {
		t.Errorf("the other node reads %q", got)
	}
	cfg.Bucket = ""
	if _, err := s3.Open(t.Context(), cfg); !errs.Is(err, errs.Invalid) {
		t.Errorf("without a bucket: %v", err)
	}
	cfg = quick(t, "http://127.0.0.1:1") // nobody listens
	cfg.GiveUp = soon
	if _, err := s3.Open(t.Context(), cfg); !errs.Is(err, errs.Unavailable) {
		t.Errorf("without a store: %v", err)
	}
}

// Memory is that of two parts per writer, however large the records are.
func TestMemory(t *testing.T) {
	url := testkit.Part(t, "minio")
	s := open(t, quick(t, url))
	const writers, size = 4, 64 << 20
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	content := blobtest.Content(1, 1<<20)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			w, err := s.Create(t.Context(), tenant)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Abort()
			for range size / len(content) {
				if _, err := w.Write(content); err != nil {
					t.Error(err)
					return
				}
			}
			r, err := w.Commit(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Verify(t.Context(), r.Location); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var peak uint64
	for tick := time.Tick(10 * time.Millisecond); ; {
		select {
		case <-tick:
			runtime.GC() // what counts is what is in use
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
			continue
		case <-done:
		}
		break
	}
	if used := int64(peak) - int64(before.HeapAlloc); used > writers*3*5<<20 { // a third one waits in the pool
		t.Errorf("%d MiB in use for %d writers", used>>20, writers)
	}
}
