package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// recordMetadata is the user metadata under which a small object carries its trailer, so that
// stores whose listing tells metadata (MinIO) are listed without a request per object. The
// trailer in the object is what counts.
const recordMetadata = "Record"

// writer collects a record. Once it is larger than a part it becomes an upload.
type writer struct {
	ctx    context.Context
	s      *Store
	tenant storage.TenantID
	buf    buffer
	upload *upload
	length int64
	crc    uint32
	done   bool
	err    error
}

func newWriter(ctx context.Context, s *Store, t storage.TenantID) *writer {
	w := &writer{ctx: ctx, s: s, tenant: t}
	w.buf.write(head())
	return w
}

func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, errs.Errorf(errs.Internal, "s3.Write", "the record has ended")
	}
	if err := w.append(p); err != nil {
		return 0, err
	}
	w.crc = crc32.Update(w.crc, castagnoli, p)
	w.length += int64(len(p))
	return len(p), nil
}

// append puts bytes into the object.
func (w *writer) append(p []byte) error {
	for len(p) > 0 && w.err == nil {
		if w.buf.size == w.partSize() {
			w.err = w.send()
			continue
		}
		n := min(len(p), w.partSize()-w.buf.size)
		w.buf.write(p[:n])
		p = p[n:]
	}
	return w.err
}

// partSize grows, because an upload has 10,000 parts at most: room for 90 GB with parts of
// 6 MiB, then of 12, 24 and 48 MiB.
func (w *writer) partSize() int {
	if w.upload == nil {
		return w.s.cfg.PartSize
	}
	return w.s.cfg.PartSize << (w.upload.sent / (maxParts / 4))
}

// send hands a full buffer to the upload.
func (w *writer) send() error {
	if w.upload == nil {
		u, err := w.s.newUpload(w.ctx, newKey(w.tenant, time.Now()))
		if err != nil {
			return err
		}
		w.upload = u
	}
	buf := w.buf
	w.buf = buffer{}
	return w.upload.send(buf)
}

func (w *writer) Commit(ctx context.Context) (blob.Record, error) {
	if w.done {
		return blob.Record{}, errs.Errorf(errs.Internal, "s3.Commit", "the record has ended")
	}
	defer w.Abort()
	if err := ctx.Err(); err != nil {
		return blob.Record{}, errs.E(errs.Canceled, "s3.Commit", err)
	}
	now := time.Now().UTC()
	key := newKey(w.tenant, now)
	if w.upload != nil {
		key = w.upload.key
	}
	r := blob.Record{
		Tenant:   w.tenant,
		Location: blob.Location{Object: key, Offset: headSize, Length: w.length},
		End:      objectSize(w.length),
		Received: now,
		CRC32C:   w.crc,
	}
	end := trailer(r)
	if err := w.append(end); err != nil {
		return blob.Record{}, err
	}
	if w.upload == nil {
		if err := w.s.put(ctx, key, &w.buf, end); err != nil {
			// It may have arrived although the answer did not.
			w.s.undo(func(ctx context.Context) error { return w.s.remove(ctx, []storage.Key{key}) })
			return blob.Record{}, err
		}
	} else {
		if err := w.send(); err != nil {
			return blob.Record{}, err
		}
		if err := w.upload.complete(ctx, r.End); err != nil {
			return blob.Record{}, err
		}
		w.upload = nil
	}
	return r, nil
}

func (w *writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	if w.upload != nil {
		w.upload.abort()
		w.upload = nil
	}
	w.buf.free()
}

// put writes the object in one request.
func (s *Store) put(ctx context.Context, k storage.Key, b *buffer, end []byte) error {
	sum := base64Sum(b.sum())
	return s.retry(ctx, "s3.Commit", func() error {
		opts := minio.PutObjectOptions{
			DisableContentSha256: true, // the checksum sees what TLS does not
			UserMetadata:         map[string]string{recordMetadata: base64.RawURLEncoding.EncodeToString(end)},
		}
		checked := s.checksums.Load()
		if checked {
			opts.UserMetadata[checksumHeader] = sum
		}
		_, err := s.core.PutObject(ctx, s.cfg.Bucket, s.object(k), b.reader(), int64(b.size), "", "", opts)
		if checked && refusesChecksums(err) {
			delete(opts.UserMetadata, checksumHeader)
			_, err = s.core.PutObject(ctx, s.cfg.Bucket, s.object(k), b.reader(), int64(b.size), "", "", opts)
			s.checksums.CompareAndSwap(true, err != nil)
		}
		return err
	})
}

func base64Sum(sum uint32) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], sum)
	return base64.StdEncoding.EncodeToString(b[:])
}
