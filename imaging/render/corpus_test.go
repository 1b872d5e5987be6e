package render_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestCorpus makes a thumbnail of the last frame of every image that can be decoded: there is no
// image in it that has no picture.
func TestCorpus(t *testing.T) {
	r := new(render.Renderer)
	seen := map[string]int{}
	dir, files := testkit.Corpus(t, func(s testkit.Sample) bool {
		folder := filepath.Dir(s.Path)
		seen[folder]++
		return s.Pixels != nil && !strings.HasPrefix(s.Path, "malformed/") && (seen[folder] <= 5 || !strings.Contains(folder, "-series/"))
	})
	made := 0
	for _, s := range files {
		t.Run(s.Path, func(t *testing.T) {
			n := max(s.Frames, 1)
			m, f := openFrame(t, n, dir, s.Path)
			p, err := r.Render(m, n, f, render.Options{Viewport: &render.Viewport{Width: 100, Height: 100}})
			if err != nil {
				t.Fatalf("%v: %v", errs.KindOf(err), err)
			}
			if size := p.Image.Bounds().Size(); max(size.X, size.Y) != 100 {
				t.Errorf("%v", size)
			}
			if err := p.WriteJPEG(io.Discard, 0); err != nil {
				t.Error(err)
			}
			made++
		})
	}
	if made < 150 {
		t.Errorf("%d pictures were made: the corpus has more", made)
	}
}
