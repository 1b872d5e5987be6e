package e2e

import (
	"context"
	"crypto/rand"
	"iter"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

// newArchive is an empty archive on the engines that all tests of the machine share, for tests
// that leave the engines alone: a database of its own, and a prefix of its own in the buckets.
// Nodes are started on its flags.
func newArchive(t testing.TB, nodes int, args ...string) *cluster {
	t.Helper()
	c := &cluster{flags: append(engines(t, database(t)), args...)}
	for range nodes {
		c.nodes = append(c.nodes, start(t, c.flags...))
	}
	return c
}

// database makes an empty database on the shared server.
func database(t testing.TB) (address string) {
	t.Helper()
	address, db := sqltest.PostgresAt(t)
	_ = db.Close() // nodes open it by themselves
	return address
}

// engines are the flags of an archive: the database, and an empty prefix in the buckets.
func engines(t testing.TB, database string) []string {
	t.Helper()
	at, prefix := testkit.Part(t, "minio"), "e2e-"+strings.ToLower(rand.Text()[:12])+"/"
	t.Cleanup(func() { emptyPrefix(t, at, prefix) })
	return []string{"--database", database, "--s3-endpoint", at, "--s3-access-key", "minioadmin",
		"--s3-secret-key", "minioadmin", "--s3-prefix", prefix}
}

// whole checks such an archive, every object against its checksum, while nobody stores.
func (c *cluster) whole(t testing.TB) {
	t.Helper()
	out, err := runFor(t, 2*time.Minute, built(t), append([]string{"fsck", "--data", t.TempDir(), "--verify"}, c.flags[:10]...)...)
	if err != nil {
		t.Errorf("fsck: %v\n%s", err, tail(out, 2000))
	}
}

// The buckets.
const (
	studies = "dicom-studies"
	derived = "processed-data"
)

// bucket is a client of the archive's objects.
func (c *cluster) bucket(t testing.TB) (client *minio.Client, prefix string) {
	t.Helper()
	return objectStore(t, c.flags[3]), c.flags[9]
}

// lying yields what lies in the archive's bucket of instances, by key and to be read.
func (c *cluster) lying(t testing.TB) iter.Seq2[string, *minio.Object] {
	t.Helper()
	client, prefix := c.bucket(t)
	ctx := context.Background()
	return func(yield func(string, *minio.Object) bool) {
		for info := range client.ListObjects(ctx, studies, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			r, err := client.GetObject(ctx, studies, info.Key, minio.GetObjectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !yield(info.Key, r) {
				return
			}
		}
	}
}

func objectStore(t testing.TB, at string) *minio.Client {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4("minioadmin", "minioadmin", "")})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func emptyPrefix(t testing.TB, at, prefix string) {
	client, ctx := objectStore(t, at), context.Background() // the test's own has ended
	for _, bucket := range []string{studies, derived} {
		there := client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true})
		for failed := range client.RemoveObjects(ctx, bucket, there, minio.RemoveObjectsOptions{}) {
			t.Logf("emptying %s: %v", bucket, failed.Err)
		}
	}
}
