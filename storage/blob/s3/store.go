// Package s3 keeps blobs in a bucket of an S3-compatible object store (MinIO, Ceph, AWS).
//
// Each record is an object of its own, put whole or not at all; Commit answers after the store
// confirmed it. A record that fits one part goes as one PUT, a larger one streams as a multipart
// upload. Keys are <tenant>/<time><random>, so that listing is in order of arrival and a key can
// be written by one writer only: every request may be repeated, and is, with growing pauses,
// until Config.GiveUp.
//
// Bytes are checked end to end: the store verifies the CRC-32C sent with each request, and a
// record read whole is checked against the CRC-32C in its framing before the reader gets its
// last bytes.
//
// It leaves out: caching, replication, storage classes and encryption, which the bucket's own
// configuration does.
package s3

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// Config of a Store. Endpoint and Bucket are needed.
type Config struct {
	Endpoint  string // "host:port", or a URL, whose scheme then decides about TLS
	Secure    bool   // TLS
	Bucket    string // made when missing, if the credentials allow it
	Prefix    string // of every key in the bucket; several stores may share one
	Region    string // empty: the store is asked
	AccessKey string // empty: from the environment (AWS_ACCESS_KEY_ID...), else the machine's role
	SecretKey string

	PartSize int           // of multipart uploads, at least 5 MiB; smaller records are one PUT; default 6 MiB
	Timeout  time.Duration // for the answer to a request that was sent; default 20 s
	Stall    time.Duration // without a byte moving, before a request is given up; default 15 s
	GiveUp   time.Duration // no further attempt after this; default 40 s
}

// minPart is what S3 accepts as a part that is not the last.
const minPart = 5 << 20

func (c Config) withDefaults() (Config, error) {
	if u, err := url.Parse(c.Endpoint); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		c.Endpoint, c.Secure = u.Host, u.Scheme == "https"
	}
	if c.Endpoint == "" || c.Bucket == "" {
		return c, errs.Errorf(errs.Invalid, "s3.Open", "an object store needs endpoint and bucket")
	}
	if c.Prefix = strings.Trim(c.Prefix, "/"); c.Prefix != "" {
		c.Prefix += "/"
	}
	c.PartSize = max(cmp.Or(c.PartSize, 6<<20), minPart)
	c.Timeout = cmp.Or(c.Timeout, 20*time.Second)
	c.Stall = cmp.Or(c.Stall, 15*time.Second)
	c.GiveUp = cmp.Or(c.GiveUp, 40*time.Second)
	return c, nil
}

func (c Config) credentials() *credentials.Credentials {
	if c.AccessKey != "" {
		return credentials.NewStaticV4(c.AccessKey, c.SecretKey, "")
	}
	return credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.IAM{}})
}

// Store is a blob.Store on a bucket. It is safe for concurrent use, and any number of processes
// may use one bucket. Memory is at most two parts per open Writer and 256 KiB per Reader.
type Store struct {
	cfg       Config
	core      *minio.Core
	transport *transport
	checksums atomic.Bool // the store takes checksums with its requests
	versioned bool        // the bucket keeps what is deleted or overwritten

	mu      sync.Mutex
	closed  bool
	readers map[storage.Key]int      // open readers
	doomed  map[storage.Key]struct{} // erased, but their bytes are not gone yet

	life       context.Context // of what goes on beside the callers
	end        context.CancelFunc
	background sync.WaitGroup
}

var (
	_ blob.Store       = (*Store)(nil)
	_ blob.SinceLister = (*Store)(nil)
)

// abandoned is how long an upload may lie unfinished before it counts as left by a crash.
const abandoned = 24 * time.Hour

// Open opens the store in a bucket, and makes the bucket when it is missing.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	t := newTransport(cfg)
	core, err := minio.NewCore(cfg.Endpoint, &minio.Options{
		Creds: cfg.credentials(), Secure: cfg.Secure, Region: cfg.Region, Transport: t,
		MaxRetries: 1, // retry does that, with a limit
	})
	if err != nil {
		return nil, errs.E(errs.Invalid, "s3.Open", err)
	}
	s := &Store{
		cfg: cfg, core: core, transport: t,
		readers: map[storage.Key]int{}, doomed: map[storage.Key]struct{}{},
	}
	s.checksums.Store(true)
	s.life, s.end = context.WithCancel(context.Background())
	if err := s.ensureBucket(ctx); err != nil {
		t.base.CloseIdleConnections()
		return nil, err
	}
	if v, err := core.GetBucketVersioning(ctx, cfg.Bucket); err == nil { // not every store knows the question
		s.versioned = v.Status != "" // suspended: older versions are there
	}
	s.background.Go(func() { _, _ = s.Sweep(s.life, abandoned) }) // what it misses is there the next time
	return s, nil
}

