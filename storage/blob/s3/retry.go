package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const (
	firstPause = 50 * time.Millisecond
	maxPause   = 3 * time.Second
)

// retry calls f until it succeeds, fails for good, or Config.GiveUp has passed. The transport
// bounds each attempt. What it returns has its Kind.
func (s *Store) retry(ctx context.Context, op string, f func() error) error {
	limit := time.Now().Add(s.cfg.GiveUp)
	for attempt := 0; ; attempt++ {
		err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return errs.E(errs.Canceled, op, ctx.Err())
		case !transient(err) || !time.Now().Before(limit):
			return fail(op, err)
		}
		if !sleep(ctx, attempt) {
			return errs.E(errs.Canceled, op, ctx.Err())
		}
	}
}

// sleep waits the longer the more attempts failed, and not all callers equally long. It reports
// false when the context ended.
func sleep(ctx context.Context, attempt int) bool {
	pause := min(firstPause<<min(attempt, 10), maxPause)
	t := time.NewTimer(pause/2 + rand.N(pause/2))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func response(err error) (r minio.ErrorResponse) {
	errors.As(err, &r)
	return r
}

func code(err error) string    { return response(err).Code }
func statusCode(err error) int { return response(err).StatusCode }

// transient reports whether the same request may succeed later.
func transient(err error) bool {
	if e := (*errs.Error)(nil); errors.As(err, &e) {
		return false // ours: what the store said was understood
	}
	if e := (*tls.CertificateVerificationError)(nil); errors.As(err, &e) {
		return false
	}
	r := response(err)
	switch r.Code {
	case "": // no answer: connection refused, cut or stalled
		return true
	case minio.BadDigest, minio.InvalidDigest, minio.IncompleteBody, "XAmzContentChecksumMismatch",
		minio.XAmzContentSHA256Mismatch, "RequestTimeout", "SlowDown", "SlowDownRead", "SlowDownWrite",
		"ServiceUnavailable", "Throttling", "ThrottlingException", "OperationAborted", "ExpiredToken":
		return true // bytes were damaged on the way, or it was too much at once
	}
	switch r.StatusCode {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return true
	case http.StatusNotImplemented, http.StatusInsufficientStorage:
		return false
	}
	return r.StatusCode >= 500
}

// fail gives an error of the object store its Kind. Its own words are for the log.
func fail(op string, err error) error {
	if err == nil {
		return nil
	}
	if e := (*errs.Error)(nil); errors.As(err, &e) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return errs.E(errs.Canceled, op, err)
	}
	r := response(err)
	switch r.Code {
	case minio.NoSuchKey, minio.NoSuchVersion, minio.InvalidRange, minio.PreconditionFailed, minio.MethodNotAllowed:
		// A range outside: not of that length. Another ETag, or a delete marker: gone.
		return &errs.Error{Kind: errs.NotFound, Op: op, Msg: "no such record", Err: err}
	case "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientCapacity":
		return &errs.Error{Kind: errs.Exhausted, Op: op, Msg: "out of object storage", Err: err}
	case minio.AccessDenied, minio.InvalidAccessKeyID, minio.SignatureDoesNotMatch, minio.RequestTimeTooSkewed,
		minio.AllAccessDisabled:
		return &errs.Error{Kind: errs.Unavailable, Op: op, Msg: "object storage is unavailable",
			Err: errors.Join(errors.New("the object store refuses our credentials ("+r.Code+")"), err)}
	}
	switch r.StatusCode {
	case http.StatusInsufficientStorage:
		return &errs.Error{Kind: errs.Exhausted, Op: op, Msg: "out of object storage", Err: err}
	case http.StatusNotFound:
		if r.Code != minio.NoSuchBucket && r.Code != minio.NoSuchUpload {
			return &errs.Error{Kind: errs.NotFound, Op: op, Msg: "no such record", Err: err}
		}
	}
	return &errs.Error{Kind: errs.Unavailable, Op: op, Msg: "object storage is unavailable", Err: err}
}
