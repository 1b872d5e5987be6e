package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/archive/ingest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage"
)

const tenant = storage.DefaultTenant

// object returns the n-th of many different instances.
func object(t testing.TB, n int) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Testdata("first", "1.dcm"))
	if err != nil {
		t.Fatal(err)
	}
	const sop = "2.25.311111111111111111111111111111111111.1.1.1"
	other := fmt.Sprintf("%s%06d", sop[:len(sop)-6], 100000+n)
	return bytes.ReplaceAll(b, []byte(sop), []byte(other))
}

// bareObject is one without preamble and File Meta Information.
func bareObject(t testing.TB, n int) []byte {
	t.Helper()
	b := object(t, n)
	h, err := dicom.ReadHeader(bytes.NewReader(b), dicom.Source{}, dicom.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return b[h.DatasetOffset:]
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// outcomes runs an import and returns what became of each path, relative to dir.
func outcomes(t testing.TB, dir string, src ingest.Source, opt ingest.Options) (map[string]string, ingest.Summary) {
	t.Helper()
	return outcomesOf(t, archivetest.New(t), dir, src, opt)
}

func outcomesOf(t testing.TB, a ingest.Storer, dir string, src ingest.Source, opt ingest.Options) (map[string]string, ingest.Summary) {
	t.Helper()
	got := map[string]string{}
	s, err := ingest.Run(t.Context(), a, tenant, src, opt, func(r ingest.Result) {
		name := strings.TrimPrefix(strings.TrimPrefix(r.Path, dir), "/")
		if before, twice := got[name]; twice {
			t.Errorf("%s: told twice (%s, %s)", name, before, r.Outcome)
		}
		got[name] = r.Outcome.String()
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, s
}

func expect(t testing.TB, got, want map[string]string) {
	t.Helper()
	for name, outcome := range want {
		if got[name] != outcome {
			t.Errorf("%s: %q, want %q", name, got[name], outcome)
		}
	}
	for name, outcome := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %q, want nothing of it", name, outcome)
		}
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	deep := strings.Repeat("d/", 60) + "object"
	odd := "na\nme ü \xff"
	write(t, filepath.Join(dir, deep), object(t, 1))
	write(t, filepath.Join(dir, odd), object(t, 2))
	write(t, filepath.Join(dir, "bare"), bareObject(t, 3))
	write(t, filepath.Join(dir, "again"), object(t, 1))
	other := object(t, 1)
	other[len(other)-1] ^= 1
	write(t, filepath.Join(dir, "other"), other)
	write(t, filepath.Join(dir, "damaged"), object(t, 4)[:2000])
	write(t, filepath.Join(dir, "empty"), nil)
	write(t, filepath.Join(dir, "text.dcm"), []byte("The quick brown fox jumps over the lazy dog."))
	write(t, filepath.Join(elsewhere, "linked"), object(t, 5))
	for link, to := range map[string]string{"loop": dir, "d/up": "..", "self": "self", "away": elsewhere, "away2": elsewhere,
		"file": filepath.Join(elsewhere, "linked"), "dangling": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(dir, filepath.Join(elsewhere, "back")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := archivetest.New(t)
	got, _ := outcomesOf(t, a, dir, ingest.Files(ingest.Limits{}, dir), ingest.Options{Workers: 1})
	expect(t, got, map[string]string{
		odd: "stored", "bare": "stored", "again": "stored", deep: "identical", "other": "conflict", "damaged": "refused",
		"empty": "not DICOM", "text.dcm": "not DICOM", "dangling": "missing", "pipe": "not DICOM",
		"file": "stored", "away/linked": "identical", // files come before folders, and a folder comes once
	})
	again, s := outcomesOf(t, a, dir, ingest.Files(ingest.Limits{}, dir), ingest.Options{})
	if s.Count(ingest.Stored) != 0 || again["bare"] != "identical" {
		t.Errorf("a second time: %+v", s)
	}
}

func TestFilesThatWereNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), object(t, 1))
	write(t, filepath.Join(dir, "b", "c"), object(t, 2))
	if err := os.Symlink("b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	got, _ := outcomes(t, dir, ingest.Files(ingest.Limits{}, filepath.Join(dir, "a"), filepath.Join(dir, "link"), filepath.Join(dir, "none")), ingest.Options{})
	expect(t, got, map[string]string{"a": "stored", "link/c": "stored", "none": "missing"})
	if files, size := ingest.Measure(t.Context(), dir); files != 2 || size != int64(len(object(t, 1))+len(object(t, 2))) {
		t.Errorf("measured %d files, %d bytes", files, size)
	}
}

// TestResume: a run that ends in the middle is continued, what is done is not read again, and a
// file that changed is.
func TestResume(t *testing.T) {
	t.Parallel()
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "sub", "journal")
	const n = 40
	for i := range n {
		write(t, filepath.Join(dir, fmt.Sprintf("%02d", i)), object(t, i))
	}
	a := archivetest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	j := open(t, file)
	first, err := ingest.Run(ctx, a, tenant, ingest.Files(ingest.Limits{}, dir), ingest.Options{Journal: j, Workers: 3}, func(ingest.Result) {
		cancel()
	})
	if !errs.Is(err, errs.Canceled) {
		t.Fatalf("a canceled run: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	done := first.Count(ingest.Stored)
	if done == 0 || done == n {
		t.Fatalf("%d of %d were stored before the end", done, n)
	}
	torn, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = torn.WriteString("torn")
	if err := errors.Join(err, torn.Close()); err != nil {
		t.Fatal(err)
	}

	j = open(t, file)
	if j.Known() != int(done) {
		t.Errorf("the journal has %d of %d", j.Known(), done)
	}
	_, second := outcomesOf(t, a, dir, ingest.Files(ingest.Limits{}, dir), ingest.Options{Journal: j})
	if second.Count(ingest.Before) != done || second.Count(ingest.Stored)+second.Count(ingest.Identical) != n-done {
		t.Errorf("continued: %+v after %d", second, done)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "00"), later, later); err != nil {
		t.Fatal(err)
	}
	j = open(t, file)
	got, third := outcomesOf(t, a, dir, ingest.Files(ingest.Limits{}, dir), ingest.Options{Journal: j})
	if got["00"] != "identical" || third.Count(ingest.Before) != n-1 {
		t.Errorf("a file that changed: %s; %+v", got["00"], third)
	}
	if err := j.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a journal of a run that came to its end stays: %v", err)
	}
}

func open(t testing.TB, file string) *ingest.Journal {
	t.Helper()
	j, err := ingest.OpenJournal(file)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// faulty is an archive whose engine fails.
type faulty struct {
	ingest.Storer
	calls atomic.Int64
	fail  func(call int64) error
}

func (f *faulty) Store(ctx context.Context, t storage.TenantID, in archive.Incoming) (archive.Stored, error) {
	if err := f.fail(f.calls.Add(1)); err != nil {
		return archive.Stored{}, err
	}
	return f.Storer.Store(ctx, t, in)
}

func TestEngineThatComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), object(t, 1))
	f := &faulty{Storer: archivetest.New(t), fail: func(call int64) error {
		if call < 3 {
			return errs.Errorf(errs.Unavailable, "test", "down")
		}
		return nil
	}}
	got, _ := outcomesOf(t, f, dir, ingest.Files(ingest.Limits{}, dir), ingest.Options{Pause: time.Microsecond})
	expect(t, got, map[string]string{"a": "stored"})
}

// TestRunEnds: when nothing can be stored any more the rest is not tried.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const n = 200
	for i := range n {
		write(t, filepath.Join(dir, fmt.Sprintf("%03d", i)), object(t, i))
	}
	for _, kind := range []errs.Kind{errs.Exhausted, errs.Unavailable} {
		f := &faulty{Storer: archivetest.New(t), fail: func(call int64) error {
			if call > 10 {
				return errs.Errorf(kind, "test", "no more")
			}
			return nil
		}}
		var mu sync.Mutex
		told := 0
		s, err := ingest.Run(t.Context(), f, tenant, ingest.Files(ingest.Limits{}, dir), ingest.Options{Pause: time.Microsecond},
			func(ingest.Result) { mu.Lock(); told++; mu.Unlock() })
		if !errs.Is(err, kind) || s.Count(ingest.Stored) == 0 || s.Count(ingest.Stored) > 10 || told >= n/2 {
			t.Errorf("%s: %v, %+v, told of %d", kind, err, s, told)
		}
	}
}
