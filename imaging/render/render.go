package render

import (
	"fmt"
	"hash/maphash"
	"image"
	"math"
	"strings"

	"golang.org/x/image/math/f64"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Renderer renders frames. It keeps the tables and profiles of late; the zero value is ready.
// Safe for concurrent use.
type Renderer struct {
	tables   cache[key, []uint8]
	profiles cache[[2]uint64, *profile]
}

type profile struct {
	*imaging.Profile
	err error
}

// work is one frame on its way to a picture. The picture's bounds are in stored pixels until it
// is turned and scaled.
type work struct {
	r       *Renderer
	m       *imaging.Image
	look    *imaging.Frame
	f       codec.Frame
	o       Options
	applied Applied

	gray *image.Gray // one of the two
	rgba *image.RGBA

	aspect  float64  // height of a pixel over its width
	toFinal f64.Aff3 // from stored pixels to the picture
}

// Render makes a picture of frame n (1-based) of m, decoded into f.
func (r *Renderer) Render(m *imaging.Image, n int, f codec.Frame, o Options) (*Picture, error) {
	w, err := r.draw(m, n, f, o)
	if err != nil {
		return nil, err
	}
	if err := w.place(); err != nil {
		return nil, err
	}
	p := &Picture{Applied: w.applied}
	if w.gray != nil {
		p.Image = w.gray
	} else {
		p.Image = w.rgba
	}
	return p, nil
}

// draw makes the picture in stored pixels: everything up to the spatial transformation.
func (r *Renderer) draw(m *imaging.Image, n int, f codec.Frame, o Options) (*work, error) {
	const op = "render.Render"
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := f.Check(op); err != nil {
		return nil, err
	}
	look, err := m.Frame(n)
	if err != nil {
		return nil, err
	}
	w := &work{r: r, m: m, look: look, f: f, o: o, aspect: look.PixelAspect, applied: Applied{Frame: n}}
	if o.Presentation != nil {
		if w.applied.Presentation = o.Presentation.Label; w.applied.Presentation == "" {
			w.applied.Presentation = "without label"
		}
	}
	region, err := w.region()
	if err != nil {
		return nil, err
	}
	if err := w.pixels(region); err != nil {
		return nil, err
	}
	w.shutter()
	w.layers()
	w.overlays()
	return w, nil
}

// region returns the pixels to show, in stored pixels from 0: it may reach beyond the frame.
func (w *work) region() (image.Rectangle, error) {
	all := image.Rect(0, 0, w.f.Columns, w.f.Rows)
	r := all
	if p := w.o.Presentation; p != nil && p.Area != nil {
		// A hostile area is cut to what could be of use: the image and as much around it.
		margin := max(w.f.Columns, w.f.Rows)
		r = p.Area.Rect.Canon().Intersect(all.Inset(-margin))
		if p.Area.PixelAspect > 0 {
			w.aspect = min(max(p.Area.PixelAspect, 0.01), 100)
		}
	}
	if v := w.o.Viewport; v != nil && v.Region != nil {
		g := *v.Region
		if g.Relative {
			width, height := float64(all.Max.X), float64(all.Max.Y)
			g.X, g.Y, g.Width, g.Height = g.X*width, g.Y*height, g.Width*width, g.Height*height
		}
		for _, n := range [...]float64{g.X, g.Y, g.Width, g.Height} {
			if !(math.Abs(n) <= math.MaxInt32) {
				return r, errs.Errorf(errs.Invalid, wish, "the viewport's region is none")
			}
		}
		x, y, width, height := math.Abs(g.X), math.Abs(g.Y), math.Abs(g.Width), math.Abs(g.Height)
		if width == 0 {
			width = float64(all.Max.X) - x
		}
		if height == 0 {
			height = float64(all.Max.Y) - y
		}
		// Of pixels that are cut through, those that lie inside by half.
		r = image.Rect(int(math.Round(x)), int(math.Round(y)), int(math.Round(x+width)), int(math.Round(y+height))).Intersect(all)
		w.applied.FlippedX, w.applied.FlippedY = g.Width < 0, g.Height < 0
	}
	if r.Empty() {
		return r, errs.Errorf(errs.Invalid, wish, "the region that is asked for has no pixels")
	}
	if r.Dx() > maxSource/r.Dy() {
		return r, errs.Errorf(errs.Exhausted, wish, "a region of %dx%d pixels is too large to be shown", r.Dx(), r.Dy())
	}
	w.applied.From = Size{r.Dx(), r.Dy()}
	if r != all {
		w.applied.Region = &Rect{r.Min.X, r.Min.Y, r.Dx(), r.Dy()}
	}
	return r, nil
}

// pixels makes the region's pixels of the frame's samples.
func (w *work) pixels(r image.Rectangle) error {
	f, p := w.f, w.o.Presentation
	var palette *imaging.Palette
	if f.SamplesPerPixel == 1 {
		palette = w.m.Palette
	}
	if f.PhotometricInterpretation == "PALETTE COLOR" && palette != nil {
		w.rgba = newRGBA(r)
		w.applied.Palette = fmt.Sprintf("of %d colours", len(palette.Colors))
		if err := drawPalette(w.rgba, f, palette, nil); err != nil {
			return err
		}
		return w.finishColor()
	}
	if f.SamplesPerPixel != 1 {
		w.rgba = newRGBA(r)
		from, err := drawColor(w.rgba, f)
		if err != nil {
			return err
		}
		w.applied.Color = from
		return w.finishColor()
	}
	g, err := w.pipeline()
	if err != nil {
		return err
	}
	var table []uint8
	if f.Width() <= 2 {
		table = w.r.tables.get(g.key(), g.table)
	}
	// PS3.4 N.2: states leave the colours of a supplemental palette alone, unless they are for
	// pseudo-color.
	if palette != nil && table != nil && (p == nil || p.Color || p.Palette == nil) {
		w.rgba = newRGBA(r)
		w.applied.Palette = fmt.Sprintf("supplemental, of %d colours from %d on", len(palette.Colors), palette.First)
		return drawPalette(w.rgba, f, palette, table)
	}
	w.gray = image.NewGray(r)
	g.draw(w.gray, f, table)
	if p != nil && p.Palette != nil && !p.Color {
		w.pseudoColor(p.Palette)
		return w.finishColor()
	}
	return nil
}

// pseudoColor colours P-Values: the palette's first entry is for 0, its last for the highest.
func (w *work) pseudoColor(p *imaging.Palette) {
	if len(p.Colors) == 0 {
		return
	}
	var colors [256][3]uint8
	for i := range colors {
		colors[i] = p.Colors[(i*(len(p.Colors)-1)+127)/255]
	}
	rgba := newRGBA(w.gray.Rect)
	for i, v := range w.gray.Pix {
		c := colors[v]
		rgba.Pix[4*i], rgba.Pix[4*i+1], rgba.Pix[4*i+2] = c[0], c[1], c[2]
	}
	w.gray, w.rgba = nil, rgba
	w.applied.Palette = fmt.Sprintf("pseudo-color, of %d colours", len(p.Colors))
}

// finishColor brings colours to sRGB and turns them round where that is asked for.
func (w *work) finishColor() error {
	icc := w.m.ICCProfile(w.look.Number)
	if p := w.o.Presentation; p != nil && p.ICCProfile != nil {
		icc = p.ICCProfile
	}
	if w.o.Window != nil || w.o.WindowName != "" {
		w.note("a window is for greyscale")
	}
	switch {
	case len(icc) == 0:
	case w.o.NoICC:
		w.applied.ICC = "not applied, as asked"
	default:
		p := w.r.profiles.get([2]uint64{maphash.Bytes(seed, icc), uint64(len(icc))}, func() *profile {
			p, err := imaging.ReadProfile(icc)
			return &profile{p, err}
		})
		switch {
		case p.err != nil:
			w.applied.ICC = "not applied"
			w.note(errs.Safe(p.err))
		case p.SRGB():
			w.applied.ICC = strings.TrimSpace(p.Name() + " is sRGB")
		default:
			p.Convert(w.rgba.Pix)
			w.applied.ICC = strings.TrimSpace(p.Name() + " to sRGB")
		}
	}
	if w.o.Invert {
		w.applied.Inverse = true
		for i := range w.rgba.Pix {
			if i&3 != 3 {
				w.rgba.Pix[i] ^= 255
			}
		}
	}
	return nil
}

func (w *work) note(text string) { w.applied.Notes = append(w.applied.Notes, text) }

// newRGBA returns an opaque black picture.
func newRGBA(r image.Rectangle) *image.RGBA {
	m := image.NewRGBA(r)
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
	return m
}

// color turns a grey picture into one that takes colours.
func (w *work) color() {
	if w.gray == nil {
		return
	}
	rgba := image.NewRGBA(w.gray.Rect)
	out := rgba.Pix
	for _, v := range w.gray.Pix {
		out[0], out[1], out[2], out[3] = v, v, v, 255
		out = out[4:]
	}
	w.gray, w.rgba = nil, rgba
}
