package render

import (
	"image/color"
	"math"
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom/iod/pr"
)

// annotations are a presentation state's graphic annotations for one frame, in the order of their
// layers, with the colors of those.
type annotations []annotation

type annotation struct {
	pr.Annotation
	Color color.RGBA
}

// Draw draws each annotation's graphics, then its texts over them. Where a state wants more than
// can be drawn in good time, the picture says so.
func (all annotations) Draw(c *Canvas) {
	if c.Bounds().Empty() {
		return
	}
	p := newPen(c.RGBA)
	for _, a := range all {
		for _, g := range a.Graphics {
			a.graphic(c, p, g)
		}
		for _, t := range a.Texts {
			a.text(c, p, t)
		}
	}
	if p.ink < 0 {
		newWriting(14, true).Draw(c.RGBA, c.Bounds().Min.X+4, c.Bounds().Min.Y+4, "NOT ALL GRAPHICS ARE SHOWN", color.RGBA{255, 64, 64, 255})
	}
}

// place takes a point of some units to the picture; false for units that it does not know.
func (c *Canvas) place(q pr.Point, units pr.Units) (point, bool) {
	switch units {
	case pr.Pixel:
		m := c.Pixel
		return point{m[0]*q[0] + m[1]*q[1] + m[2], m[3]*q[0] + m[4]*q[1] + m[5]}, true
	case pr.Display:
		return point{float64(c.Area.Min.X) + q[0]*float64(c.Area.Dx()), float64(c.Area.Min.Y) + q[1]*float64(c.Area.Dy())}, true
	}
	return point{}, false
}

func (c *Canvas) places(in []pr.Point, units pr.Units) []point {
	out := make([]point, 0, len(in))
	for _, q := range in {
		p, ok := c.place(q, units)
		if !ok {
			return nil
		}
		out = append(out, p)
	}
	return out
}

// thin is how wide lines are that do not say: one pixel, two on large pictures.
func (c *Canvas) thin() float64 { return 1 + float64(max(c.Bounds().Dx(), c.Bounds().Dy()))/1500 }

// faded is a colour at an opacity, with its alpha multiplied in.
func faded(c color.RGBA, opacity float64) color.RGBA {
	return color.RGBA{uint8(float64(c.R) * opacity), uint8(float64(c.G) * opacity), uint8(float64(c.B) * opacity), uint8(255 * opacity)}
}

func (a *annotation) graphic(c *Canvas, p *pen, g pr.Graphic) {
	line, area := a.Color, a.Color
	if g.Style.HasColor {
		line = opaque(g.Style.Color)
		area = line
	}
	if g.Style.HasFillColor {
		area = opaque(g.Style.FillColor)
	}
	width := c.thin()
	if g.Style.Thickness > 0 {
		width = g.Style.Thickness
	}
	line = faded(line, g.Style.Opacity)
	if g.Type == "POINT" {
		for _, q := range c.places(g.Points[:1], g.Units) {
			arm := 3 * width
			p.stroke([]point{{q.X - arm, q.Y}, {q.X + arm, q.Y}}, width, 0, line)
			p.stroke([]point{{q.X, q.Y - arm}, {q.X, q.Y + arm}}, width, 0, line)
		}
		return
	}
	points := c.places(outline(g), g.Units)
	if len(points) < 2 {
		return
	}
	if g.Filled && len(points) > 2 {
		p.fillArea(points, faded(area, g.Style.FillOpacity))
	}
	dash := 0.0
	if g.Style.Dashed {
		dash = 5 * width
	}
	p.stroke(points, width, dash, line)
}

// outline returns the points to draw through: those of a polyline as they are, on a curve
// through the others (PS3.3 C.10.5.1.2).
func outline(g pr.Graphic) []pr.Point {
	q := g.Points
	switch g.Type {
	case "CIRCLE":
		r := math.Hypot(q[1][0]-q[0][0], q[1][1]-q[0][1])
		return ellipse(q[0], pr.Point{r, 0}, pr.Point{0, r})
	case "ELLIPSE": // ends of the major axis, ends of the minor one
		return ellipse(pr.Point{(q[0][0] + q[1][0]) / 2, (q[0][1] + q[1][1]) / 2},
			pr.Point{(q[1][0] - q[0][0]) / 2, (q[1][1] - q[0][1]) / 2}, pr.Point{(q[3][0] - q[2][0]) / 2, (q[3][1] - q[2][1]) / 2})
	case "INTERPOLATED":
		return spline(q)
	}
	return q
}

