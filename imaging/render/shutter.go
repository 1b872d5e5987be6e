package render

import (
	"image"
	"math"
)

// shutter covers the picture by the presentation state's shutter. It is still in stored pixels.
func (w *work) shutter() {
	p := w.o.Presentation
	if p == nil || p.Shutter == nil {
		return
	}
	w.applied.Shutter = true
	c := p.Shutter.Color
	c.A = 255
	if w.gray != nil && (c.R != c.G || c.G != c.B) {
		w.color()
	}
	for i, covered := range p.Shutter.covered(w.bounds()) {
		switch {
		case covered == 0:
		case w.gray != nil:
			w.gray.Pix[i] = c.R
		default:
			copy(w.rgba.Pix[4*i:], []uint8{c.R, c.G, c.B, 255})
		}
	}
}

// covered returns a byte for each pixel of an area of the frame, 1 where the shutter covers it:
// what lies outside of any of its shapes (PS3.3 C.7.6.11), and the ones of its bitmap
// (C.7.6.15).
func (s *Shutter) covered(area image.Rectangle) []byte {
	columns := area.Dx()
	mask := make([]byte, columns*area.Dy())
	if s.Polygon != nil {
		s.outsidePolygon(mask, area)
	}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		line := mask[(y-area.Min.Y)*columns:][:columns]
		if r := s.Rect; r != nil {
			if y < r.Min.Y || y >= r.Max.Y || r.Empty() {
				fill(line, 0, columns)
				continue
			}
			fill(line, 0, r.Min.X-area.Min.X)
			fill(line, r.Max.X-area.Min.X, columns)
		}
		if c := s.Circle; c != nil {
			radius, dy := float64(c.Radius), float64(y-c.Center.Y)
			for x := range line {
				if dx := float64(x + area.Min.X - c.Center.X); dx*dx+dy*dy > radius*radius {
					line[x] = 1
				}
			}
		}
		if b := s.Bitmap; b != nil && y >= b.Y && y-b.Y < b.Rows {
			bits := b.Bits[(y-b.Y)*b.Columns:][:b.Columns]
			for x := max(b.X, area.Min.X); x < min(area.Max.X, b.X+b.Columns); x++ {
				line[x-area.Min.X] |= bits[x-b.X]
			}
		}
	}
	return mask
}

// fill covers the pixels from..to of a line, as far as it has them.
func fill(line []byte, from, to int) {
	for x := max(from, 0); x < min(to, len(line)); x++ {
		line[x] = 1
	}
}

// outsidePolygon covers the pixels whose middle lies outside of the polygon: whose line to the
// left crosses its edges an even number of times.
func (s *Shutter) outsidePolygon(mask []byte, area image.Rectangle) {
	columns := area.Dx()
	for i, p := range s.Polygon {
		q := s.Polygon[(i+1)%len(s.Polygon)]
		if p.Y > q.Y {
			p, q = q, p
		}
		// Rows p.Y <= y < q.Y: an edge has its upper end and not its lower one.
		for y := max(p.Y, area.Min.Y); y < min(q.Y, area.Max.Y); y++ {
			x := float64(p.X-area.Min.X) + float64(y-p.Y)*float64(q.X-p.X)/float64(q.Y-p.Y)
			if at := int(math.Ceil(min(max(x, 0), float64(columns)))); at < columns {
				mask[(y-area.Min.Y)*columns+at] ^= 1
			}
		}
	}
	for y := range area.Dy() {
		inside := byte(0)
		for x := y * columns; x < (y+1)*columns; x++ {
			inside ^= mask[x]
			mask[x] = inside ^ 1
		}
	}
}
