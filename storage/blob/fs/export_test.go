package fs

import "os"

// Dir returns the store's directory.
func Dir(s *Store) string { return s.cfg.Dir }

// Rest rests all idle packs now.
func Rest(s *Store) error { return s.rest(0) }

// SetAllocate, SetDatasync and SetPunch play a broken disk; nil mends it.
func SetAllocate(s *Store, f func(*os.File, int64, int64) error) {
	if s.sys.allocate = f; f == nil {
		s.sys.allocate = host().allocate
	}
}

func SetDatasync(s *Store, f func(*os.File) error) {
	if s.sys.datasync = f; f == nil {
		s.sys.datasync = host().datasync
	}
}

func SetPunch(s *Store, f func(*os.File, int64, int64) error) { s.sys.punch = f }

// Datasync is the sync every way of the benchmark pays for.
func Datasync(f *os.File) error { return host().datasync(f) }
