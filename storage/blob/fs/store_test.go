package fs_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
)

const tenant storage.TenantID = "default"

func open(t testing.TB, cfg fs.Config) *fs.Store {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := fs.Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// packFile returns the file that holds the location.
func packFile(t testing.TB, dir string, l blob.Location) string {
	t.Helper()
	for _, suffix := range []string{".pack", ".open"} {
		path := filepath.Join(dir, "packs", string(l.Object)+suffix)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatalf("no file for %s", l.Object)
	return ""
}

func flip(t testing.TB, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

func blocks(t testing.TB, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}

func TestContract(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]fs.Config{
		"as configured by default": {},
		"tiny packs":               {PackSize: 30_000, Step: 4096},
		"always resting":           {Idle: time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blobtest.Run(t, blobtest.Engine{
				New: func(t *testing.T) blob.Store {
					cfg := cfg
					cfg.Dir = t.TempDir()
					s, err := fs.Open(cfg)
					if err != nil {
						t.Fatal(err)
					}
					return s
				},
				Flip: func(t *testing.T, s blob.Store, l blob.Location, at int64) {
					flip(t, packFile(t, fs.Dir(s.(*fs.Store)), l), l.Offset+at)
				},
			})
		})
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, fs.Config{Dir: dir})
	if _, err := fs.Open(fs.Config{Dir: dir}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("second Open: %v, want unavailable", err)
	}
}

func TestTenantNames(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{})
	for _, name := range []storage.TenantID{"", ".", "..", "a/b", "A", "a_b", "../x", "a\x00"} {
		if _, err := s.Create(t.Context(), name); !errs.Is(err, errs.Invalid) {
			t.Errorf("tenant %q: %v, want invalid", name, err)
		}
	}
}

// crash copies the store's directory as it is, without Close, and opens the copy.
func crash(t *testing.T, s *fs.Store, damage func(dir string)) (*fs.Store, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(fs.Dir(s))); err != nil {
		t.Fatal(err)
	}
	if damage != nil {
		damage(dir)
	}
	return open(t, fs.Config{Dir: dir}), dir
}

func TestCrash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		damage  func(t *testing.T, path string, last blob.Record)
		records int
	}{
		{"as it is", func(*testing.T, string, blob.Record) {}, 3},
		{"header torn", func(t *testing.T, path string, r blob.Record) { flip(t, path, r.Location.Offset-30) }, 2},
		{"content torn", func(t *testing.T, path string, r blob.Record) { flip(t, path, r.Location.Offset+r.Location.Length-1) }, 2},
		{"tail cut", func(t *testing.T, path string, r blob.Record) {
			if err := os.Truncate(path, r.Location.Offset+r.Location.Length/2); err != nil {
				t.Fatal(err)
			}
		}, 2},
		{"cut in the header", func(t *testing.T, path string, r blob.Record) {
			if err := os.Truncate(path, r.Location.Offset-10); err != nil {
				t.Fatal(err)
			}
		}, 2},
		{"cut to nothing", func(t *testing.T, path string, r blob.Record) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, fs.Config{})
			var last blob.Record
			for i := range 3 {
				last = blobtest.Put(t, s, tenant, blobtest.Content(uint64(i), 300_000+i))
			}
			// One more was under way.
			w, err := s.Create(t.Context(), tenant)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			if _, err := w.Write(blobtest.Content(9, 900_000)); err != nil {
				t.Fatal(err)
			}
			again, dir := crash(t, s, func(dir string) { tt.damage(t, packFile(t, dir, last.Location), last) })
			got := blobtest.Records(t, again, nil)
			if len(got) != tt.records {
				t.Fatalf("%d records after the crash, want %d", len(got), tt.records)
			}
			for i, r := range got {
				if !bytes.Equal(blobtest.Get(t, again, r.Location), blobtest.Content(uint64(i), 300_000+i)) {
					t.Errorf("record %d differs", i)
				}
				if st, _ := os.Stat(packFile(t, dir, r.Location)); st.Size() != got[len(got)-1].End {
					t.Errorf("the pack was not cut to size: %d", st.Size())
				}
			}
			more := blobtest.Put(t, again, tenant, blobtest.Content(7, 50))
			if tt.records > 0 && more.Location.Object != last.Location.Object {
				t.Error("the pack does not grow on after the crash")
			}
			if got := blobtest.Records(t, again, nil); len(got) != tt.records+1 {
				t.Errorf("%d records, want %d", len(got), tt.records+1)
			}
		})
	}
}

func TestDamagedPackHeaderKeepsTheFile(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{})
	r := blobtest.Put(t, s, tenant, blobtest.Content(1, 1000))
	again, dir := crash(t, s, func(dir string) { flip(t, packFile(t, dir, r.Location), 10) })
	if _, err := os.Stat(packFile(t, dir, r.Location)); err != nil {
		t.Error(err)
	}
	var seen error
	for _, err := range again.List(t.Context(), nil) {
		seen = errors.Join(seen, err)
	}
	if seen == nil {
		t.Error("List says nothing of a damaged pack")
	}
}

func TestDamageIsNotTakenForATornCommit(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{})
	r := blobtest.Put(t, s, tenant, blobtest.Content(1, 1000))
	if err := fs.Rest(s); err != nil {
		t.Fatal(err)
	}
	again, _ := crash(t, s, func(dir string) { flip(t, packFile(t, dir, r.Location), r.Location.Offset+500) })
	if err := again.Verify(t.Context(), r.Location); !errs.Is(err, errs.Invalid) {
		t.Errorf("Verify: %v, want invalid", err)
	}
}

