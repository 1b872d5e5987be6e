package render

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

var white = color.RGBA{255, 255, 255, 255}

// set gives the pixel of the picture a colour; grey ones leave a grey picture grey.
func (w *work) set(x, y int, c color.RGBA) {
	if w.gray != nil {
		w.gray.Pix[w.gray.PixOffset(x, y)] = c.R
		return
	}
	i := w.rgba.PixOffset(x, y)
	copy(w.rgba.Pix[i:i+4], []uint8{c.R, c.G, c.B, 255})
}

// prepare makes the picture one that takes the colour.
func (w *work) prepare(c color.RGBA) {
	if c.R != c.G || c.G != c.B {
		w.color()
	}
}

// layers blends the layers over the picture.
func (w *work) layers() {
	for _, l := range w.o.Layers {
		w.color()
		w.applied.Layers = append(w.applied.Layers, l.Name)
		opacity := l.Opacity
		if !(opacity > 0) {
			opacity = 0
		}
		var alphas [256]uint32 // by mask value, of 256
		for i := range alphas {
			alphas[i] = uint32(math.Round(256 * min(opacity, 1) * min(float64(i)/float64(max(l.Max, 1)), 1)))
		}
		r := w.rgba.Rect.Intersect(image.Rect(0, 0, w.f.Columns, w.f.Rows))
		for y := r.Min.Y; y < r.Max.Y; y++ {
			mask := l.Mask[y*l.Rows/w.f.Rows*l.Columns:][:l.Columns]
			out := w.rgba.Pix[w.rgba.PixOffset(r.Min.X, y):]
			for x := r.Min.X; x < r.Max.X; x++ {
				a := alphas[mask[x*l.Columns/w.f.Columns]]
				if a == 0 {
					continue
				}
				p := out[4*(x-r.Min.X):][:3]
				p[0] = uint8((uint32(p[0])*(256-a) + uint32(l.Color.R)*a + 128) >> 8)
				p[1] = uint8((uint32(p[1])*(256-a) + uint32(l.Color.G)*a + 128) >> 8)
				p[2] = uint8((uint32(p[2])*(256-a) + uint32(l.Color.B)*a + 128) >> 8)
			}
		}
	}
}

// overlays draws the image's overlays, and a presentation state's in their place.
func (w *work) overlays() {
	if w.o.NoOverlays {
		return
	}
	own, left := w.m.Overlays(w.look.Number, &w.f)
	for _, err := range left {
		w.note(errs.Safe(err))
	}
	for i := range own {
		c := white
		if p := w.o.Presentation; p != nil {
			var on bool
			if c, on = p.Activated[own[i].Group]; !on {
				continue
			}
		}
		w.overlay(&own[i], c)
	}
	if p := w.o.Presentation; p != nil {
		for i := range p.Overlays {
			w.overlay(&p.Overlays[i].Overlay, p.Overlays[i].Color)
		}
	}
}

// overlay draws graphics as they are, and of a region of interest its edge: what is inside is
// to be seen.
func (w *work) overlay(o *imaging.Overlay, c color.RGBA) {
	if short(o) {
		w.note(fmt.Sprintf("overlay %04X has fewer pixels than rows and columns", o.Group))
		return
	}
	w.prepare(c)
	// Only what lies over the frame.
	r := w.bounds().Intersect(image.Rect(0, 0, w.f.Columns, w.f.Rows)).Intersect(image.Rect(o.X, o.Y, o.X+o.Columns, o.Y+o.Rows))
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := o.Bits[(y-o.Y)*o.Columns:][:o.Columns]
		for x := r.Min.X; x < r.Max.X; x++ {
			if row[x-o.X] != 0 && (!o.ROI || o.Edge(x-o.X, y-o.Y)) {
				w.set(x, y, c)
			}
		}
	}
	name := fmt.Sprintf("%04X", o.Group)
	if o.Label != "" {
		name += " " + o.Label
	}
	w.applied.Overlays = append(w.applied.Overlays, name)
}

// shutter covers what a presentation state's shutter leaves out.
func (w *work) shutter() {
	p := w.o.Presentation
	if p == nil || p.Shutter == nil {
		return
	}
	w.prepare(p.Shutter.Color)
	w.applied.Shutter = true
	mask := p.Shutter.covered(w.f.Columns, w.f.Rows)
	r := w.bounds().Intersect(image.Rect(0, 0, w.f.Columns, w.f.Rows))
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if mask[y*w.f.Columns+x] != 0 {
				w.set(x, y, p.Shutter.Color)
			}
		}
	}
}

func short(o *imaging.Overlay) bool {
	return o.Rows < 1 || o.Columns < 1 || o.Columns > len(o.Bits) || o.Rows > len(o.Bits)/o.Columns
}
