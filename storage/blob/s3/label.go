package s3

import (
	"context"
	"io"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

var _ blob.Labeled = (*Store)(nil)

// labelKey is beside the tenants' folders: no tenant has a dot in its name.
const labelKey = "aurelius.label"

// Label returns the word that SetLabel kept.
func (s *Store) Label(ctx context.Context) (string, error) {
	var label string
	err := s.retry(ctx, "s3.Label", func() error {
		rc, _, _, err := s.core.GetObject(ctx, s.cfg.Bucket, s.object(labelKey), minio.GetObjectOptions{})
		if code(err) == minio.NoSuchKey {
			return nil
		}
		if err != nil {
			return err
		}
		defer rc.Close()
		b, err := io.ReadAll(io.LimitReader(rc, blob.MaxLabel+1))
		if err == nil && len(b) > blob.MaxLabel {
			return errs.Errorf(errs.Invalid, "s3.Label", "the label is too long")
		}
		label = strings.TrimSpace(string(b))
		return err
	})
	return label, err
}

// SetLabel writes the word beside the tenants' folders.
func (s *Store) SetLabel(ctx context.Context, label string) error {
	return s.retry(ctx, "s3.SetLabel", func() error {
		_, err := s.core.PutObject(ctx, s.cfg.Bucket, s.object(labelKey), strings.NewReader(label+"\n"), int64(len(label)+1),
			"", "", minio.PutObjectOptions{ContentType: "text/plain", DisableContentSha256: !s.cfg.Secure})
		return err
	})
}
