//go:build linux

package fs

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/aurelius-imaging/aurelius/storage/blob"
)

var _ blob.Spacer = (*Store)(nil)

// Space returns how much of the disk under the store is free, and its size.
func (s *Store) Space(context.Context) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(s.cfg.Dir, &st) }); err != nil {
		return 0, 0, fail("fs.Space", err)
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, nil
}
