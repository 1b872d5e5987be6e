package render_test

import (
	"bytes"
	"fmt"
	"image"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/imaging/render"
)

// TestPlaceholder: a page of the size asked for, that differs by what it stands for, whatever the
// text; nothing is drawn beside it.
func TestPlaceholder(t *testing.T) {
	t.Parallel()
	drawn := map[string]bool{}
	for _, c := range []struct {
		title, kind string
		size        int
		want        image.Point
	}{
		{"SR", "Comprehensive SR", 256, image.Pt(192, 256)}, {"SR", "Basic Text SR", 256, image.Pt(192, 256)}, {"ECG", "12-lead ECG Waveform", 256, image.Pt(192, 256)},
		{"", "", 64, image.Pt(48, 64)}, {strings.Repeat("W", 5000), strings.Repeat("word ", 5000), 64, image.Pt(48, 64)},
		{"\x00\xff日本", strings.Repeat("x", 5000), 64, image.Pt(48, 64)}, {"SR", "tiny", -3, image.Pt(12, 16)}, {"SR", "huge", 1 << 30, image.Pt(1536, 2048)},
	} {
		p := render.Placeholder(c.title, c.kind, c.size)
		if got := p.Image.Bounds().Size(); got != c.want || len(p.Applied.Notes) != 1 || p.Applied.To != (render.Size{Width: got.X, Height: got.Y}) {
			t.Errorf("%.10q: %v, applied %v", c.title, got, p.Applied)
		}
		var b bytes.Buffer
		if err := p.WriteJPEG(&b, 0); err != nil {
			t.Error(err)
		}
		pix := p.Image.(*image.RGBA).Pix
		if drawn[fmt.Sprintf("%x", pix[:min(len(pix), 1<<18)])] {
			t.Errorf("%.10q %.10q looks like another", c.title, c.kind)
		}
		drawn[fmt.Sprintf("%x", pix[:min(len(pix), 1<<18)])] = true
	}
}
