package render

import (
	"image"
	"image/color"
	"image/draw"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// The Go fonts have Latin, Greek and Cyrillic. What they have not shows as an empty box: text in
// other scripts is not drawn, and one sees that it is not.
var fonts = sync.OnceValue(func() (f [2]*opentype.Font) {
	for i, ttf := range [...][]byte{goregular.TTF, gobold.TTF} {
		parsed, err := opentype.Parse(ttf)
		if err != nil { // they are part of the program
			panic(err)
		}
		f[i] = parsed
	}
	return f
})

const smallestText, largestText = 8, 96 // pixels from line to line, nearly

// writing is text in a font of one size. Not safe for concurrent use.
type writing struct {
	face       font.Face
	LineHeight int
}

func newWriting(size float64, bold bool) *writing {
	f := fonts()[0]
	if bold {
		f = fonts()[1]
	}
	size = min(max(size, smallestText), largestText)
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
	if err != nil { // of a size that there is, there is a face
		panic(err)
	}
	return &writing{face, face.Metrics().Height.Ceil()}
}

// Width returns how wide a line is.
func (w *writing) Width(line string) int { return font.MeasureString(w.face, line).Ceil() }

// Draw writes a line whose upper left corner is x, y, on a dark rim that parts it from whatever
// lies below.
func (w *writing) Draw(dst draw.Image, x, y int, line string, c color.Color) {
	baseline := y + w.face.Metrics().Ascent.Ceil()
	d := font.Drawer{Dst: dst, Src: image.NewUniform(color.RGBA{0, 0, 0, 200}), Face: w.face}
	for _, by := range [...]image.Point{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
		d.Dot = fixed.P(x+by.X, baseline+by.Y)
		d.DrawString(line)
	}
	w.drawPlain(dst, x, y, line, c)
}

// drawPlain writes a line without a rim.
func (w *writing) drawPlain(dst draw.Image, x, y int, line string, c color.Color) {
	d := font.Drawer{Dst: dst, Src: image.NewUniform(c), Face: w.face, Dot: fixed.P(x, y+w.face.Metrics().Ascent.Ceil())}
	d.DrawString(line)
}
