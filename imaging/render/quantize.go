package render

import (
	"image"
	"slices"
)

// cell is the number of a colour cut to 6 bits a sample.
func cell(r, g, b uint8) int { return int(r>>2)<<12 | int(g>>2)<<6 | int(b>>2) }

// choose makes the palette: greys for a grey picture, else by median cut.
func (g *gifWriter) choose(m image.Image) {
	rgba, ok := m.(*image.RGBA)
	if !ok {
		for i := range g.palette {
			v := uint8(i)
			g.palette[i] = [3]uint8{v, v, v}
		}
		return
	}
	counts := make([]int32, 1<<18)
	for p := rgba.Pix; len(p) >= 4; p = p[4:] {
		counts[cell(p[0], p[1], p[2])]++
	}
	var cells []int32
	for c, n := range counts {
		if n > 0 {
			cells = append(cells, int32(c))
		}
	}
	boxes := cut(cells, counts, len(g.palette))
	for i, b := range boxes {
		g.palette[i] = mean(b, counts)
	}
	g.colors, g.index = len(boxes), make([]uint16, 1<<18)
}

func axisValue(c int32, axis int) int { return int(c>>(12-6*axis)) & 63 }

// cut divides cells into at most n boxes: always the one whose pixels differ most is divided, in
// the middle of its pixels.
func cut(cells []int32, counts []int32, n int) [][]int32 {
	boxes := [][]int32{cells}
	spread := func(box []int32) (cost, axis int) {
		pixels := 0
		low, high := [3]int{63, 63, 63}, [3]int{}
		for _, c := range box {
			pixels += int(counts[c])
			for a := range 3 {
				low[a], high[a] = min(low[a], axisValue(c, a)), max(high[a], axisValue(c, a))
			}
		}
		for a := range 3 {
			if high[a]-low[a] > high[axis]-low[axis] {
				axis = a
			}
		}
		width := high[axis] - low[axis]
		return width * width * pixels, axis
	}
	costs := make([]int, 1, n)
	axes := make([]int, 1, n)
	costs[0], axes[0] = spread(cells)
	for len(boxes) < n {
		worst := 0
		for i := range boxes {
			if costs[i] > costs[worst] {
				worst = i
			}
		}
		if costs[worst] == 0 {
			break
		}
		box, axis := boxes[worst], axes[worst]
		slices.SortFunc(box, func(a, b int32) int { return axisValue(a, axis) - axisValue(b, axis) })
		total, half, at := 0, 0, 0
		for _, c := range box {
			total += int(counts[c])
		}
		for at < len(box)-1 && half < total/2 {
			half += int(counts[box[at]])
			at++
		}
		at = max(at, 1)
		boxes[worst] = box[:at]
		boxes = append(boxes, box[at:])
		costs, axes = append(costs, 0), append(axes, 0)
		for _, i := range [...]int{worst, len(boxes) - 1} {
			costs[i], axes[i] = spread(boxes[i])
		}
	}
	return boxes
}

func mean(box []int32, counts []int32) (c [3]uint8) {
	var sum [3]int
	total := 0
	for _, v := range box {
		n := int(counts[v])
		total += n
		for a := range sum {
			sum[a] += n * axisValue(v, a)
		}
	}
	for a := range c {
		c[a] = uint8(sum[a] * 255 / (63 * max(total, 1)))
	}
	return c
}

// nearest returns the index of the palette's nearest colour. It is looked for once for each cell
// that occurs: a cine has thousands of the quarter million there are.
func (g *gifWriter) nearest(red, green, blue uint8) uint8 {
	c := cell(red, green, blue)
	if g.index[c] == 0 {
		best, distance := 0, 1<<30
		for i, p := range g.palette[:g.colors] {
			d := 0
			for a := range p {
				e := axisValue(int32(c), a)*255/63 - int(p[a])
				d += e * e
			}
			if d < distance {
				best, distance = i, d
			}
		}
		g.index[c] = uint16(best) + 1
	}
	return uint8(g.index[c] - 1)
}