// A peer may send what looks like our own records; an aborted store must not bring it to life.
func TestForgedRecordsStayDead(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{})
	forged := blobtest.Put(t, s, tenant, blobtest.Content(1, 200))
	raw, err := os.ReadFile(packFile(t, fs.Dir(s), forged.Location))
	if err != nil {
		t.Fatal(err)
	}
	header := raw[forged.Location.Offset-64 : forged.Location.Offset]
	w, err := s.Create(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	for range 8000 {
		if _, err := w.Write(header); err != nil {
			t.Fatal(err)
		}
	}
	w.Abort()
	blobtest.Put(t, s, tenant, nil)
	again, _ := crash(t, s, nil)
	if got := blobtest.Records(t, again, nil); len(got) != 2 {
		t.Errorf("%d records, want 2", len(got))
	}
}

func TestEraseGivesBlocksBack(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{Idle: time.Hour})
	var rs []blob.Record
	var ls []blob.Location
	for i := range 50 {
		rs = append(rs, blobtest.Put(t, s, tenant, blobtest.Content(uint64(i), 20_001)))
		if i > 0 && i < 49 {
			ls = append(ls, rs[i].Location)
		}
	}
	if err := fs.Rest(s); err != nil {
		t.Fatal(err)
	}
	path := packFile(t, fs.Dir(s), rs[0].Location)
	before := blocks(t, path)
	if err := s.Erase(t.Context(), ls...); err != nil {
		t.Fatal(err)
	}
	if after := blocks(t, path); after > before-48*20_000+8192 {
		t.Errorf("blocks %d -> %d: too little was given back", before, after)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range ls {
		if bytes.Contains(raw, blobtest.Content(uint64(i+1), 20_001)[:16]) {
			t.Errorf("bytes of the record at %d are still there", l.Offset)
		}
	}
	for _, i := range []int{0, 49} {
		if !bytes.Equal(blobtest.Get(t, s, rs[i].Location), blobtest.Content(uint64(i), 20_001)) {
			t.Errorf("record %d differs", i)
		}
	}
	if err := s.Erase(t.Context(), rs[0].Location, rs[49].Location); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty pack is still there: %v", err)
	}
}

func TestEraseWithoutHoles(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{})
	fs.SetPunch(s, func(*os.File, int64, int64) error { return syscall.EOPNOTSUPP })
	a := blobtest.Put(t, s, tenant, blobtest.Content(1, 600_000))
	b := blobtest.Put(t, s, tenant, blobtest.Content(2, 100))
	if err := s.Erase(t.Context(), a.Location); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(packFile(t, fs.Dir(s), b.Location))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, blobtest.Content(1, 16)) {
		t.Error("bytes are still there")
	}
	if !bytes.Equal(blobtest.Get(t, s, b.Location), blobtest.Content(2, 100)) {
		t.Error("the neighbour differs")
	}
}

func TestDiskFaults(t *testing.T) {
	t.Parallel()
	full := func(*os.File, int64, int64) error { return syscall.ENOSPC }
	tests := []struct {
		name         string
		break_, mend func(*fs.Store)
		want         errs.Kind
	}{
		{"no space to claim",
			func(s *fs.Store) { fs.SetAllocate(s, full) },
			func(s *fs.Store) { fs.SetAllocate(s, nil) }, errs.Exhausted},
		{"no space at sync",
			func(s *fs.Store) { fs.SetDatasync(s, func(*os.File) error { return syscall.ENOSPC }) },
			func(s *fs.Store) { fs.SetDatasync(s, nil) }, errs.Exhausted},
		{"disk error at sync",
			func(s *fs.Store) { fs.SetDatasync(s, func(*os.File) error { return syscall.EIO }) },
			func(s *fs.Store) { fs.SetDatasync(s, nil) }, errs.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, fs.Config{Step: 1 << 20})
			first := blobtest.Put(t, s, tenant, blobtest.Content(1, 3000))
			tt.break_(s)
			for range 3 {
				w, err := s.Create(t.Context(), tenant)
				if err == nil {
					if _, err = w.Write(blobtest.Content(2, 3<<20)); err == nil {
						_, err = w.Commit(t.Context())
					}
					w.Abort()
				}
				if !errs.Is(err, tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
			}
			tt.mend(s)
			second := blobtest.Put(t, s, tenant, blobtest.Content(3, 3<<20))
			if tt.want == errs.Unavailable && second.Location.Object == first.Location.Object {
				t.Error("the pack is used again after a failed sync")
			}
			again, _ := crash(t, s, nil)
			for _, s := range []blob.Store{s, again} {
				got := blobtest.Records(t, s, nil)
				if len(got) != 2 {
					t.Fatalf("%d records, want 2", len(got))
				}
				if !bytes.Equal(blobtest.Get(t, s, first.Location), blobtest.Content(1, 3000)) ||
					!bytes.Equal(blobtest.Get(t, s, second.Location), blobtest.Content(3, 3<<20)) {
					t.Error("content differs")
				}
			}
		})
	}
}

func TestIdlePacksGiveSpaceBack(t *testing.T) {
	t.Parallel()
	s := open(t, fs.Config{Idle: time.Hour})
	r := blobtest.Put(t, s, tenant, blobtest.Content(1, 100))
	path := packFile(t, fs.Dir(s), r.Location)
	if err := fs.Rest(s); err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(path); st.Size() != r.End {
		t.Errorf("a resting pack has %d bytes, want %d", st.Size(), r.End)
	}
	if next := blobtest.Put(t, s, tenant, nil); next.Location.Object != r.Location.Object {
		t.Error("a resting pack is not used again")
	}
}
