package archivetest_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// opened reads an object that may not be opened or not be read to its end.
func opened(o *archive.Object, err error) (b []byte, size int64, _ error) {
	if err != nil {
		return nil, 0, err
	}
	defer o.Close()
	b, err = io.ReadAll(o.ReadCloser)
	return b, o.Size, err
}

// TestLocatedBefore: who located instances and then reads them, one by one, gets what was promised
// although they are compressed meanwhile: every frame, and the bytes that were received or, where
// these cannot be made again, an error. Never other bytes.
func TestLocatedBefore(t *testing.T) {
	t.Parallel()
	dir, samples := testkit.Corpus(t, func(s testkit.Sample) bool {
		return s.Pixels != nil && s.SOP != "" && s.Study != "" && strings.HasSuffix(s.Path, ".dcm") && !strings.Contains(s.TransferSyntax, ".1.2.4.") &&
			!strings.HasPrefix(s.Path, "malformed/") && !strings.HasPrefix(s.Path, "charsets/") && !strings.Contains(s.Path, "epi-150/0")
	})
	p := newPress(t)
	a := p.start()
	type located struct {
		path   string
		file   []byte
		entry  index.Entry
		frames *archive.Frames
		native [][]byte
	}
	var all []located
	for _, s := range samples {
		file, err := os.ReadFile(filepath.Join(dir, s.Path))
		if err != nil {
			t.Fatal(err)
		}
		stored, err := a.Store(t.Context(), tenant, archive.Incoming{Data: bytes.NewReader(file)})
		if err != nil || stored.Duplicate {
			continue // the same image in another syntax
		}
		entries, err := a.Select(t.Context(), tenant, stored.Ref)
		if err != nil {
			t.Fatal(err)
		}
		l := located{path: s.Path, entry: entries[0]}
		if l.file, _, err = opened(a.OpenFile(t.Context(), tenant, l.entry, 0, -1)); err != nil {
			t.Fatal(err)
		}
		if l.frames, err = a.Frames(t.Context(), tenant, stored.Ref); err != nil {
			t.Fatal(s.Path, err)
		}
		for n := 1; n <= l.frames.Index.Frames(); n++ {
			b, _, err := opened(a.OpenFrame(t.Context(), tenant, l.frames, n))
			if err != nil {
				t.Fatal(err)
			}
			l.native = append(l.native, b)
		}
		all = append(all, l)
	}
	if _, err := a.RecompressOnce(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	moved, whole := 0, 0
	for _, l := range all {
		now, err := a.Select(t.Context(), tenant, l.entry.Ref)
		if err != nil {
			t.Fatal(err)
		}
		if now[0].Location == l.entry.Location {
			continue
		}
		moved++
		b, size, err := opened(a.OpenFile(t.Context(), tenant, l.entry, 0, l.entry.Location.Length))
		as, asSize, asErr := opened(a.OpenFileAs(t.Context(), tenant, l.entry, l.entry.TransferSyntaxUID))
		switch {
		case (err == nil) != (asErr == nil):
			t.Errorf("%s: %v, %v", l.path, err, asErr)
		case err != nil: // said before its end
		case size != l.entry.Location.Length || asSize != size || !bytes.Equal(b, l.file) || !bytes.Equal(as, l.file):
			t.Errorf("%s: %d and %d bytes, not the %d that were received", l.path, len(b), len(as), len(l.file))
		default:
			whole++
		}
		if _, _, err := opened(a.OpenFile(t.Context(), tenant, l.entry, 0, 100)); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: a part of it: %v", l.path, err)
		}
		for n, want := range l.native {
			b, size, err := opened(a.OpenFrame(t.Context(), tenant, l.frames, n+1))
			if err != nil || size != int64(len(want)) || !bytes.Equal(b, want) {
				t.Errorf("%s: frame %d: %d bytes (promised %d) of %d, %v", l.path, n+1, len(b), size, len(want), err)
			}
		}
	}
	if whole < moved/3 {
		t.Errorf("%d of %d come whole", whole, moved)
	}
	t.Logf("%d of %d were compressed, %d come back byte for byte", moved, len(all), whole)
}
