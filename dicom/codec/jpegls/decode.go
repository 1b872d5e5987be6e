package jpegls

import (
	"encoding/binary"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
)

// tile is the largest frame in bytes that may be mostly outside its codestream.
const tile = 4 << 20

// decoder decodes frames, one after another.
type decoder struct {
	model
	reader
	stream

	width int // bytes of a sample in the frame
	frame codec.Frame
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	dec := decoders.Get().(*decoder)
	defer func() {
		dec.stream, dec.frame = stream{}, codec.Frame{}
		decoders.Put(dec)
	}()
	dec.stream = stream{src: src}
	return dec.decode(d, buf)
}

func (d *decoder) decode(header codec.Description, buf []byte) (codec.Frame, error) {
	more, err := d.next()
	if err != nil {
		return codec.Frame{}, err
	}
	if !more {
		return codec.Frame{}, invalid("there is no codestream of JPEG-LS")
	}
	if header, err = d.describe(header); err != nil {
		return codec.Frame{}, err
	}
	if err := d.plausible(header); err != nil {
		return codec.Frame{}, err
	}
	if d.frame, err = header.New(buf); err != nil {
		return codec.Frame{}, err
	}
	d.width = header.Width()
	for done := 0; more; more, err = d.next() {
		if err := d.decodeScan(); err != nil {
			return codec.Frame{}, err
		}
		if done += d.scan.count; done >= len(d.components) {
			break
		}
	}
	return d.frame, err
}

// describe returns the frame's description where header and codestream differ.
func (d *decoder) describe(h codec.Description) (codec.Description, error) {
	if d.rows > h.Rows || d.columns > h.Columns {
		return h, invalid("the codestream has %dx%d samples, the header %dx%d", d.rows, d.columns, h.Rows, h.Columns)
	}
	if n := len(d.components); n != h.SamplesPerPixel {
		// GDCM takes the number of components from the codestream; DCMTK refuses the image.
		h.SamplesPerPixel = n
		switch {
		case n == 1:
			h.PhotometricInterpretation = "MONOCHROME2"
		case n == 3:
			h.PhotometricInterpretation = "RGB"
		}
	}
	// Samples wider than the header's go into wider ones, as GDCM does; DCMTK refuses the image.
	// Where the codestream has more bits than Bits Stored but no more than Bits Allocated, or
	// fewer, the header stays as it is, as with both: DCMTK itself encodes all of Bits Allocated.
	if d.precision > 8 && h.BitsAllocated <= 8 {
		h.BitsAllocated, h.BitsStored, h.HighBit = 16, d.precision, d.precision-1
	}
	if h.BitsAllocated > 16 {
		return h, unsupported("%d bits allocated", h.BitsAllocated)
	}
	return h.Full(), nil // all components have all samples
}

// plausible bounds a frame by its codestream before memory is taken: a line has a bit at least
// (T.87 A.7.1). A frame larger than its codestream's is a tile at a slide's edge.
func (d *decoder) plausible(h codec.Description) error {
	lines := d.rows
	if size, err := h.Size(); err != nil {
		return err
	} else if size > tile {
		lines = h.Rows
	}
	if lines > 8*len(d.src) {
		return invalid("%d bytes cannot hold %d lines", len(d.src), lines)
	}
	return nil
}

func (d *decoder) decodeScan() error {
	p, err := d.coding()
	if err != nil {
		return err
	}
	if d.transform != 0 && (d.scan.count != 3 || p.near != 0 || d.precision&7 != 0) {
		return unsupported("a colour transform of %d components of %d bits", d.scan.count, d.precision)
	}
	d.begin(p)
	line := d.columns + margins // of a component, or of all that alternate
	count := d.scan.count
	if d.scan.interleave == interleaveSample {
		line *= count
	}
	separate := 1 // lines of a row
	if d.scan.interleave == interleaveLine {
		separate = count
	}
	if need := 2 * line * separate; cap(d.lines) < need {
		d.lines = make([]uint16, need)
	} else {
		d.lines = d.lines[:need]
	}
	interval := d.interval
	if interval == 0 {
		interval = d.rows
	}
	for row := range d.rows {
		if row%interval == 0 {
			if err := d.beginInterval(row / interval); err != nil {
				return err
			}
		}
		for c := range separate {
			pair := d.lines[2*line*c:][:2*line]
			cur, prev := pair[:line], pair[line:]
			if row&1 == 1 {
				cur, prev = prev, cur
			}
			if err := d.decodeLine(cur, prev, c); err != nil {
				return err
			}
			d.emit(cur, row, c)
		}
		if d.transform != 0 {
			d.untransform(row)
		}
	}
	return nil
}

