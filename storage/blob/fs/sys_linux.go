package fs

import (
	"os"

	"golang.org/x/sys/unix"
)

// system is what the store asks of the kernel beyond reading and writing; tests replace it to
// play a full or a broken disk.
type system struct {
	allocate  func(f *os.File, off, n int64) error
	datasync  func(f *os.File) error
	writeback func(f *os.File, off, n int64)
	punch     func(f *os.File, off, n int64) error
	available func(dir string) (int64, error)
}

func host() system {
	return system{
		allocate: func(f *os.File, off, n int64) error {
			return retry(func() error { return unix.Fallocate(int(f.Fd()), 0, off, n) })
		},
		datasync: func(f *os.File) error {
			return retry(func() error { return unix.Fdatasync(int(f.Fd())) })
		},
		// Starts writing without waiting, so that the commit of a long record finds most of it
		// on the disk. Only a hint: errors show at datasync.
		writeback: func(f *os.File, off, n int64) {
			_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
		},
		punch: func(f *os.File, off, n int64) error {
			return retry(func() error {
				return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
			})
		},
		available: func(dir string) (int64, error) {
			var st unix.Statfs_t
			if err := unix.Statfs(dir, &st); err != nil {
				return 0, err
			}
			return int64(st.Bavail) * st.Bsize, nil
		},
	}
}

func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// lock takes the exclusive lock on f, which the kernel drops when the process ends.
func lock(f *os.File) error {
	return retry(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
}
