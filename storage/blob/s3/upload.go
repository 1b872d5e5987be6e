package s3

import (
	"context"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
)

// maxParts is how many parts an upload may have.
const maxParts = 10_000

// upload is a multipart upload: one part is on its way while the writer fills the next.
type upload struct {
	s       *Store
	key     storage.Key
	id      string
	checked bool // parts carry checksums
	ctx     context.Context
	cancel  context.CancelFunc

	sent  int
	parts []minio.CompletePart
	busy  chan error // the outcome of the part on its way; nil when none is
}

func (s *Store) newUpload(ctx context.Context, k storage.Key) (*upload, error) {
	u := &upload{s: s, key: k, checked: s.checksums.Load()}
	err := s.retry(ctx, "s3.Write", func() error {
		err := u.initiate(ctx)
		if u.checked && refusesChecksums(err) {
			u.checked = false
			err = u.initiate(ctx)
			s.checksums.CompareAndSwap(true, err != nil)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	u.ctx, u.cancel = context.WithCancel(ctx)
	return u, nil
}

func (u *upload) initiate(ctx context.Context) (err error) {
	var opts minio.PutObjectOptions
	if u.checked {
		opts.UserMetadata = map[string]string{"x-amz-checksum-algorithm": "CRC32C"}
	}
	u.id, err = u.s.core.NewMultipartUpload(ctx, u.s.cfg.Bucket, u.s.object(u.key), opts)
	return err
}

// send waits for the part on its way and then sends the next. The buffer is the upload's.
func (u *upload) send(b buffer) error {
	if err := u.wait(); err != nil {
		b.free()
		return err
	}
	if u.sent == maxParts {
		b.free()
		return errs.Errorf(errs.Exhausted, "s3.Write", "the object is too large")
	}
	u.sent++
	number, outcome := u.sent, make(chan error, 1)
	u.busy = outcome
	go func() {
		defer b.free()
		part, err := u.put(number, &b)
		u.parts = append(u.parts, part)
		outcome <- err
	}()
	return nil
}

func (u *upload) put(number int, b *buffer) (part minio.CompletePart, err error) {
	opts := minio.PutObjectPartOptions{DisableContentSha256: true}
	part.PartNumber = number
	if u.checked {
		part.ChecksumCRC32C = base64Sum(b.sum())
		opts.CustomHeader = http.Header{}
		opts.CustomHeader.Set(checksumHeader, part.ChecksumCRC32C)
	}
	err = u.s.retry(u.ctx, "s3.Write", func() error {
		p, err := u.s.core.PutObjectPart(u.ctx, u.s.cfg.Bucket, u.s.object(u.key), u.id, number, b.reader(), int64(b.size), opts)
		part.ETag = p.ETag
		return err
	})
	return part, err
}

// wait returns when no part is on its way.
func (u *upload) wait() error {
	if u.busy == nil {
		return nil
	}
	err := <-u.busy
	u.busy = nil
	return err
}

// complete makes the object of size bytes out of the parts.
func (u *upload) complete(ctx context.Context, size int64) error {
	if err := u.wait(); err != nil {
		return err
	}
	s := u.s
	attempt := 0
	err := s.retry(ctx, "s3.Commit", func() error {
		_, err := s.core.CompleteMultipartUpload(ctx, s.cfg.Bucket, s.object(u.key), u.id, u.parts, minio.PutObjectOptions{})
		attempt++
		if attempt > 1 && code(err) == minio.NoSuchUpload {
			// An attempt before was carried out and its answer was lost; or it was not, then stat says so.
			_, err = s.stat(ctx, u.key, size)
		}
		return err
	})
	if err == nil {
		u.cancel()
	}
	return err
}

// abort discards the parts, and the object if it was made although nobody heard of it.
func (u *upload) abort() {
	u.cancel()
	u.s.undo(func(ctx context.Context) error {
		_ = u.wait()
		err := u.s.retry(ctx, "s3.Abort", func() error {
			err := u.s.core.AbortMultipartUpload(ctx, u.s.cfg.Bucket, u.s.object(u.key), u.id)
			if code(err) == minio.NoSuchUpload {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
		return u.s.remove(ctx, []storage.Key{u.key})
	})
}
