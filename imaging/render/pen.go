package render

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/vector"
)

// point is a place on the picture.
type point struct{ X, Y float64 }

func (p point) to(q point, t float64) point { return point{p.X + t*(q.X-p.X), p.Y + t*(q.Y-p.Y)} }

// maxInk bounds what the graphics of a picture cost: the length of all lines in pixels, and a part
// of the area that each spans. A thousand lines across a large picture are within it.
const (
	maxInk  = 1 << 23
	areaInk = 64 // pixels of area that cost as much as one of a line
)

// pen draws anti-aliased lines and areas on a picture, cut to it before anything is reckoned.
type pen struct {
	dst  draw.Image
	area image.Rectangle // of the picture that the shape at hand can touch
	ink  float64         // left; below zero something was left out
	r    vector.Rasterizer
}

func newPen(dst draw.Image) *pen { return &pen{dst: dst, ink: maxInk} }

// begin makes ready for a shape within reach of the points; false when it lies outside of the
// picture or the ink is used up.
func (p *pen) begin(points []point, reach float64) bool {
	b := p.dst.Bounds()
	minX, minY, maxX, maxY := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, q := range points {
		minX, maxX = math.Min(minX, q.X), math.Max(maxX, q.X)
		minY, maxY = math.Min(minY, q.Y), math.Max(maxY, q.Y)
	}
	within := func(v float64, low, high int) int { // NaN, of transforms that are none, is low
		if !(v > float64(low)) {
			return low
		}
		return int(math.Min(v, float64(high)))
	}
	p.area = image.Rect(within(math.Floor(minX-reach), b.Min.X, b.Max.X), within(math.Floor(minY-reach), b.Min.Y, b.Max.Y),
		within(math.Ceil(maxX+reach), b.Min.X, b.Max.X), within(math.Ceil(maxY+reach), b.Min.Y, b.Max.Y))
	if p.area.Empty() || p.ink < 0 {
		return false
	}
	p.ink -= float64(p.area.Dx()) * float64(p.area.Dy()) / areaInk
	p.r.Reset(p.area.Dx(), p.area.Dy())
	return p.ink >= 0
}

// paint puts what was drawn on the picture.
func (p *pen) paint(c color.Color) {
	p.r.Draw(p.dst, p.area, image.NewUniform(c), image.Point{})
}

// stroke draws a line through points with round ends. dash is the length of dashes and gaps, 0
// draws through.
func (p *pen) stroke(points []point, width, dash float64, c color.Color) {
	if !p.begin(points, width+1) {
		return
	}
	half := width / 2
	last, travelled := points[0], 0.0
	for i, q := range points {
		length := math.Hypot(q.X-last.X, q.Y-last.Y)
		if i > 0 && length < 0.25 && i < len(points)-1 {
			continue // closer than one can see
		}
		a, b, ok := p.clip(last, q, width+1)
		if ok {
			seen := math.Hypot(b.X-a.X, b.Y-a.Y)
			if p.ink -= seen + 1; p.ink < 0 {
				break
			}
			// The dashes count from the beginning of the line, seen or not.
			skipped := math.Hypot(a.X-last.X, a.Y-last.Y)
			p.dashes(a, b, seen, math.Mod(travelled+skipped, math.Max(2*dash, 1)), half, dash)
		}
		last, travelled = q, travelled+length
	}
	p.paint(c)
}

// dashes draws a piece of line that begins at phase of the pattern.
func (p *pen) dashes(a, b point, length, phase, half, dash float64) {
	if dash <= 0 || length == 0 {
		p.bar(a, b, half)
		return
	}
	for at := -phase; at < length; at += 2 * dash {
		from, to := math.Max(at, 0), math.Min(at+dash, length)
		if to > from {
			p.bar(a.to(b, from/length), a.to(b, to/length), half)
		}
	}
}

// bar adds a piece of line to the path: a rectangle with half octagons at its ends, all turning
// the same way, because areas that turn against each other would cancel out.
func (p *pen) bar(a, b point, half float64) {
	angle := math.Atan2(b.Y-a.Y, b.X-a.X)
	const corners = 8
	for i := range corners + 2 {
		// Half of the corners about b, then half about a.
		center, k := b, float64(i)
		if i > corners/2 {
			center, k = a, float64(i-1)
		}
		turn := angle - math.Pi/2 + k*2*math.Pi/corners
		p.corner(i == 0, point{center.X + half*math.Cos(turn), center.Y + half*math.Sin(turn)})
	}
	p.r.ClosePath()
}

func (p *pen) corner(first bool, q point) {
	x, y := float32(q.X-float64(p.area.Min.X)), float32(q.Y-float64(p.area.Min.Y))
	if first {
		p.r.MoveTo(x, y)
	} else {
		p.r.LineTo(x, y)
	}
}

// clip cuts a line to the picture and a margin around it (Liang and Barsky's way).
func (p *pen) clip(a, b point, margin float64) (point, point, bool) {
	t0, t1 := 0.0, 1.0
	for _, side := range [...]struct{ d, room float64 }{
		{a.X - b.X, a.X - float64(p.area.Min.X) + margin}, {b.X - a.X, float64(p.area.Max.X) + margin - a.X},
		{a.Y - b.Y, a.Y - float64(p.area.Min.Y) + margin}, {b.Y - a.Y, float64(p.area.Max.Y) + margin - a.Y},
	} {
		switch {
		case side.d > 0:
			t1 = math.Min(t1, side.room/side.d)
		case side.d < 0:
			t0 = math.Max(t0, side.room/side.d)
		case side.room < 0:
			return a, b, false
		}
	}
	if !(t0 <= t1) {
		return a, b, false
	}
	return a.to(b, t0), a.to(b, t1), true
}

// fillArea fills a polygon, cut to the picture edge by edge of it (Sutherland and Hodgman's way).
func (p *pen) fillArea(points []point, c color.Color) {
	if !p.begin(points, 1) {
		return
	}
	for _, side := range [...]func(point) float64{ // how far within a side
		func(q point) float64 { return q.X - float64(p.area.Min.X) },
		func(q point) float64 { return float64(p.area.Max.X) - q.X },
		func(q point) float64 { return q.Y - float64(p.area.Min.Y) },
		func(q point) float64 { return float64(p.area.Max.Y) - q.Y },
	} {
		var cut []point
		for i, q := range points {
			before := points[(i+len(points)-1)%len(points)]
			d0, d1 := side(before), side(q)
			if (d0 < 0) != (d1 < 0) {
				cut = append(cut, before.to(q, d0/(d0-d1)))
			}
			if d1 >= 0 {
				cut = append(cut, q)
			}
		}
		if points = cut; points == nil {
			return
		}
	}
	for i, q := range points {
		before := points[max(i-1, 0)]
		if p.ink -= math.Hypot(q.X-before.X, q.Y-before.Y); p.ink < 0 {
			return // half an area would be another one
		}
		p.corner(i == 0, q)
	}
	p.r.ClosePath()
	p.paint(c)
}
