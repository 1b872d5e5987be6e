package jpeglossless

import (
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const decodeOp = "jpeglossless.Decode"

func invalid(format string, args ...any) error {
	return errs.Errorf(errs.Invalid, decodeOp, "JPEG lossless: "+format, args...)
}

func unsupported(format string, args ...any) error {
	return errs.Errorf(errs.Unsupported, decodeOp, "JPEG lossless: "+format, args...)
}

// smallFrame is what a frame may take whatever its codestream has. A larger one must have a bit for
// every sample, the least that Huffman coding gives: also where the codestream is a cropped tile.
const smallFrame = 4 << 20

// decoder is the memory of one frame's decoding.
type decoder struct {
	stream        jpegstream.Stream
	line, above   []uint16 // a row of the scan, its components by sample; the row before it
	out           []byte
	width, stride int // bytes of a sample and of a row of out
	rows          int // of the codestream
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Decode implements codec.Codec.
func (process14) Decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	dec := decoders.Get().(*decoder)
	defer decoders.Put(dec)
	defer dec.release()
	if err := dec.stream.Open(src); err != nil {
		return codec.Frame{}, err
	}
	more, err := dec.stream.Next()
	if err != nil {
		return codec.Frame{}, err
	}
	if !more {
		return codec.Frame{}, invalid("no scan")
	}
	if d, err = dec.resolve(d, len(src)); err != nil {
		return codec.Frame{}, err
	}
	f, err := d.New(buf)
	if err != nil {
		return codec.Frame{}, err
	}
	dec.out, dec.width = f.Data, d.Width()
	dec.stride = d.Columns * d.SamplesPerPixel * dec.width
	if err := dec.scans(); err != nil {
		return codec.Frame{}, err
	}
	return f, nil
}

func (dec *decoder) release() {
	dec.stream.Release()
	dec.out = nil
}

// resolve holds the header against the codestream's frame header and returns what the samples are.
func (dec *decoder) resolve(d codec.Description, length int) (codec.Description, error) {
	f := &dec.stream.Frame
	if f.Process != jpegstream.SOF3 {
		return d, unsupported("the codestream is of process SOF%d", f.Process-jpegstream.SOF0)
	}
	if _, err := d.Size(); err != nil {
		return d, err
	}
	if d.Float || d.BitsAllocated > 16 {
		return d, invalid("%d bits are allocated", d.BitsAllocated)
	}
	if f.N != d.SamplesPerPixel { // DCMTK refuses this too
		return d, invalid("%d components for %d samples per pixel", f.N, d.SamplesPerPixel)
	}
	if dec.rows = f.Rows; dec.rows == 0 { // a DNL segment behind the scan would tell what the header does
		dec.rows = d.Rows
	}
	if dec.rows > d.Rows || f.Columns > d.Columns {
		return d, invalid("%dx%d samples for %dx%d", dec.rows, f.Columns, d.Rows, d.Columns)
	}
	// The precision decides: DCMTK and GDCM lower Bits Stored to it, so that a sign is looked for
	// where it can be, and DCMTK allocates 16 bits where the header has 8 and the codestream more.
	// A precision above Bits Stored is what writers give who encode 16 bits of 12: it is no conflict.
	if f.Precision > 8 && d.BitsAllocated <= 8 {
		d.BitsAllocated, d.BitsStored, d.HighBit = 16, f.Precision, f.Precision-1
	}
	d.BitsStored = min(d.BitsStored, f.Precision)
	d.HighBit = min(d.HighBit, f.Precision-1)
	// Lossless coding has no colour transform, whatever JFIF or Adobe segments say; both believe the
	// header. All components have all samples, so that chrominance is not subsampled.
	d = d.Full()
	size, err := d.Size()
	if err != nil {
		return d, err
	}
	if samples := size / d.Width(); size > smallFrame && samples > 8*length {
		return d, invalid("%d bytes cannot hold %d samples", length, samples)
	}
	return d, nil
}

// scans decodes scan after scan until every component is there.
func (dec *decoder) scans() error {
	s := &dec.stream
	var seen [jpegstream.MaxComponents]bool
	for left := s.Frame.N; ; {
		for _, c := range s.Scan.Components[:s.Scan.N] {
			if seen[c.Index] {
				return invalid("component %d comes twice", c.Index+1)
			}
			seen[c.Index] = true
		}
		if err := dec.scan(); err != nil {
			return err
		}
		if left -= s.Scan.N; left == 0 {
			return nil
		}
		if more, err := s.Next(); err != nil {
			return err
		} else if !more {
			return invalid("%d components are missing", left)
		}
	}
}

// scan decodes one scan (T.81 H.2).
func (dec *decoder) scan() error {
	s := &dec.stream
	c := &s.Scan
	if c.Ss < 1 || c.Ss > 7 {
		return invalid("predictor %d", c.Ss) // 0 is for hierarchical images
	}
	if c.Al >= s.Frame.Precision {
		return invalid("point transform %d of %d bits", c.Al, s.Frame.Precision)
	}
	var tables [jpegstream.MaxComponents]*jpegstream.Huffman
	for i, k := range c.Components[:c.N] {
		a, b := s.Frame.Components[k.Index], s.Frame.Components[0]
		if a.H != b.H || a.V != b.V || c.N > 1 && (a.H > 1 || a.V > 1) {
			return unsupported("subsampled components are not decoded")
		}
		tables[i] = &s.DC[k.Td]
		if err := tables[i].Ready(); err != nil {
			return err
		}
	}
	columns := s.Frame.Columns
	interval := dec.rows // rows between restart markers
	if s.RestartInterval > 0 {
		if interval = s.RestartInterval / columns; s.RestartInterval%columns > 0 {
			return invalid("a restart interval of %d samples in rows of %d", s.RestartInterval, columns) // H.1.1
		}
	}
	n := columns * c.N
	if cap(dec.line) < n {
		dec.line, dec.above = make([]uint16, n), make([]uint16, n)
	}
	line, above := dec.line[:n], dec.above[:n]
	alike := c.Ss == 1 && c.Al == 0 && dec.inOrder()
	data := s.Data()
	var b jpegstream.Bits
	for y := range dec.rows {
		first := y%interval == 0
		if first && y > 0 {
			var ok bool
			if b, ok = b.Restart(data, y/interval-1); !ok {
				return invalid("no restart marker before row %d", y+1)
			}
		}
		var ok bool
		if b, ok = differences(line, &tables, c.N, data, b); !ok || b.N < 0 {
			return invalid("the data is damaged or cut off at row %d", y+1)
		}
		start, predictor := above[:c.N], c.Ss
		if first {
			predictor = 1
			for i := range start {
				start[i] = 1 << (s.Frame.Precision - c.Al - 1)
			}
		}
		row := dec.out[y*dec.stride:][:dec.stride]
		if !alike || !sum(row, line, start, dec.width) {
			restore(line, above, start, predictor)
			dec.store(row, line)
		}
		line, above = above, line
	}
	s.Skip(b.Pos)
	return nil
}

// store puts a row of the scan into the frame's.
func (dec *decoder) store(row []byte, line []uint16) {
	c := &dec.stream.Scan
	shift := c.Al & 15
	if !dec.inOrder() {
		for i, k := range c.Components[:c.N] {
			at := k.Index * dec.width
			for x := i; x < len(line); x += c.N {
				v := line[x] << shift
				row[at] = byte(v)
				if dec.width == 2 {
					row[at+1] = byte(v >> 8)
				}
				at += dec.stream.Frame.N * dec.width
			}
		}
		return
	}
	if dec.width == 1 {
		row = row[:len(line)]
		for i, v := range line {
			row[i] = byte(v << shift)
		}
		return
	}
	row = row[:2*len(line)]
	for i, v := range line {
		v <<= shift
		row[2*i] = byte(v)
		row[2*i+1] = byte(v >> 8)
	}
}

// inOrder reports whether the scan has all components, in the frame's order.
func (dec *decoder) inOrder() bool {
	c := &dec.stream.Scan
	for i, k := range c.Components[:c.N] {
		if k.Index != i {
			return false
		}
	}
	return c.N == dec.stream.Frame.N
}
