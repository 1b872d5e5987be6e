package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// restoreCmd makes a data directory of a backup. It takes the directory's name only after every
// file matched its checksum, every record its own, and the index its records.
type restoreCmd struct {
	engineFlags `embed:""`
	Dir         string `arg:"" placeholder:"DIR" help:"The backup."`
}

func (c *restoreCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Database != "" || c.S3.Endpoint != "" {
		return errElsewhere
	}
	m, err := readManifest(c.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s holds no complete backup", c.Dir)
	}
	if err != nil {
		return err
	}
	if there, err := os.ReadDir(c.Data); err == nil && len(there) > 0 {
		return fmt.Errorf("%s is not empty: a backup is restored into a new directory", c.Data)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fmt.Fprintf(out, "restoring the backup of %s: %d instances\n", m.Finished.Format("2006-01-02 15:04:05 MST"), m.Instances)
	if _, err := os.Stat(filepath.Join(c.Dir, progressFile)); err == nil {
		fmt.Fprintln(out, "a later backup was not completed; it is not used")
	}
	syscall.Umask(0o077)
	partial := filepath.Clean(c.Data) + ".restoring"
	if err := os.RemoveAll(partial); err != nil { // of a restore that was interrupted
		return err
	}
	for _, f := range m.files() {
		if err := restoreFile(ctx, filepath.Join(c.Dir, f.File), filepath.Join(partial, f.Name), f); err != nil {
			return err
		}
	}
	for _, d := range m.Databases {
		if err := sqldb.Check(filepath.Join(partial, d.Name)); err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
	}
	report, err := proveRestored(ctx, partial)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "objects %d, rows %d, missing %d, damaged %d\n", report.Objects, report.Rows, report.Missing, report.Damaged)
	for _, p := range report.Problems {
		fmt.Fprintln(out, p)
	}
	if !report.Clean() && m.Missing == 0 {
		return fmt.Errorf("what was restored is not clean; it stays in %s", partial)
	}
	if err := os.Remove(c.Data); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(partial, c.Data); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(c.Data)))
}

// restoreFile copies a file of the backup to its place and compares it on the way.
func restoreFile(ctx context.Context, from, to string, want backupFile) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(dst, sum), src)
	if err = errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		return err
	}
	if n != want.Size || hex.EncodeToString(sum.Sum(nil)) != want.SHA256 {
		return fmt.Errorf("%s: the file of the backup is damaged", want.File)
	}
	return nil
}

// proveRestored opens the directory as a server does and reads every record in it.
func proveRestored(ctx context.Context, dir string) (report archive.FsckReport, err error) {
	st, err := (&engineFlags{Data: dir}).open(ctx)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := newEpoch(ctx, st); err != nil {
		return report, err
	}
	a := archive.New(archive.Config{}, st.blobs, st.index)
	if _, err := a.Recover(ctx); err != nil {
		return report, err
	}
	return a.Fsck(ctx, archive.FsckOptions{Verify: true})
}
