package jpeg

import (
	"encoding/binary"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"
	"github.com/aurelius-imaging/aurelius/dicom/codec/ycc"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const (
	opEncode       = "jpeg.Encode"
	defaultQuality = 90
)

// writer is a reader that also encodes.
type writer struct {
	reader
	process byte // by its frame header
	bits    int  // of grey samples, at most
}

func (w writer) Lossy(codec.Options) bool { return true }

// Describe says what PS3.5 8.2.1 allows: unsigned samples, grey of 8 or 12 bits, and colour of 8
// bits as YBR_FULL_422 or YBR_FULL.
func (w writer) Describe(d codec.Description, _ codec.Options) (codec.Description, error) {
	refused := func(why string) (codec.Description, error) {
		return d, errs.Errorf(errs.Unsupported, opEncode, "%s cannot be encoded as %s", why, w.ts.Name)
	}
	if _, err := d.Size(); err != nil {
		return d, err
	}
	switch {
	case d.Float || d.BitsAllocated > 16 || d.BitsStored > w.bits || d.BitsStored < 1:
		return refused("samples of so many bits")
	case d.PixelRepresentation != 0:
		return refused("signed samples") // between -1 and 0 lies an edge of full height
	case d.HighBit != d.BitsStored-1:
		return refused("samples that are not in the lowest bits")
	}
	switch p := d.PhotometricInterpretation; {
	case d.SamplesPerPixel == 1 && (p == "MONOCHROME1" || p == "MONOCHROME2"):
	case d.SamplesPerPixel == 3 && d.BitsStored <= 8 && (p == "YBR_FULL" || p == "YBR_FULL_422"):
	case d.SamplesPerPixel == 3 && d.BitsStored <= 8 && p == "RGB":
		d.PhotometricInterpretation = "YBR_FULL_422"
	default:
		return refused(p)
	}
	d.BitsAllocated, d.BitsStored = 8, max(d.BitsStored, 8)
	if d.BitsStored > 8 {
		d.BitsAllocated, d.BitsStored = 16, 12
	}
	d.HighBit, d.PlanarConfiguration = d.BitsStored-1, 0
	return d, nil
}

func (w writer) Encode(dst []byte, f codec.Frame, o codec.Options) ([]byte, error) {
	d, err := w.Describe(f.Description, o)
	if err != nil {
		return dst, err
	}
	e := encoding{process: w.process, quality: o.Quality, sampling: S444}
	if d.PhotometricInterpretation == "YBR_FULL_422" {
		e.sampling = S422
	}
	return encode(dst, f, e)
}

// Sampling is how often chroma is sampled.
type Sampling uint8

// The samplings: for each pixel, for every second one of a row, for every fourth one.
const (
	S444 Sampling = iota
	S422
	S420
)

// AppendPicture appends a frame of 8 bits as a JPEG picture for browsers (JFIF): MONOCHROME2, RGB,
// YBR_FULL or YBR_FULL_422. It takes the standard's Huffman tables, which saves time and costs
// some bytes. Quality is 1 to 100 as libjpeg counts; 0 is 90.
func AppendPicture(dst []byte, f codec.Frame, quality int, s Sampling) ([]byte, error) {
	picture := f.SamplesPerPixel == 1 && f.PhotometricInterpretation == "MONOCHROME2"
	switch f.PhotometricInterpretation {
	case "RGB", "YBR_FULL", "YBR_FULL_422":
		picture = f.SamplesPerPixel == 3
	}
	if !picture || f.BitsAllocated != 8 {
		return dst, errs.Errorf(errs.Unsupported, opEncode, "%d samples of %s in %d bits are no picture", f.SamplesPerPixel, f.PhotometricInterpretation, f.BitsAllocated)
	}
	return encode(dst, f, encoding{process: jpegstream.SOF0, quality: quality, sampling: s, standard: true})
}

// encoding is how a frame becomes a codestream.
type encoding struct {
	process  byte
	quality  int
	sampling Sampling
	standard bool // the standard's Huffman tables, not the frame's own
}

// coder encodes one frame after another. Its strips are kept for the next one.
type coder struct {
	encoding
	frame  codec.Frame
	header jpegstream.Frame
	scan   jpegstream.Scan
	wide   bool // 12 bits
	comps  [3]part
	quant  [2]quantiser
	codes  [2]codes
	blocks []quantised
	full   [2][]int16 // chroma of a strip before it is reduced
	block  [64]int32
}

// part is one component of the frame being encoded.
type part struct {
	h, v         int
	across, down int     // blocks with samples
	strip        []int16 // a row of MCU around zero
	pred         int
}

var coders = sync.Pool{New: func() any { return new(coder) }}

func encode(dst []byte, f codec.Frame, e encoding) ([]byte, error) {
	if err := f.Check(opEncode); err != nil {
		return dst, err
	}
	if e.quality == 0 {
		e.quality = defaultQuality
	}
	e.quality = min(max(e.quality, 1), 100)
	c := coders.Get().(*coder)
	c.encoding, c.frame = e, f
	dst = c.encode(dst)
	c.frame = codec.Frame{}
	if quantisedSize*cap(c.blocks) > keepPlanes {
		c.blocks = nil
	}
	coders.Put(c)
	return dst, nil
}

func (c *coder) encode(dst []byte) []byte {
	c.layOut()
	c.blocks = c.blocks[:0]
	mcus := c.mcuRows()
	if c.standard {
		for i := range c.codes {
			c.codes[i] = codes{jpegstream.StandardDC[i].Codes(), jpegstream.StandardAC[i].Codes()}
		}
		dst = c.headers(dst, jpegstream.StandardDC, jpegstream.StandardAC)
		var w jpegstream.Writer
		w.Pos = len(dst)
		for y := range mcus {
			c.blocks = c.blocks[:0]
			c.transform(y)
			dst, w = c.write(dst, w)
		}
		return finish(dst, w)
	}
	for y := range mcus {
		c.transform(y)
	}
	var h [2]histogram
	c.each(func(q *quantised, pred, class int) { h[class].count(q, pred) })
	var dc, ac [2]jpegstream.Spec
	for i := range c.classes() {
		dc[i], ac[i] = jpegstream.Optimal(&h[i].dc), jpegstream.Optimal(&h[i].ac)
		c.codes[i] = codes{dc[i].Codes(), ac[i].Codes()}
	}
	dst = c.headers(dst, dc, ac)
	dst, w := c.write(dst, jpegstream.Writer{Pos: len(dst)})
	return finish(dst, w)
}

func finish(dst []byte, w jpegstream.Writer) []byte {
	dst = room(dst, w.Pos, 32)
	w = w.Flush(dst)
	return jpegstream.AppendMarker(dst[:w.Pos], jpegstream.EOI)
}

// classes returns how many sets of tables the frame has.
func (c *coder) classes() int { return min(c.header.N, 2) }

// layOut prepares headers, tables and strips.
func (c *coder) layOut() {
	f := c.frame
	c.wide = f.BitsStored > 8
	c.header = jpegstream.Frame{Process: c.process, Precision: 8, Rows: f.Rows, Columns: f.Columns, N: f.SamplesPerPixel}
	if c.wide {
		c.header.Precision = 12
	}
	hmax, vmax := 1, 1
	if c.header.N == 3 && c.sampling != S444 {
		hmax = 2
		if c.sampling == S420 {
			vmax = 2
		}
	}
	c.scan = jpegstream.Scan{N: c.header.N, Se: 63}
	for i := range c.header.N {
		class := min(i, 1)
		p := &c.comps[i]
		p.h, p.v, p.pred = hmax, vmax, 0
		if i > 0 {
			p.h, p.v = 1, 1
		}
		c.header.Components[i] = jpegstream.Component{ID: byte(i + 1), H: p.h, V: p.v, Tq: class}
		c.scan.Components[i] = jpegstream.ScanComponent{Index: i, Td: class, Ta: class}
		p.across, p.down = ceil(ceil(f.Columns*p.h, hmax), 8), ceil(ceil(f.Rows*p.v, vmax), 8)
		p.strip = grow(p.strip, 64*p.across*p.v)
		if i > 0 && hmax > 1 {
			c.full[i-1] = grow(c.full[i-1], 8*vmax*8*hmax*p.across)
		}
	}
	for i := range c.classes() {
		c.quant[i].set(i, c.quality)
	}
}

func (c *coder) mcuRows() int { return ceil(c.frame.Rows, 8*c.comps[0].v) }

// headers writes all that comes before the entropy-coded data. JFIF says that colour is YCbCr.
func (c *coder) headers(dst []byte, dc, ac [2]jpegstream.Spec) []byte {
	dst = jpegstream.AppendMarker(dst, jpegstream.SOI)
	dst = jpegstream.AppendSegment(dst, jpegstream.APP0, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0)
	for i := range c.classes() {
		dst = jpegstream.AppendSegment(dst, jpegstream.DQT, append([]byte{byte(i)}, c.quant[i].step[:]...)...)
	}
	dst = jpegstream.AppendFrame(dst, c.header)
	for i := range c.classes() {
		dst = jpegstream.AppendHuffman(dst, 0, i, dc[i])
		dst = jpegstream.AppendHuffman(dst, 1, i, ac[i])
	}
	return jpegstream.AppendScan(dst, c.header, c.scan)
}

// transform appends the quantised blocks of a row of MCU.
func (c *coder) transform(row int) {
	c.load(row)
	mcus := ceil(c.frame.Columns, 8*c.comps[0].h)
	pass := uint(2)
	if c.wide {
		pass = 1
	}
	for x := range mcus {
		for i := range c.header.N {
			p := &c.comps[i]
			for v := range p.v {
				for h := range p.h {
					c.blocks = append(c.blocks, quantised{})
					q := &c.blocks[len(c.blocks)-1]
					bx := x*p.h + h
					if bx >= p.across || row*p.v+v >= p.down {
						// It has no samples: the cheapest block is one like the last.
						q.coef[0] = c.blocks[len(c.blocks)-2].coef[0]
						continue
					}
					from := p.strip[64*v*p.across+8*bx:]
					if v, flat := c.fill(from, 8*p.across); flat { // as the background is
						q.coef[0] = c.quant[min(i, 1)].divide(0, 64*v)
						continue
					}
					forward(&c.block, pass)
					c.quant[min(i, 1)].quantise(&c.block, q)
				}
			}
		}
	}
}

// fill puts the samples at the front of a strip into the block. It reports whether they are all the
// same, and which.
func (c *coder) fill(from []int16, stride int) (v int32, flat bool) {
	v = int32(from[0])
	var other int32
	for y := range 8 {
		s := from[y*stride : y*stride+8 : y*stride+8]
		s0, s1, s2, s3 := int32(s[0]), int32(s[1]), int32(s[2]), int32(s[3])
		s4, s5, s6, s7 := int32(s[4]), int32(s[5]), int32(s[6]), int32(s[7])
		other |= (s0 ^ v) | (s1 ^ v) | (s2 ^ v) | (s3 ^ v) | (s4 ^ v) | (s5 ^ v) | (s6 ^ v) | (s7 ^ v)
		b := (*[8]int32)(c.block[8*y:])
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7] = s0, s1, s2, s3, s4, s5, s6, s7
	}
	return v, other == 0
}

