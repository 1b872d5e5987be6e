package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

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
