package fs

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

var _ blob.Labeled = (*Store)(nil)

func (s *Store) label() string { return filepath.Join(s.cfg.Dir, "label") }

// Label returns the word that SetLabel kept.
func (s *Store) Label(context.Context) (string, error) {
	f, err := os.Open(s.label())
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fail("fs.Label", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, blob.MaxLabel+1))
	if err == nil && len(b) > blob.MaxLabel {
		return "", errs.Errorf(errs.Invalid, "fs.Label", "the label is too long")
	}
	return strings.TrimSpace(string(b)), fail("fs.Label", err)
}

// SetLabel writes the word beside the packs.
func (s *Store) SetLabel(_ context.Context, label string) error {
	const op = "fs.SetLabel"
	f, err := os.CreateTemp(s.cfg.Dir, "label-*")
	if err != nil {
		return fail(op, err)
	}
	defer os.Remove(f.Name()) // after the renaming nothing is there
	_, err = f.WriteString(label + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fail(op, err)
	}
	if err := os.Rename(f.Name(), s.label()); err != nil {
		return fail(op, err)
	}
	return fail(op, syncDir(s.cfg.Dir))
}
