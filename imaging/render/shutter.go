package render

// covered returns a byte for each pixel of a frame, 1 where the shutter covers it: what lies
// outside of any of its shapes (PS3.3 C.7.6.11), and the ones of its bitmap (C.7.6.15).
func (s *Shutter) covered(columns, rows int) []byte {
	mask := make([]byte, columns*rows)
	if s.Polygon != nil {
		s.outsidePolygon(mask, columns, rows)
	}
	for y := range rows {
		line := mask[y*columns : (y+1)*columns]
		if r := s.Rect; r != nil {
			if y < r.Min.Y || y >= r.Max.Y || r.Empty() {
				fill(line, 0, columns)
				continue
			}
			fill(line, 0, r.Min.X)
			fill(line, r.Max.X, columns)
		}
		if c := s.Circle; c != nil {
			radius, dy := float64(c.Radius), float64(y-c.Center.Y)
			for x := range line {
				if dx := float64(x - c.Center.X); dx*dx+dy*dy > radius*radius {
					line[x] = 1
				}
			}
		}
		if b := s.Bitmap; b != nil && y >= b.Y && y-b.Y < b.Rows {
			bits := b.Bits[(y-b.Y)*b.Columns : (y-b.Y+1)*b.Columns]
			for x := max(b.X, 0); x < min(columns, b.X+b.Columns); x++ {
				line[x] |= bits[x-b.X]
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
func (s *Shutter) outsidePolygon(mask []byte, columns, rows int) {
	for i, p := range s.Polygon {
		q := s.Polygon[(i+1)%len(s.Polygon)]
		if p.Y > q.Y {
			p, q = q, p
		}
		// Rows p.Y <= y < q.Y: an edge has its upper end and not its lower one.
		for y := max(p.Y, 0); y < min(q.Y, rows); y++ {
			x := float64(p.X) + float64(y-p.Y)*float64(q.X-p.X)/float64(q.Y-p.Y)
			switch {
			case x <= 0:
				mask[y*columns] ^= 1
			case x < float64(columns):
				at := int(x)
				if float64(at) < x {
					at++
				}
				if at < columns {
					mask[y*columns+at] ^= 1
				}
			}
		}
	}
	for y := range rows {
		inside := byte(0)
		for x := y * columns; x < (y+1)*columns; x++ {
			inside ^= mask[x]
			mask[x] = inside ^ 1
		}
	}
}
