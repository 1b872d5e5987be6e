package render

import (
	"fmt"
	"math"
	"strings"

	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// pipeline composes the greyscale pipeline and notes what it does.
func (w *work) pipeline() (*gray, error) {
	p := w.o.Presentation
	if p != nil && p.Color {
		p = nil
	}
	g := &gray{Description: w.f.Description, modality: w.look.Modality, inverse: w.m.Inverse != w.o.Invert}
	voi, source := w.look.VOI, "header"
	if p != nil {
		// PS3.4 N.2: the presentation state's transformations take the place of the image's,
		// its photometric interpretation does not count.
		g.modality, voi, source = imaging.Modality{Slope: 1}, imaging.VOI{}, "presentation"
		if p.Modality != nil {
			g.modality = *p.Modality
		}
		if p.VOI != nil {
			voi = *p.VOI
		}
		g.lut, g.inverse = p.PresentationLUT, p.Inverse != w.o.Invert
	}
	if w.f.Float { // Modality LUT is not for floats (PS3.3 C.7.6.24)
		g.modality = imaging.Modality{Slope: 1}
	}
	w.applied.Inverse = g.inverse
	switch m := &g.modality; {
	case m.LUT != nil:
		w.applied.Modality = strings.TrimSpace("LUT " + m.Type)
	case !m.Identity():
		w.applied.Modality = strings.TrimSpace(fmt.Sprintf("%g x %+g %s", m.Slope, m.Intercept, m.Type))
	}
	v, err := w.voi(g, voi, source, p != nil)
	w.applied.VOI = v
	return g, err
}

func (p *Presentation) check() error {
	const op = "render.Presentation"
	if m := p.Modality; m != nil && (!(math.Abs(m.Slope) <= 1e30) || !(math.Abs(m.Intercept) <= 1e30)) {
		return errs.Errorf(errs.Invalid, op, "the presentation state's rescaling is none")
	}
	luts := []*imaging.LUT{p.PresentationLUT}
	if p.Modality != nil {
		luts = append(luts, p.Modality.LUT)
	}
	if p.VOI != nil {
		for i := range p.VOI.LUTs {
			luts = append(luts, &p.VOI.LUTs[i])
		}
	}
	for _, l := range luts {
		if l != nil && (len(l.Data) == 0 || l.Bits < 1 || l.Bits > 16) {
			return errs.Errorf(errs.Invalid, op, "a look-up table of the presentation state is none")
		}
	}
	if s := p.Shutter; s != nil && s.Bitmap != nil && short(s.Bitmap) {
		return errs.Errorf(errs.Invalid, op, "the shutter has fewer pixels than rows and columns")
	}
	return nil
}

// voi chooses how values become grey: as asked for, else from the presentation state or the
// header, else by the frame's values.
func (w *work) voi(g *gray, voi imaging.VOI, source string, presented bool) (*VOI, error) {
	take := func(win imaging.Window, source string) *VOI {
		if win.Function == "" {
			win.Function = imaging.Linear
		}
		g.window = &win
		return &VOI{Window: win, Source: source}
	}
	takeLUT := func(l *imaging.LUT, source string) *VOI {
		g.voi = l
		return &VOI{Window: imaging.Window{Explanation: l.Explanation}, LUT: true, Source: source}
	}
	switch {
	case w.o.Window != nil:
		return take(*w.o.Window, "request"), nil
	case w.o.WindowName != "":
		for i, l := range voi.LUTs {
			if strings.EqualFold(l.Explanation, w.o.WindowName) {
				return takeLUT(&voi.LUTs[i], "request"), nil
			}
		}
		for _, win := range voi.Windows {
			if strings.EqualFold(win.Explanation, w.o.WindowName) && win.Valid() {
				return take(win, "request"), nil
			}
		}
		return nil, errs.Errorf(errs.NotFound, wish, "the image has no window of that name")
	case w.o.Windowing == Whole:
		return w.whole(g, "request"), nil
	case w.o.Windowing == MinMax:
		return w.auto(g, 0, "request"), nil
	case w.o.Windowing == Percentile:
		return w.auto(g, 0.005, "request"), nil
	case presented && len(voi.LUTs) > 0:
		return takeLUT(&voi.LUTs[0], source), nil
	}
	for _, win := range voi.Windows {
		if win.Valid() {
			return take(win, source), nil
		}
	}
	switch {
	case len(voi.LUTs) > 0:
		return takeLUT(&voi.LUTs[0], source), nil
	case presented:
		return w.whole(g, source), nil
	case w.f.BitsStored <= 8 && g.modality.Identity() && !w.f.Float:
		return w.whole(g, "auto"), nil
	}
	return w.auto(g, 0, "auto"), nil
}

// whole shows every value that can be stored.
func (w *work) whole(g *gray, source string) *VOI {
	if w.f.Float {
		return w.auto(g, 0, source)
	}
	r := imaging.StoredRange(w.f.Description)
	if l := g.modality.LUT; l != nil {
		g.high = l.Max()
	} else {
		a, b := g.modality.At(float64(r.Low)), g.modality.At(float64(r.High))
		g.low, g.high = min(a, b), max(a, b)
	}
	return &VOI{Window: imaging.Window{Center: (g.low + g.high + 1) / 2, Width: g.high - g.low + 1, Function: imaging.Linear}, Whole: true, Source: source}
}

// auto spans the values of the frame.
func (w *work) auto(g *gray, part float64, source string) *VOI {
	low, high, ok := extent(w.f, &g.modality, w.m.Padding, part)
	if !ok && w.m.Padding != nil { // all of it is padding
		low, high, ok = extent(w.f, &g.modality, nil, part)
	}
	if !ok {
		low, high = 0, 1
	}
	// Both functions map low and high to the ends; Linear says it as other programs do.
	win := imaging.Window{Center: low/2 + high/2 + 0.5, Width: high - low + 1, Function: imaging.Linear}
	if d := high - low; d < 1e-3 && d > 0 || math.Abs(low) > 1e12 || math.Abs(high) > 1e12 {
		win = imaging.Window{Center: low/2 + high/2, Width: d, Function: imaging.LinearExact}
	}
	if !win.Valid() { // of floats beyond all measure
		g.low, g.high = low, high
		return &VOI{Window: win, Whole: true, Source: source}
	}
	g.window = &win
	return &VOI{Window: win, Source: source}
}
