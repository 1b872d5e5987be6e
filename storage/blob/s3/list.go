package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

const (
	listPage = 1000 // keys of one request
	lookups  = 16   // trailers asked for side by side
)

func tenantOf(k storage.Key) storage.TenantID {
	t, _, _ := strings.Cut(string(k), "/")
	return storage.TenantID(t)
}

// List walks all records. The trailers of large objects, and of all where the store's listing
// does not tell metadata, are read with small requests, sixteen at a time.
func (s *Store) List(ctx context.Context, from func(storage.Key) int64) iter.Seq2[blob.Record, error] {
	return s.list(ctx, time.Time{}, from)
}

// ListSince lists records whose objects were begun at or after a time: that of the key, taken
// from the clock of the node that wrote it when its first byte was sent. Allow for clocks that
// differ, and for uploads that take long.
func (s *Store) ListSince(ctx context.Context, since time.Time) iter.Seq2[blob.Record, error] {
	return s.list(ctx, since, nil)
}

func (s *Store) list(ctx context.Context, since time.Time, from func(storage.Key) int64) iter.Seq2[blob.Record, error] {
	return func(yield func(blob.Record, error) bool) {
		tenants, err := s.tenants(ctx)
		if err != nil {
			yield(blob.Record{}, err)
			return
		}
		for _, t := range tenants {
			after := ""
			if !since.IsZero() {
				after = s.object(storage.Key(string(t) + "/" + keyTime(since)))
			}
			for {
				page, err := s.page(ctx, t, after)
				if err != nil {
					yield(blob.Record{}, err)
					return
				}
				for _, f := range s.lookUp(ctx, page, from) {
					if (f.err != nil || f.record.End > 0) && !yield(f.record, f.err) {
						return
					}
				}
				if len(page) < listPage {
					break
				}
				after = page[len(page)-1].Key
			}
		}
	}
}

// tenants lists who has objects.
func (s *Store) tenants(ctx context.Context) (out []storage.TenantID, err error) {
	err = s.retry(ctx, "s3.List", func() error {
		out = out[:0]
		for o := range s.core.ListObjectsIter(ctx, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: s.cfg.Prefix}) {
			if o.Err != nil {
				return o.Err
			}
			name, folder := strings.CutSuffix(strings.TrimPrefix(o.Key, s.cfg.Prefix), "/")
			if folder && tenantID.MatchString(name) {
				out = append(out, storage.TenantID(name))
			}
		}
		return ctx.Err()
	})
	return out, err
}

// page returns the tenant's next objects in order of key.
func (s *Store) page(ctx context.Context, t storage.TenantID, after string) (out []minio.ObjectInfo, err error) {
	err = s.retry(ctx, "s3.List", func() error {
		out = out[:0]
		for o := range s.core.ListObjectsIter(ctx, s.cfg.Bucket, minio.ListObjectsOptions{
			Prefix: s.object(storage.Key(t) + "/"), Recursive: true, WithMetadata: true,
			StartAfter: after, MaxKeys: listPage,
		}) {
			if o.Err != nil {
				return o.Err
			}
			if out = append(out, o); len(out) == listPage {
				return nil
			}
		}
		return ctx.Err()
	})
	return out, err
}

// found is the outcome of looking at one object; nothing when there is no record of ours in it.
type found struct {
	record blob.Record
	err    error
}

// lookUp finds the records of a page of objects.
func (s *Store) lookUp(ctx context.Context, page []minio.ObjectInfo, from func(storage.Key) int64) []found {
	out := make([]found, len(page))
	free := make(chan struct{}, lookups)
	var wg sync.WaitGroup
	for i, o := range page {
		k := storage.Key(strings.TrimPrefix(o.Key, s.cfg.Prefix))
		if !keyShape.MatchString(string(k)) || s.isDoomed(k) || from != nil && from(k) >= o.Size {
			continue
		}
		if r, ok := listed(k, o); ok {
			out[i].record = r
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			out[i].record, out[i].err = s.readTrailer(ctx, k, o.Size)
			if errs.Is(out[i].err, errs.NotFound) { // erased since it was listed
				out[i] = found{}
			}
		})
	}
	wg.Wait()
	return out
}

// listed takes the trailer from the metadata, where the listing came with it.
func listed(k storage.Key, o minio.ObjectInfo) (blob.Record, bool) {
	b, err := base64.RawURLEncoding.DecodeString(o.UserMetadata["X-Amz-Meta-"+recordMetadata])
	if err != nil {
		return blob.Record{}, false
	}
	r, err := parseTrailer(b, k, o.Size)
	return r, err == nil
}

func (s *Store) readTrailer(ctx context.Context, k storage.Key, size int64) (blob.Record, error) {
	if size < objectSize(0) {
		return blob.Record{}, errs.E(errs.Invalid, "s3.List", errNoRecord)
	}
	var b [trailerSize]byte
	if err := s.readRange(ctx, k, size-trailerSize, b[:], size, ""); err != nil {
		return blob.Record{}, err
	}
	r, err := parseTrailer(b[:], k, size)
	return r, errs.E(errs.Invalid, "s3.List", err)
}

// Sweep aborts uploads that were begun longer ago and never finished, as a crash leaves them, and
// returns how many. MinIO tells of no uploads but removes such by itself after a day.
func (s *Store) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := time.Now().Add(-olderThan)
	swept := 0
	var all error
	for u := range s.core.ListIncompleteUploads(ctx, s.cfg.Bucket, s.cfg.Prefix, true) {
		if u.Err != nil {
			all = errors.Join(all, fail("s3.Sweep", u.Err))
			continue
		}
		k := strings.TrimPrefix(u.Key, s.cfg.Prefix)
		if !keyShape.MatchString(k) || u.Initiated.After(limit) {
			continue
		}
		err := s.core.AbortMultipartUpload(ctx, s.cfg.Bucket, u.Key, u.UploadID)
		if err != nil && statusCode(err) != http.StatusNotFound {
			all = errors.Join(all, fail("s3.Sweep", err))
			continue
		}
		swept++
	}
	return swept, all
}
