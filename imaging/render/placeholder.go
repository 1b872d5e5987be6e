package render

import (
	"image"
	"image/color"
	"image/draw"
	"strings"
)

// Placeholder draws a page that stands for what has no pixels: title is large, kind small below
// it. The page has the form of a sheet of paper and fits into a square of size pixels.
func Placeholder(title, kind string, size int) *Picture {
	size = min(max(size, 16), 2048)
	height := float64(size)
	page := image.Rect(0, 0, size*3/4, size)
	dst := image.NewRGBA(page)
	paper, edge, ink := color.RGBA{250, 250, 250, 255}, color.RGBA{120, 125, 130, 255}, color.RGBA{60, 65, 70, 255}
	draw.Draw(dst, page, image.NewUniform(paper), image.Point{}, draw.Src)
	pen := newPen(dst)
	width, fold := float64(page.Dx()), height/8
	line := max(height/128, 1)
	corner := []point{{width - fold, 0}, {width - fold, fold}, {width, fold}}
	pen.fillArea([]point{{width - fold, 0}, {width, 0}, {width, fold}}, edge)
	pen.stroke(corner, line, 0, edge)
	pen.stroke([]point{{0, 0}, {width, 0}, {width, height}, {0, height}, {0, 0}}, line, 0, edge)
	for i := range 4 {
		y, to := height*(0.66+0.07*float64(i)), 0.85
		if i == 3 {
			to = 0.5
		}
		pen.stroke([]point{{width * 0.15, y}, {width * to, y}}, line, 0, edge)
	}
	plain := func(lines []string, size float64, bold bool, y int) int {
		w := newWriting(size, bold)
		for _, text := range lines {
			w.drawPlain(dst, (page.Dx()-w.Width(text))/2, y, text, ink)
			y += w.LineHeight
		}
		return y
	}
	y := plain([]string{title}, height/5, true, int(height*0.16))
	small := height / 14
	plain(wrap(kind, newWriting(small, false), page.Dx()-int(2*line)-4, 3), small, false, y)
	return &Picture{Image: dst, Applied: Applied{From: Size{page.Dx(), page.Dy()}, To: Size{page.Dx(), page.Dy()},
		Notes: []string{"a placeholder: nothing of it can be shown as a picture"}}}
}

// wrap breaks a text into at most so many lines that are no wider than width.
func wrap(text string, w *writing, width, most int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if longer := strings.TrimSpace(line + " " + word); line == "" || w.Width(longer) <= width {
			line = longer
			continue
		}
		if lines = append(lines, line); len(lines) == most {
			return lines
		}
		line = word
	}
	return append(lines, line)
}
