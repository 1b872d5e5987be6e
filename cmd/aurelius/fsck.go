package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aurelius-imaging/aurelius/archive"
)

// fsckCmd checks an archive: one in a data directory while no server uses it, one on shared engines
// at any time.
type fsckCmd struct {
	engineFlags `embed:""`
	Verify      bool `help:"Read every object against its checksum."`
	Repair      bool `help:"Index whole objects that have no row; erase those that are duplicates, and derived objects without use."`
	Rebuild     bool `help:"Set the index aside and make a new one from the objects alone."`
}

func (c *fsckCmd) Run(ctx context.Context, out io.Writer) error {
	if c.S3.Endpoint == "" {
		if _, err := os.Stat(filepath.Join(c.Data, studiesBucket)); err != nil {
			return fmt.Errorf("%s is no data directory of Aurelius: %w", c.Data, err)
		}
	}
	open := c.open
	if c.Rebuild {
		open = c.openEmpty
	}
	st, err := open(ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	if _, err := c.identify(ctx, st, c.Rebuild); err != nil {
		return err
	}
	a := archive.New(archive.Config{Derived: st.derived}, st.blobs, st.index)
	if c.Rebuild {
		n, err := a.Rebuild(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "index rebuilt from %d objects\n", n)
	}
	report, err := a.Fsck(ctx, archive.FsckOptions{Verify: c.Verify, Repair: c.Repair})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "objects %d, rows %d, orphans %d (adopted %d), missing %d, damaged %d\n",
		report.Objects, report.Rows, report.Orphans, report.Adopted, report.Missing, report.Damaged)
	if report.Trash > 0 || report.Derived > 0 {
		fmt.Fprintf(out, "deleted but not gone %d, derived objects without use %d\n", report.Trash, report.Derived)
	}
	for _, p := range report.Problems {
		fmt.Fprintln(out, p)
	}
	if !report.Clean() {
		return errors.New("the archive is not clean")
	}
	return nil
}