// each walks over the blocks there are with their DC predictions and classes.
func (c *coder) each(f func(q *quantised, pred, class int)) {
	var pred [3]int
	for k := 0; k < len(c.blocks); {
		for i := range c.header.N {
			for range c.comps[i].h * c.comps[i].v {
				q := &c.blocks[k]
				f(q, pred[i], min(i, 1))
				pred[i] = int(q.coef[0])
				k++
			}
		}
	}
}

// write encodes the blocks there are.
func (c *coder) write(dst []byte, w jpegstream.Writer) ([]byte, jpegstream.Writer) {
	for k := 0; k < len(c.blocks); {
		dst = room(dst, w.Pos, 12*blockRoom)
		for i := range c.header.N {
			p := &c.comps[i]
			for range p.h * p.v {
				q := &c.blocks[k]
				w = encodeBlock(w, dst, q, p.pred, &c.codes[min(i, 1)])
				p.pred = int(q.coef[0])
				k++
			}
		}
	}
	return dst, w
}

// load fills the strips with a row of MCU: colour converted, chroma reduced, samples repeated
// beyond the edges.
func (c *coder) load(row int) {
	f, vmax := c.frame, c.comps[0].v
	top := 8 * vmax * row
	rows := min(8*vmax, f.Rows-top)
	rgb := f.PhotometricInterpretation == "RGB"
	var planes [3][]int16
	var strides [3]int
	for i := range c.header.N {
		p := &c.comps[i]
		planes[i], strides[i] = p.strip, 8*p.across
		if i > 0 && c.comps[0].h > 1 {
			planes[i], strides[i] = c.full[i-1], 16*p.across
		}
	}
	line := f.Columns * c.header.N * f.Width()
	for y := range rows {
		src := f.Data[(top+y)*line : (top+y+1)*line]
		var to [3][]int16
		for i := range c.header.N {
			to[i] = planes[i][y*strides[i] : (y+1)*strides[i]]
		}
		switch {
		case c.header.N == 1 && f.Width() == 1:
			grey(to[0], src)
		case f.Width() == 2:
			c.words(to[:c.header.N], src)
			if rgb {
				convert(to)
			}
		case rgb:
			fromRGB(to[0], to[1], to[2], src)
		default:
			for i := range 3 {
				for x := range f.Columns {
					to[i][x] = int16(src[3*x+i]) - 128
				}
			}
		}
		for i := range c.header.N {
			last := to[i][f.Columns-1]
			for x := f.Columns; x < len(to[i]); x++ {
				to[i][x] = last
			}
		}
	}
	for i := range c.header.N {
		p := &c.comps[i]
		n, stride := rows, 8*p.across
		if i > 0 && c.comps[0].h > 1 {
			n = ceil(rows, vmax)
			for y := range n {
				a := planes[i][vmax*y*strides[i]:][:strides[i]]
				b := planes[i][min(vmax*y+vmax-1, rows-1)*strides[i]:][:strides[i]]
				if reduced := p.strip[y*stride : (y+1)*stride]; vmax == 1 {
					halve(reduced, a)
				} else {
					quarter(reduced, a, b)
				}
			}
		}
		for y := n; y < 8*p.v; y++ {
			copy(p.strip[y*stride:(y+1)*stride], p.strip[(n-1)*stride:n*stride])
		}
	}
}