// beginInterval starts the scan's n-th restart interval: behind its marker, with all statistics
// as at the scan's begin (T.87 A.8, C.2.5).
func (d *decoder) beginInterval(n int) error {
	if n > 0 {
		marker, ok := d.marker()
		if !ok || marker != markerRST0+byte((n-1)&7) {
			return invalid("restart marker %d is missing", n)
		}
	}
	var read int
	d.bits, read = unstuff(d.bits[:0], d.src)
	d.src = d.src[read:]
	d.pos, d.end = 0, 8*(len(d.bits)-padding+8)
	d.restart()
	return nil
}

// decodeLine decodes a line of component c, or of all components when they alternate.
func (d *decoder) decodeLine(cur, prev []uint16, c int) error {
	n := 1
	if d.scan.interleave == interleaveSample {
		n = d.scan.count
	}
	// T.87 A.2.1: at the edges a sample is the one beside it in the line above.
	copy(prev[len(prev)-n:], prev[len(prev)-2*n:])
	copy(cur[:n], prev[n:2*n])
	var err error
	plain := d.near == 0 && d.maxval&(d.maxval+1) == 0
	switch {
	case n == 3 && plain:
		err = d.losslessPixels(cur, prev)
	case n > 1:
		err = d.pixels(cur, prev, n)
	case plain:
		err = d.lossless(cur, prev, c)
	default:
		err = d.nearLossless(cur, prev, c)
	}
	if err == nil && d.truncated() {
		err = errTruncated
	}
	return err
}

var errTruncated = invalid("the codestream is truncated")

// emit writes a line of component c, or of all components, to the frame.
func (d *decoder) emit(cur []uint16, row, c int) {
	samples := d.frame.SamplesPerPixel
	out := d.frame.Data[row*d.frame.Columns*samples*d.width:][:d.columns*samples*d.width]
	if d.scan.interleave == interleaveSample {
		n := d.scan.count
		if d.scan.components == [4]int{0, 1, 2, 3} && n == samples || d.scan.components == [4]int{0, 1, 2} && n == samples {
			spread(out, cur[n:len(cur)-n], 1, 1, d.width)
			return
		}
		for i, place := range d.scan.components[:n] {
			spread(out[place*d.width:], cur[n+i:len(cur)-n], samples, n, d.width)
		}
		return
	}
	spread(out[d.scan.components[c]*d.width:], cur[1:len(cur)-1], samples, 1, d.width)
}

// spread writes every from-th sample of src to every to-th of dst, in width bytes.
func spread(dst []byte, src []uint16, to, from, width int) {
	switch {
	case width == 1 && to == 1:
		dst = dst[:len(src)]
		for i, v := range src {
			dst[i] = byte(v)
		}
	case width == 1:
		for i, o := 0, 0; i < len(src) && o < len(dst); i, o = i+from, o+to {
			dst[o] = byte(src[i])
		}
	case to == 1:
		for _, v := range src {
			if len(dst) < 2 {
				break
			}
			binary.LittleEndian.PutUint16(dst, v)
			dst = dst[2:]
		}
	default:
		for i, o := 0, 0; i < len(src) && o+1 < len(dst); i, o = i+from, o+2*to {
			binary.LittleEndian.PutUint16(dst[o:], src[i])
		}
	}
}

// untransform takes HP's colour transform back in a row, as CharLS does: no part of the standard.
func (d *decoder) untransform(row int) {
	n := d.columns * 3
	out := d.frame.Data[row*d.frame.Columns*3*d.width:][:n*d.width]
	size := 1 << d.precision
	for i := 0; i < n; i += 3 {
		at := func(j int) int {
			if d.width == 1 {
				return int(out[i+j])
			}
			return int(binary.LittleEndian.Uint16(out[2*(i+j):]))
		}
		v1, v2, v3 := at(0), at(1), at(2)
		var r, g, b int
		switch d.transform {
		case 1:
			r, g, b = v1+v2-size/2, v2, v3+v2-size/2
		case 2:
			r, g = (v1+v2-size/2)&(size-1), v2
			b = v3 + (r+g)>>1 - size/2
		case 3:
			g = v1 - (v3+v2)>>2 + size/4
			r, b = v3+g-size/2, v2+g-size/2
		}
		for j, v := range [3]int{r, g, b} {
			if d.width == 1 {
				out[i+j] = byte(v)
			} else {
				binary.LittleEndian.PutUint16(out[2*(i+j):], uint16(v&(size-1)))
			}
		}
	}
}