func ellipse(center, a, b pr.Point) []pr.Point {
	const corners = 180
	out := make([]pr.Point, corners+1)
	for i := range out {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		out[i] = pr.Point{center[0] + cos*a[0] + sin*b[0], center[1] + cos*a[1] + sin*b[1]}
	}
	return out
}

// spline returns a smooth line through the points (Catmull and Rom's): the standard leaves the
// kind of interpolation open. Where points are many their polyline is smooth.
func spline(q []pr.Point) []pr.Point {
	const between, enough = 8, 1 << 14
	if len(q) < 3 || len(q) > enough {
		return q
	}
	closed := q[0] == q[len(q)-1]
	at := func(i int) pr.Point {
		switch {
		case i < 0 && closed:
			return q[len(q)-2]
		case i >= len(q) && closed:
			return q[1]
		}
		return q[min(max(i, 0), len(q)-1)]
	}
	out := make([]pr.Point, 0, between*len(q))
	for i := range len(q) - 1 {
		p0, p1, p2, p3 := at(i-1), at(i), at(i+1), at(i+2)
		for k := range between {
			t := float64(k) / between
			var v pr.Point
			for d := range v {
				v[d] = 0.5 * (2*p1[d] + (p2[d]-p0[d])*t + (2*p0[d]-5*p1[d]+4*p2[d]-p3[d])*t*t + (3*p1[d]-p0[d]-3*p2[d]+p3[d])*t*t*t)
			}
			out = append(out, v)
		}
	}
	return append(out, q[len(q)-1])
}

// mostLines of a text are written, and mostRunes of a line: more than a picture has room for.
const mostLines, mostRunes = 200, 1000

// text writes a text object: in its box, else beside its anchor (PS3.3 C.10.5). It stays upright
// when the image is turned, as one wants to read it.
func (a *annotation) text(c *Canvas, p *pen, t pr.Text) {
	ink := a.Color
	if t.Style.HasColor {
		ink = opaque(t.Style.Color)
	}
	lines := slices.Clone(t.Lines[:min(len(t.Lines), mostLines)])
	for i, line := range lines {
		if len(line) > mostRunes {
			runes := []rune(line)
			lines[i] = string(runes[:min(len(runes), mostRunes)])
		}
	}
	var anchor point
	anchored := false
	if t.Anchor != nil {
		anchor, anchored = c.place(*t.Anchor, t.AnchorUnits)
	}
	usual := math.Max(12, float64(c.Bounds().Dy())/45)
	w := newWriting(usual, t.Style.Bold)
	left, top, width := anchor.X+4, anchor.Y+4, 0.0
	if t.Box != nil {
		from, ok1 := c.place(t.Box[0], t.BoxUnits)
		to, ok2 := c.place(t.Box[1], t.BoxUnits)
		if !ok1 || !ok2 {
			return
		}
		left, top = math.Min(from.X, to.X), math.Min(from.Y, to.Y)
		width = math.Abs(to.X - from.X)
		height := math.Abs(to.Y - from.Y)
		// No larger than the box has room for; the smallest size where it has none.
		size := math.Min(usual, math.Min(height/float64(len(lines))/1.2, width/widest(w, lines)*usual))
		if anchored && t.AnchorVisible {
			edge := point{math.Min(math.Max(anchor.X, left), left+width), math.Min(math.Max(anchor.Y, top), top+height)}
			p.stroke([]point{edge, anchor}, c.thin(), 0, ink)
		}
		w = newWriting(size, t.Style.Bold)
	} else if !anchored {
		return
	}
	b := c.Bounds()
	for i, line := range lines {
		x := left
		switch free := width - float64(w.Width(line)); t.Justify {
		case "CENTER":
			x += free / 2
		case "RIGHT":
			x += free
		}
		y := top + float64(i*w.LineHeight)
		// NaN, of a transform that is none, is not written either.
		if x <= float64(b.Max.X) && x >= -1e6 && y <= float64(b.Max.Y) && y >= float64(b.Min.Y-2*w.LineHeight) {
			w.Draw(c.RGBA, int(x), int(y), line, ink)
		}
	}
}

// widest is the width of the longest line, at least one pixel.
func widest(w *writing, lines []string) float64 {
	most := 1
	for _, line := range lines {
		most = max(most, w.Width(line))
	}
	return float64(most)
}