func grey(to []int16, src []byte) {
	for x, v := range src[:min(len(src), len(to))] {
		to[x] = int16(v) - 128
	}
}

func fromRGB(y, cb, cr []int16, src []byte) {
	n := len(src) / 3
	y, cb, cr = y[:n], cb[:n], cr[:n]
	for x := range y {
		p := src[3*x : 3*x+3 : 3*x+3]
		a, b, c := ycc.FromRGB(p[0], p[1], p[2])
		y[x], cb[x], cr[x] = int16(a)-128, int16(b)-128, int16(c)-128
	}
}

// words loads samples of two bytes. What may lie above Bits Stored is no part of them.
func (c *coder) words(to [][]int16, src []byte) {
	mask, half := uint16(1)<<c.frame.BitsStored-1, int16(128)
	if c.wide {
		half = 2048
	}
	for x := range c.frame.Columns {
		for i := range to {
			to[i][x] = int16(binary.LittleEndian.Uint16(src)&mask) - half
			src = src[2:]
		}
	}
}

// convert is fromRGB for samples that are loaded.
func convert(to [3][]int16) {
	for x := range to[0] {
		a, b, c := ycc.FromRGB(byte(to[0][x]+128), byte(to[1][x]+128), byte(to[2][x]+128))
		to[0][x], to[1][x], to[2][x] = int16(a)-128, int16(b)-128, int16(c)-128
	}
}

// halve and quarter reduce chroma as libjpeg does (jcsample.c): rounding up and down in turn, so
// that the mean stays.
func halve(to, from []int16) {
	for x := range to {
		to[x] = (from[2*x] + from[2*x+1] + int16(x&1)) >> 1
	}
}

func quarter(to, a, b []int16) {
	for x := range to {
		to[x] = (a[2*x] + a[2*x+1] + b[2*x] + b[2*x+1] + 1 + int16(x&1)) >> 2
	}
}