func (s *Store) ensureBucket(ctx context.Context) error {
	return s.retry(ctx, "s3.Open", func() error {
		has, err := s.core.BucketExists(ctx, s.cfg.Bucket)
		if err != nil || has {
			return err
		}
		err = s.core.MakeBucket(ctx, s.cfg.Bucket, minio.MakeBucketOptions{Region: s.cfg.Region})
		if code(err) == minio.BucketAlreadyOwnedByYou { // another node was faster
			return nil
		}
		return err
	})
}

// Close waits for what is still being removed. Writers must have ended.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.background.Wait()
	s.transport.base.CloseIdleConnections()
	return nil
}

// undo removes what a failed or aborted writer may have left, without keeping the caller.
func (s *Store) undo(f func(context.Context) error) {
	s.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Timeout)
		defer cancel()
		_ = f(ctx) // what stays was never acknowledged; Sweep and fsck find it
	})
}

var (
	tenantID = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	keyShape = regexp.MustCompile(`^[a-z0-9-]{1,64}/[0-9a-f]{32}$`)
)

// newKey returns a key that no other writer has and that sorts by time.
func newKey(t storage.TenantID, now time.Time) storage.Key {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return storage.Key(string(t) + "/" + keyTime(now) + hex.EncodeToString(b[:]))
}

// keyTime is how the keys of objects begun at that time start.
func keyTime(t time.Time) string { return fmt.Sprintf("%016x", max(t.UnixNano(), 0)) }

// object returns the key's name in the bucket.
func (s *Store) object(k storage.Key) string { return s.cfg.Prefix + string(k) }

// Create begins a record. The context must stay alive until Commit: it is that of the upload.
func (s *Store) Create(ctx context.Context, t storage.TenantID) (blob.Writer, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.E(errs.Canceled, "s3.Create", err)
	}
	if !tenantID.MatchString(string(t)) {
		return nil, errs.Errorf(errs.Invalid, "s3.Create", "not a tenant")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errs.Errorf(errs.Unavailable, "s3.Create", "the store is closed")
	}
	return newWriter(ctx, s, t), nil
}

// get asks for bytes from..to (inclusive) of an object of size bytes, as it was when it had the
// ETag (empty: any). It answers errs.NotFound when there is no object of that size.
func (s *Store) get(ctx context.Context, k storage.Key, from, to, size int64, etag string) (body, error) {
	var b body
	err := s.retry(ctx, "s3.Open", func() error {
		var opts minio.GetObjectOptions
		opts.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to))
		if etag != "" {
			if err := opts.SetMatchETag(etag); err != nil {
				return err
			}
		}
		rc, info, h, err := s.core.GetObject(ctx, s.cfg.Bucket, s.object(k), opts)
		if err != nil {
			return err
		}
		switch h.Get("Content-Range") {
		case fmt.Sprintf("bytes %d-%d/%d", from, to, size):
			b = body{rc, info.ETag}
			return nil
		case "":
			rc.Close()
			return errs.Errorf(errs.Unavailable, "s3.Open", "the object store does not serve ranges")
		}
		rc.Close()
		return errs.Errorf(errs.NotFound, "s3.Open", "no such record")
	})
	return b, err
}

// stat tells whether the object is there and has the size.
func (s *Store) stat(ctx context.Context, k storage.Key, size int64) (etag string, err error) {
	err = s.retry(ctx, "s3.Open", func() error {
		info, err := s.core.StatObject(ctx, s.cfg.Bucket, s.object(k), minio.StatObjectOptions{})
		if err != nil {
			return err
		}
		if info.Size != size {
			return errs.Errorf(errs.NotFound, "s3.Open", "no such record")
		}
		etag = info.ETag
		return nil
	})
	return etag, err
}

// checksumHeader makes the store verify what it receives.
const checksumHeader = "x-amz-checksum-crc32c"

// refusesChecksums: stores older than the checksum headers answer in one of these ways.
func refusesChecksums(err error) bool {
	switch code(err) {
	case minio.NotImplemented, minio.InvalidArgument, "InvalidRequest":
		return true
	}
	return statusCode(err) == http.StatusNotImplemented
}
