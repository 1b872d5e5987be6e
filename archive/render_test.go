package archive_test

import (
	"bytes"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// storeSample stores a file of the corpus.
func (h house) storeSample(t *testing.T, path string) index.Ref {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Shared(t), "data", path))
	if err != nil {
		t.Fatal(err)
	}
	return h.mustStore(t, archive.Incoming{Data: bytes.NewReader(b)}).Ref
}

func (h house) frames(t *testing.T, r index.Ref) *archive.Frames {
	t.Helper()
	f, err := h.Frames(t.Context(), tenant, r)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestCorpusRendered makes a picture of the last frame of every kind of image whose syntax is
// decoded.
func TestCorpusRendered(t *testing.T) {
	t.Parallel()
	dir, samples := testkit.Corpus(t, func(s testkit.Sample) bool {
		return s.Pixels != nil && s.SOP != "" && s.Study != "" && strings.HasSuffix(s.Path, ".dcm") && decodable(s.TransferSyntax) &&
			!strings.HasPrefix(s.Path, "malformed/")
	})
	made := 0
	for _, s := range onePerKind(samples) {
		b, err := os.ReadFile(filepath.Join(dir, s.Path))
		if err != nil {
			t.Fatal(err)
		}
		h := newHouse(archive.Config{Codecs: codecs})
		f := h.frames(t, h.mustStore(t, archive.Incoming{Data: bytes.NewReader(b)}).Ref)
		n := f.Index.Frames()
		p, err := h.Render(t.Context(), tenant, f, n, archive.Rendering{MediaType: archive.JPEG})
		if err != nil {
			t.Errorf("%s: frame %d: %v", s.Path, n, err)
			continue
		}
		c, kind, err := image.DecodeConfig(bytes.NewReader(p.Data))
		if err != nil || kind != "jpeg" || p.Applied.Frame != n || c.Width != p.Applied.To.Width || c.Height != p.Applied.To.Height {
			t.Errorf("%s: %s %dx%d, %v, applied %v", s.Path, kind, c.Width, c.Height, err, p.Applied)
		}
		made++
	}
	if made < 95 {
		t.Errorf("%d pictures: the corpus has more images", made)
	}
}

// TestRenderedTogether draws a segmentation over its source and applies a presentation state.
func TestRenderedTogether(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{Codecs: codecs})
	_, slices108 := testkit.Corpus(t, func(s testkit.Sample) bool {
		return strings.HasPrefix(s.Path, "ct-series/head-108/05")
	})
	over, stated := 0, 0
	seg := h.storeSample(t, "derived/head-ct/seg-2-segments.dcm")
	state := h.storeSample(t, "derived/head-ct/pr-gsps.dcm")
	for _, s := range slices108 {
		f := h.frames(t, h.storeSample(t, s.Path))
		plain, err := h.Render(t.Context(), tenant, f, 1, archive.Rendering{MediaType: archive.JPEG})
		if err != nil {
			t.Fatal(err)
		}
		layered, err := h.Render(t.Context(), tenant, f, 1, archive.Rendering{MediaType: archive.JPEG, Segmentations: []string{seg.SOPInstanceUID}})
		if err != nil {
			t.Fatal(err)
		}
		if len(layered.Applied.Layers) > 0 {
			over++
			if bytes.Equal(plain.Data, layered.Data) {
				t.Errorf("%s: layers %v, and the same picture", s.Path, layered.Applied.Layers)
			}
		}
		p, err := h.Render(t.Context(), tenant, f, 1, archive.Rendering{MediaType: archive.JPEG, State: state.SOPInstanceUID})
		switch {
		case errs.Is(err, errs.Mismatch):
		case err != nil:
			t.Fatal(err)
		default:
			if stated++; p.Applied.Presentation == "" {
				t.Errorf("%s: no word of the presentation state: %v", s.Path, p.Applied)
			}
		}
	}
	if over < 2 || stated < 1 {
		t.Errorf("segments over %d slices, a state for %d: the corpus has more", over, stated)
	}
}

// TestRenderWishes: what is asked for is what is kept apart, and what cannot be is refused.
func TestRenderWishes(t *testing.T) {
	t.Parallel()
	h := newHouse(archive.Config{Codecs: codecs})
	f := h.frames(t, h.storeSample(t, "multiframe/us-palette-10-rle.dcm"))
	made := func(r archive.Rendering, n int) []byte {
		t.Helper()
		p, err := h.Render(t.Context(), tenant, f, n, r)
		if err != nil {
			t.Fatal(err)
		}
		return p.Data
	}
	small := render.Options{Viewport: &render.Viewport{Width: 64, Height: 64}}
	var all [][]byte
	for _, r := range []archive.Rendering{
		{MediaType: archive.JPEG}, {MediaType: archive.PNG}, {MediaType: archive.GIF}, {MediaType: archive.JPEG, Quality: 20},
		{MediaType: archive.JPEG, Options: small},
	} {
		first := made(r, 1)
		if again := made(r, 1); !bytes.Equal(first, again) {
			t.Errorf("%+v: another picture the second time", r)
		}
		if slices.ContainsFunc(all, func(b []byte) bool { return bytes.Equal(b, first) }) {
			t.Errorf("%+v: the same bytes as asked for otherwise", r)
		}
		all = append(all, first)
	}
	var cine bytes.Buffer
	if err := h.WriteCine(t.Context(), &cine, tenant, f, []int{1, 2, 3}, archive.Rendering{Options: small}); err != nil {
		t.Error(err)
	}
	if !bytes.HasPrefix(cine.Bytes(), []byte("GIF89a")) || cine.Len() < 3*500 {
		t.Errorf("an animation of %d bytes", cine.Len())
	}
	for _, c := range []struct {
		n    int
		r    archive.Rendering
		kind errs.Kind
	}{
		{0, archive.Rendering{MediaType: archive.JPEG}, errs.NotFound},
		{11, archive.Rendering{MediaType: archive.JPEG}, errs.NotFound},
		{1, archive.Rendering{MediaType: "image/webp"}, errs.Unsupported},
		{1, archive.Rendering{MediaType: archive.JPEG, Quality: 101}, errs.Invalid},
		{1, archive.Rendering{MediaType: archive.JPEG, State: "1.2.3"}, errs.NotFound},
	} {
		if _, err := h.Render(t.Context(), tenant, f, c.n, c.r); !errs.Is(err, c.kind) {
			t.Errorf("frame %d %+v: %v, want %v", c.n, c.r, err, c.kind)
		}
	}
}
