package render

import (
	"iter"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/imaging"
)

// Cine renders frames of an image one after another, each as long as the image shows it. frame
// decodes one; its result is not used after the next call. A window that is found by values is
// that of the first frame, or the cine would flicker.
func (r *Renderer) Cine(m *imaging.Image, numbers []int, frame func(n int) (codec.Frame, error), o Options) iter.Seq2[Shot, error] {
	return func(yield func(Shot, error) bool) {
		times, _ := m.FrameTimes()
		for i, n := range numbers {
			f, err := frame(n)
			var p *Picture
			if err == nil {
				p, err = r.Render(m, n, f, o)
			}
			if err != nil {
				yield(Shot{}, err)
				return
			}
			if v := p.Applied.VOI; i == 0 && v != nil && !v.LUT && !v.Whole && (v.Source == "auto" || o.Windowing != Header) {
				window := v.Window
				o.Window = &window
			}
			if !yield(Shot{p, times[n-1]}, nil) {
				return
			}
		}
	}
}
