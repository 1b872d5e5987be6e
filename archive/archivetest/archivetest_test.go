package archivetest_test

import (
	"bytes"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob/fs"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
)

const tenant = storage.DefaultTenant

// fixtures are whole objects with identities of their own.
func fixtures(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(testkit.Testdata("first", "*.dcm"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range []string{
		"ct-small", "deflated", "mr-big-endian", "nm-j2k", "rtdose-15-frames", "sc-jpeg-baseline", "sc-rle-2-frames", "sr",
	} {
		files = append(files, testkit.Testdata("dicom", name+".dcm"))
	}
	return files
}

func store(t *testing.T, a *archive.Archive, path string) archive.Stored {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := a.Store(t.Context(), tenant, archive.Incoming{Data: f})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return s
}

func studies(t *testing.T, a *archive.Archive) []string {
	t.Helper()
	q, err := query.FromParams(query.Study, "", "", url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for d, err := range a.Find(t.Context(), tenant, q) {
		if err != nil {
			t.Fatalf("Find: %v", err)
		}
		out = append(out, d.UID(tag.StudyInstanceUID))
	}
	return out
}

// One life of an archive on its real engines: store, find, read, look at headers, changes,
// delete.
func TestLife(t *testing.T) {
	t.Parallel()
	a := archivetest.New(t)
	var all []archive.Stored
	for _, path := range fixtures(t) {
		s := store(t, a, path)
		es, err := a.Select(t.Context(), tenant, s.Ref)
		if err != nil || len(es) != 1 {
			t.Fatalf("Select: %d entries, %v", len(es), err)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		o, err := a.OpenFile(t.Context(), tenant, es[0], 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(o)
		o.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not as received: %v", path, err)
		}
		if !s.Duplicate {
			all = append(all, s)
		}
		if s := store(t, a, path); !s.Duplicate {
			t.Errorf("%s stored twice: %+v", path, s)
		}
		if !slices.Contains(studies(t, a), s.StudyInstanceUID) {
			t.Errorf("study of %s is not found", path)
		}
	}
	n := 0
	for h, err := range a.Headers(t.Context(), tenant, index.Ref{}) {
		if err != nil || h.Dataset.UID(tag.SOPInstanceUID) == "" {
			t.Errorf("header %d: %v", n, err)
		}
		n++
	}
	if n != len(all) {
		t.Errorf("%d headers of %d objects", n, len(all))
	}
	changes, err := a.Changes(t.Context(), tenant, 0, 1000)
	if err != nil || len(changes) != len(all) {
		t.Errorf("%d changes for %d objects, %v", len(changes), len(all), err)
	}
	for _, s := range all {
		if err := a.Delete(t.Context(), tenant, s.Ref); err != nil {
			t.Errorf("Delete: %v", err)
		}
		if err := a.Delete(t.Context(), tenant, s.Ref); !errs.Is(err, errs.NotFound) {
			t.Errorf("second Delete: %v, want not found", err)
		}
	}
	if left := studies(t, a); len(left) != 0 {
		t.Errorf("studies %v stay", left)
	}
	report, err := a.Fsck(t.Context(), archive.FsckOptions{Verify: true})
	if err != nil || !report.Clean() || report.Objects != 0 || report.Rows != 0 {
		t.Errorf("Fsck: %+v, %v", report, err)
	}
}

func TestMetadataIsBuiltOncePerRevision(t *testing.T) {
	t.Parallel()
	a := archivetest.New(t)
	path := fixtures(t)[0]
	s := store(t, a, path)
	built := 0
	form := archive.Form{Name: "count", New: func() func([]byte, *dicom.Header) []byte {
		built++
		return func(dst []byte, _ *dicom.Header) []byte { return append(dst, byte('0'+built)) }
	}}
	get := func() []byte {
		states, err := a.Series(t.Context(), tenant, index.Ref{SeriesInstanceUID: s.SeriesInstanceUID})
		if err != nil || len(states) != 1 {
			t.Fatalf("Series: %v, %v", states, err)
		}
		p, err := a.SeriesMetadata(t.Context(), tenant, states[0], form)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p.Open())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if a, b := get(), get(); built != 1 || !bytes.Equal(a, b) {
		t.Errorf("built %d times", built)
	}
	if err := a.Delete(t.Context(), tenant, s.Ref); err != nil {
		t.Fatal(err)
	}
	store(t, a, path)
	if get(); built != 2 {
		t.Errorf("built %d times after the series changed, want 2", built)
	}
}

// The index is lost; the packs alone bring everything back.
func TestRebuild(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openArchive := func(indexFile string) (*archive.Archive, func()) {
		blobs, err := fs.Open(fs.Config{Dir: filepath.Join(dir, "blobs")})
		if err != nil {
			t.Fatal(err)
		}
		ix, err := sqlite.Open(filepath.Join(dir, indexFile), sqlite.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return archive.New(archive.Config{}, blobs, ix), func() {
			if err := ix.Close(); err != nil {
				t.Error(err)
			}
			if err := blobs.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	a, done := openArchive("one")
	for _, path := range fixtures(t) {
		store(t, a, path)
	}
	before, err := a.Select(t.Context(), tenant, index.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	found := studies(t, a)
	done()

	a, done = openArchive("one")
	if n, err := a.Recover(t.Context()); n != 0 || err != nil {
		t.Errorf("after a clean end Recover adopted %d, %v", n, err)
	}
	done()

	a, done = openArchive("two")
	defer done()
	if n, err := a.Recover(t.Context()); n != len(before) || err != nil {
		t.Errorf("Recover adopted %d, %v, want %d", n, err, len(before))
	}
	after, err := a.Select(t.Context(), tenant, index.Ref{})
	if err != nil || len(after) != len(before) {
		t.Fatalf("%d instances, %v, want %d", len(after), err, len(before))
	}
	for _, e := range before {
		if !slices.ContainsFunc(after, func(x index.Entry) bool {
			return x.Ref == e.Ref && x.Location == e.Location && x.DatasetCRC == e.DatasetCRC &&
				x.DatasetOffset == e.DatasetOffset && x.TransferSyntaxUID == e.TransferSyntaxUID && x.Received.Equal(e.Received)
		}) {
			t.Errorf("%+v did not come back", e)
		}
	}
	again := studies(t, a)
	slices.Sort(found)
	slices.Sort(again)
	if !slices.Equal(found, again) {
		t.Errorf("studies %v, want %v", again, found)
	}
}
