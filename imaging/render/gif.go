package render

import (
	"bufio"
	"compress/lzw"
	"image"
	"io"
	"iter"
	"math"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Shot is a picture of a cine and how long it is shown, in milliseconds.
type Shot struct {
	Picture      *Picture
	Milliseconds float64
}

// WriteGIF writes the picture as a GIF.
func (p *Picture) WriteGIF(dst io.Writer) error {
	return WriteAnimation(dst, func(yield func(Shot, error) bool) { yield(Shot{Picture: p}, nil) })
}

// WriteAnimation writes pictures of one size as a GIF, animated and without end where there are
// several (GIF89a). It holds one picture at a time. The palette is made once, of the first one:
// 256 greys, or the colours it needs most.
func WriteAnimation(dst io.Writer, shots iter.Seq2[Shot, error]) error {
	const op = "render.WriteAnimation"
	g := gifWriter{w: bufio.NewWriterSize(dst, 1<<16)}
	due, shown := 0.0, 0 // in hundredths of a second: rounding errors do not add up
	for s, err := range shots {
		if err != nil {
			return err
		}
		size := s.Picture.Image.Bounds().Size()
		if g.size == (image.Point{}) {
			if max(size.X, size.Y) > math.MaxUint16 {
				return errs.Errorf(errs.Unsupported, op, "a GIF has at most 65535 rows and columns")
			}
			g.size = size
			g.choose(s.Picture.Image)
			g.head()
		} else if size != g.size {
			return errs.Errorf(errs.Invalid, op, "the pictures of an animation have one size")
		}
		due += s.Milliseconds / 10
		delay := int(min(max(math.Round(due)-float64(shown), 0), math.MaxUint16))
		shown += delay
		if err := g.frame(s.Picture.Image, delay); err != nil {
			return err
		}
	}
	if g.size == (image.Point{}) {
		return errs.Errorf(errs.Invalid, op, "an animation has at least one picture")
	}
	g.w.WriteByte(0x3B) // trailer
	return g.w.Flush()
}

type gifWriter struct {
	w       *bufio.Writer
	size    image.Point
	palette [256][3]uint8
	colors  int      // of the palette that count, where it is no grey one
	index   []uint16 // of colours cut to 6 bits a sample, plus 1; nil: grey, where value and index are one
	pixels  []uint8
}

func (g *gifWriter) head() {
	g.w.WriteString("GIF89a")
	g.uint16(g.size.X)
	g.uint16(g.size.Y)
	g.w.Write([]byte{0xF7, 0, 0}) // a global table of 256 colours of 8 bits
	for _, c := range g.palette {
		g.w.Write(c[:])
	}
	g.w.WriteString("\x21\xFF\x0BNETSCAPE2.0\x03\x01\x00\x00\x00") // again and again
}

func (g *gifWriter) uint16(v int) { g.w.Write([]byte{byte(v), byte(v >> 8)}) }

func (g *gifWriter) frame(m image.Image, delay int) error {
	g.w.Write([]byte{0x21, 0xF9, 4, 0})
	g.uint16(delay)
	g.w.Write([]byte{0, 0, 0x2C, 0, 0, 0, 0})
	g.uint16(g.size.X)
	g.uint16(g.size.Y)
	g.w.Write([]byte{0, 8}) // no local table; codes begin with 8 bits
	blocks := blockWriter{w: g.w}
	lw := lzw.NewWriter(&blocks, lzw.LSB, 8)
	if _, err := lw.Write(g.indices(m)); err != nil {
		return err
	}
	if err := lw.Close(); err != nil {
		return err
	}
	return blocks.close()
}

// indices returns the picture's pixels as indices of the palette.
func (g *gifWriter) indices(m image.Image) []uint8 {
	gray, isGray := m.(*image.Gray)
	if isGray && g.index == nil && gray.Stride == g.size.X {
		return gray.Pix
	}
	if g.pixels == nil {
		g.pixels = make([]uint8, g.size.X*g.size.Y)
	}
	if isGray {
		for i, v := range gray.Pix {
			g.pixels[i] = g.nearest(v, v, v)
		}
		return g.pixels
	}
	rgba := m.(*image.RGBA)
	for i := range g.pixels {
		p := rgba.Pix[4*i:][:3]
		if g.index == nil { // a colour behind a grey first picture
			g.pixels[i] = uint8((299*int(p[0]) + 587*int(p[1]) + 114*int(p[2]) + 500) / 1000)
		} else {
			g.pixels[i] = g.nearest(p[0], p[1], p[2])
		}
	}
	return g.pixels
}

// blockWriter cuts LZW data into sub-blocks of at most 255 bytes.
type blockWriter struct {
	w   *bufio.Writer
	buf [256]byte
	n   int
}

func (b *blockWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := copy(b.buf[1+b.n:], rest)
		b.n += n
		rest = rest[n:]
		if b.n == 255 {
			if err := b.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (b *blockWriter) flush() error {
	if b.n == 0 {
		return nil
	}
	b.buf[0] = byte(b.n)
	_, err := b.w.Write(b.buf[:1+b.n])
	b.n = 0
	return err
}

func (b *blockWriter) close() error {
	if err := b.flush(); err != nil {
		return err
	}
	return b.w.WriteByte(0)
}
