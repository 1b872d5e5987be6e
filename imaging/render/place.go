package render

import (
	"image"
	"math"

	"golang.org/x/image/math/f64"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// place turns, scales and annotates the picture.
func (w *work) place() error {
	bounds := w.bounds()
	w.toFinal = f64.Aff3{1, 0, -float64(bounds.Min.X), 0, 1, -float64(bounds.Min.Y)}
	if p := w.o.Presentation; p != nil {
		if p.Rotation%90 != 0 {
			return errs.Errorf(errs.Invalid, "render.place", "an image is rotated by quarters")
		}
		for range ((p.Rotation/90)%4 + 4) % 4 {
			w.turn(quarter)
			w.aspect = 1 / w.aspect
			w.applied.Rotation += 90
		}
		w.applied.FlippedX = w.applied.FlippedX != p.HorizontalFlip
	}
	if w.applied.FlippedX {
		w.turn(flipX)
	}
	if w.applied.FlippedY {
		w.turn(flipY)
	}
	size := w.bounds().Size()
	to, err := w.size(size)
	if err != nil {
		return err
	}
	if to != size {
		if w.gray != nil {
			g := image.NewGray(image.Rectangle{Max: to})
			scale(g.Pix, to, w.gray.Pix, size, 1)
			w.gray = g
		} else {
			m := image.NewRGBA(image.Rectangle{Max: to})
			scale(m.Pix, to, w.rgba.Pix, size, 4)
			w.rgba = m
		}
		w.toFinal = then(w.toFinal, f64.Aff3{float64(to.X) / float64(size.X), 0, 0, 0, float64(to.Y) / float64(size.Y), 0})
	} else if w.gray != nil {
		w.gray.Rect = image.Rectangle{Max: to}
	} else {
		w.rgba.Rect = image.Rectangle{Max: to}
	}
	w.applied.To = Size{to.X, to.Y}
	if p := w.o.Presentation; p != nil && len(p.Graphics) > 0 {
		w.color()
		c := &Canvas{RGBA: w.rgba, Pixel: w.toFinal, Area: w.rgba.Rect}
		for _, g := range p.Graphics {
			g.Draw(c)
		}
	}
	w.annotate()
	return nil
}

func (w *work) bounds() image.Rectangle {
	if w.gray != nil {
		return w.gray.Rect
	}
	return w.rgba.Rect
}

// size says how large the picture becomes.
func (w *work) size(from image.Point) (image.Point, error) {
	width, height := float64(from.X), float64(from.Y)*w.aspect
	factor := 0.0
	if v := w.o.Viewport; v != nil {
		factor = min(float64(v.Width)/width, float64(v.Height)/height)
		if v.Shrink {
			factor = min(factor, 1, 1/w.aspect)
		}
	} else if p := w.o.Presentation; p != nil && p.Area != nil && p.Area.Mode == Magnify {
		if factor = p.Area.Magnification; !(factor > 0) {
			factor = 1
		}
	}
	if factor == 0 { // PS3.18 8.3.5.1.3: the source's pixel matrix
		return from, nil
	}
	width, height = max(math.Round(width*factor), 1), max(math.Round(height*factor), 1)
	if width*height > maxPicture || max(width, height) > math.MaxUint16 {
		return from, errs.Errorf(errs.Exhausted, wish, "a picture of %.0fx%.0f pixels is too large", width, height)
	}
	return image.Pt(int(width), int(height)), nil
}

type turning int

const (
	quarter turning = iota // clockwise
	flipX
	flipY
)

// turn turns or flips the picture.
func (w *work) turn(t turning) {
	r := w.bounds()
	width, height := float64(r.Dx()), float64(r.Dy())
	to := image.Rectangle{Max: r.Size()}
	var step f64.Aff3
	switch t {
	case quarter:
		to.Max = image.Pt(r.Dy(), r.Dx())
		step = f64.Aff3{0, -1, height, 1, 0, 0}
	case flipX:
		step = f64.Aff3{-1, 0, width, 0, 1, 0}
	case flipY:
		step = f64.Aff3{1, 0, 0, 0, -1, height}
	}
	w.toFinal = then(w.toFinal, step)
	if w.gray != nil {
		m := image.NewGray(to)
		turnPixels(m.Pix, w.gray.Pix, r.Dx(), r.Dy(), 1, t)
		w.gray = m
		return
	}
	m := image.NewRGBA(to)
	turnPixels(m.Pix, w.rgba.Pix, r.Dx(), r.Dy(), 4, t)
	w.rgba = m
}

// turnPixels copies pixels of n bytes, rows without gaps.
func turnPixels(dst, src []uint8, width, height, n int, t turning) {
	for y := range height {
		// Where pixel 0 of the row goes, and how far on the next one.
		at, step := 0, 0
		switch t {
		case quarter:
			at, step = height-1-y, height
		case flipX:
			at, step = y*width+width-1, -1
		case flipY:
			at, step = (height-1-y)*width, 1
		}
		row := src[y*width*n:][:width*n]
		for x := range width {
			copy(dst[(at+x*step)*n:][:n], row[x*n:][:n])
		}
	}
}

// then returns the transformation a followed by b.
func then(a, b f64.Aff3) f64.Aff3 {
	return f64.Aff3{
		b[0]*a[0] + b[1]*a[3], b[0]*a[1] + b[1]*a[4], b[0]*a[2] + b[1]*a[5] + b[2],
		b[3]*a[0] + b[4]*a[3], b[3]*a[1] + b[4]*a[4], b[3]*a[2] + b[4]*a[5] + b[5],
	}
}
