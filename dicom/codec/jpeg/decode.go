package jpeg

import (
	"encoding/binary"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const opDecode = "jpeg.Decode"

func invalid(format string, args ...any) error {
	return errs.Errorf(errs.Invalid, opDecode, "JPEG: "+format, args...)
}

func unsupported(format string, args ...any) error {
	return errs.Errorf(errs.Unsupported, opDecode, "JPEG: "+format, args...)
}

const (
	// maxCropped bounds the pixels of a frame whose codestream is smaller than the frame, which
	// its bytes could not fill otherwise. Tiles of slides are rarely above 1024 x 1024.
	maxCropped = 2048 * 2048

	// maxScans bounds the scans of a progressive image, each of which may pass over all blocks
	// for a few bytes. Encoders write about ten.
	maxScans = 100
)

// decoder decodes one codestream after another. Its tables and planes are kept for the next one.
type decoder struct {
	stream      jpegstream.Stream
	comps       [jpegstream.MaxComponents]component
	n           int    // components
	data        []byte // of the scan
	block       [64]int32
	edge        [8 * 24]byte // a block that does not lie in the frame as a whole
	planes      []byte
	coefs       []quantised // of a progressive image
	words       [3][]uint16 // rows, for upsampling
	progressive bool
	eobrun      int
}

// component is one component of the frame: where its blocks go and what is known of it in a scan.
type component struct {
	h, v          int // sampling factors
	width, height int // samples
	across, down  int // blocks, where it is alone in a scan (T.81 A.2.2)
	up            upsampling

	dst    []byte // where its first sample goes: the frame, or its plane
	stride int    // bytes
	layout layout
	dw, dh int  // samples that dst has room for
	direct bool // dst is the frame
	coefs  []quantised
	padded int // blocks across, where it is interleaved

	quant   [64]int32 // in zigzag order
	latched bool      // quant is what the first scan found (T.81 B.2.4.1)
	scanned bool
	dc, ac  *jpegstream.Huffman
	pred    int
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// keepPlanes is how much memory a decoder in the pool may hold on to.
const keepPlanes = 16 << 20

func decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	dec := decoders.Get().(*decoder)
	defer func() {
		dec.release()
		decoders.Put(dec)
	}()
	return dec.decode(src, d, buf)
}

func (dec *decoder) release() {
	dec.stream.Release()
	dec.data = nil
	clear(dec.block[:]) // an error may have left something
	for i := range dec.comps {
		dec.comps[i] = component{}
	}
	if cap(dec.planes) > keepPlanes {
		dec.planes = nil
	}
	if quantisedSize*cap(dec.coefs) > keepPlanes {
		dec.coefs = nil
	}
}

func (dec *decoder) decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	s := &dec.stream
	if err := s.Open(src); err != nil {
		return codec.Frame{}, err
	}
	more, err := s.Next()
	if err != nil {
		return codec.Frame{}, err
	}
	if !more {
		return codec.Frame{}, invalid("no scan")
	}
	if s.Frame.Process == jpegstream.SOF3 { // DCMTK and GDCM read it whatever the syntax is
		return jpeglossless.Process14().Decode(src, d, buf)
	}
	d, err = describe(s, d, len(src))
	if err != nil {
		return codec.Frame{}, err
	}
	frame, err := d.New(buf)
	if err != nil {
		return codec.Frame{}, err
	}
	widen := s.Frame.Precision == 8 && frame.Width() == 2
	target := frame
	if widen { // into the second half, from where they are spread over both
		target.BitsAllocated, target.Data = 8, frame.Data[len(frame.Data)/2:]
	}
	dec.layOut(target)
	for scans := 1; more; scans++ {
		if scans > maxScans {
			return codec.Frame{}, invalid("more than %d scans", maxScans)
		}
		if err := dec.scan(); err != nil {
			return codec.Frame{}, err
		}
		if dec.complete() && !dec.progressive {
			break // what may follow changes no sample
		}
		if more, err = s.Next(); err != nil {
			return codec.Frame{}, err
		}
	}
	if !dec.complete() {
		return codec.Frame{}, invalid("a component has no scan")
	}
	if dec.progressive {
		dec.transform()
	}
	dec.upsample(target)
	if widen {
		for i, v := range target.Data {
			binary.LittleEndian.PutUint16(frame.Data[2*i:], uint16(v))
		}
	}
	return frame, nil
}

// complete reports whether every component had a scan.
func (dec *decoder) complete() bool {
	for i := range dec.n {
		if !dec.comps[i].scanned {
			return false
		}
	}
	return true
}

// describe checks the frame header against the image's header and the bytes there are, and
// returns what the samples will be.
func describe(s *jpegstream.Stream, d codec.Description, size int) (codec.Description, error) {
	f := &s.Frame
	if f.Precision != 8 && f.Precision != 12 {
		return d, invalid("samples of %d bits", f.Precision)
	}
	if f.N != 1 && f.N != 3 {
		return d, unsupported("%d components are not decoded", f.N)
	}
	// DCMTK and GDCM refuse them too: neither tells what the samples would be.
	if f.N != d.SamplesPerPixel {
		return d, invalid("%d components, Samples per Pixel is %d", f.N, d.SamplesPerPixel)
	}
	if f.Rows == 0 {
		f.Rows = d.Rows // DNL behind the first scan repeats it (T.81 B.2.5)
	}
	if f.Rows > d.Rows || f.Columns > d.Columns {
		return d, invalid("%d x %d samples do not fit into a frame of %d x %d", f.Columns, f.Rows, d.Columns, d.Rows)
	}
	if (f.Rows < d.Rows || f.Columns < d.Columns) && d.Rows*d.Columns > maxCropped {
		return d, invalid("%d x %d samples are no tile of %d x %d", f.Columns, f.Rows, d.Columns, d.Rows)
	}
	// A block takes two bits at least, its DC difference and its end, or one in the first scan of
	// a progressive image.
	hmax, vmax := 1, 1
	for _, c := range f.Components[:f.N] {
		hmax, vmax = max(hmax, c.H), max(vmax, c.V)
	}
	blocks := 0
	for _, c := range f.Components[:f.N] {
		if hmax%c.H != 0 || vmax%c.V != 0 { // libjpeg does not either
			return d, unsupported("sampling factors %dx%d of %dx%d are not decoded", c.H, c.V, hmax, vmax)
		}
		blocks += ceil(f.Columns*c.H, 8*hmax) * ceil(f.Rows*c.V, 8*vmax)
	}
	bits := 2 * blocks
	if f.Process == jpegstream.SOF2 {
		bits = blocks
		if blocks > codec.MaxFrame/quantisedSize {
			return d, errs.Errorf(errs.Exhausted, opDecode, "a progressive JPEG image of %d x %d samples is more than is decoded here", f.Columns, f.Rows)
		}
	}
	if size < bits/8 {
		return d, invalid("%d bytes cannot fill %d x %d samples", size, f.Columns, f.Rows)
	}
	return samplesOf(s, d)
}

// samplesOf returns the description of the decoded samples: bits and colour space are the
// codestream's.
func samplesOf(s *jpegstream.Stream, d codec.Description) (codec.Description, error) {
	if d.BitsAllocated > 16 {
		return d, invalid("Bits Allocated is %d", d.BitsAllocated)
	}
	bits := s.Frame.Precision
	if bits > d.BitsAllocated { // DCMTK: as many bytes as the codestream's precision needs
		d.BitsAllocated, d.BitsStored, d.HighBit = 8*ceil(bits, 8), bits, bits-1
	}
	if d.BitsStored > bits || d.HighBit != d.BitsStored-1 { // samples are at the lower end
		d.BitsStored = min(d.BitsStored, bits)
		d.HighBit = d.BitsStored - 1
	}
	if s.Frame.N == 3 {
		d.PhotometricInterpretation = colour(s, d.PhotometricInterpretation)
	}
	return d, nil
}

// colour returns the colour space of three components (PS3.5 8.2.1). The codestream is asked
// first, as libjpeg does (jdapimin.c) and GDCM with it: JFIF, Adobe, component identifiers and
// subsampling. The image's header has the last word where it says nothing, as it always has with
// DCMTK.
func colour(s *jpegstream.Stream, photometric string) string {
	const rgb, ybr = "RGB", "YBR_FULL_422"
	f := &s.Frame
	c := f.Components
	ids := [3]byte{c[0].ID, c[1].ID, c[2].ID}
	is := rgb
	switch {
	case s.JFIF, s.Adobe.Present && s.Adobe.Transform != 0:
		is = ybr
	case s.Adobe.Present, ids == [3]byte{'R', 'G', 'B'}:
	case ids == [3]byte{1, 2, 3}, c[0].H != c[1].H, c[0].V != c[1].V, photometric != rgb:
		is = ybr
	}
	switch {
	case is == rgb:
		return rgb
	case photometric == "YBR_FULL":
		return photometric
	}
	return ybr // what the standard has for lossy JPEG, whatever its subsampling
}

func ceil(a, b int) int { return (a + b - 1) / b }

// layOut prepares the components: where blocks go, how large the planes are.
func (dec *decoder) layOut(frame codec.Frame) {
	f := &dec.stream.Frame
	dec.n, dec.progressive, dec.eobrun = f.N, f.Process == jpegstream.SOF2, 0
	hmax, vmax := 1, 1
	for _, c := range f.Components[:f.N] {
		hmax, vmax = max(hmax, c.H), max(vmax, c.V)
	}
	mcusX, mcusY := ceil(f.Columns, 8*hmax), ceil(f.Rows, 8*vmax)
	planes, coefs := 0, 0
	for i := range f.N {
		c := &dec.comps[i]
		*c = component{h: f.Components[i].H, v: f.Components[i].V}
		c.width, c.height = ceil(f.Columns*c.h, hmax), ceil(f.Rows*c.v, vmax)
		c.across, c.down = ceil(c.width, 8), ceil(c.height, 8)
		if f.N == 1 { // not interleaved, so that its factors are of no meaning
			mcusX, mcusY, c.h, c.v, hmax, vmax = c.across, c.down, 1, 1, 1, 1
		}
		c.up = newUpsampling(hmax/c.h, vmax/c.v, c.width)
		c.padded = mcusX * c.h
		coefs += c.padded * mcusY * c.v
		c.layout = bytes1
		if f.Precision > 8 {
			c.layout = words
		}
		if c.direct = c.h == hmax && c.v == vmax && (f.N == 1 || c.layout == bytes1); c.direct {
			if f.N == 3 {
				c.layout = bytes3
			}
			c.dst, c.stride, c.dw, c.dh = frame.Data[i:], frame.Columns*c.layout.step(), f.Columns, f.Rows
			continue
		}
		c.dw, c.dh = 8*mcusX*c.h, 8*mcusY*c.v
		c.stride = c.dw * c.layout.step()
		planes += c.stride * c.dh
	}
	dec.planes = grow(dec.planes, planes)
	if dec.progressive {
		dec.coefs = grow(dec.coefs, coefs)
		clear(dec.coefs)
	}
	planes, coefs = 0, 0
	for i := range f.N {
		c := &dec.comps[i]
		if !c.direct {
			c.dst = dec.planes[planes : planes+c.stride*c.dh]
			planes += len(c.dst)
		}
		if dec.progressive {
			c.coefs = dec.coefs[coefs : coefs+c.padded*mcusY*c.v]
			coefs += len(c.coefs)
		}
	}
}

// grow returns a slice of n elements, in b's memory where that is enough.
func grow[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	return b[:n]
}

// put transforms the block and stores it as block x, y of the component.
func (dec *decoder) put(c *component, x, y, last int) {
	step := c.layout.step()
	at := 8*y*c.stride + 8*x*step
	w, h := min(8, c.dw-8*x), min(8, c.dh-8*y)
	if w == 8 && h == 8 {
		inverse(&dec.block, last, c.dst[at:], c.stride, c.layout)
		return
	}
	if w <= 0 || h <= 0 { // it only fills up an MCU
		clear(dec.block[:])
		return
	}
	inverse(&dec.block, last, dec.edge[:], 24, c.layout)
	for i := range h {
		from := dec.edge[24*i : 24*i+24]
		if c.layout != bytes3 {
			copy(c.dst[at+i*c.stride:][:w*step], from)
			continue
		}
		for j := range w {
			c.dst[at+i*c.stride+3*j] = from[3*j]
		}
	}
}

// upsample brings the components that are not in the frame already there.
func (dec *decoder) upsample(frame codec.Frame) {
	f := &dec.stream.Frame
	for i := range dec.n {
		c := &dec.comps[i]
		if c.direct {
			continue
		}
		line := frame.Columns * dec.n
		for k := range dec.words {
			dec.words[k] = grow(dec.words[k], f.Columns)
		}
		for y := range f.Rows {
			near, far := c.up.rows(y, c.height)
			a, b := c.dst[near*c.stride:], c.dst[far*c.stride:]
			if c.layout == bytes1 {
				out := frame.Data[y*line+i:][:3*f.Columns-2]
				upsample(c.up, out, 3, a[:c.width], b[:c.width], y&1 == 1)
				continue
			}
			row, n, m := dec.words[0], dec.words[1][:c.width], dec.words[2][:c.width]
			for x := range n {
				n[x], m[x] = binary.LittleEndian.Uint16(a[2*x:]), binary.LittleEndian.Uint16(b[2*x:])
			}
			upsample(c.up, row, 1, n, m, y&1 == 1)
			out := frame.Data[2*(y*line+i):]
			for x, v := range row {
				binary.LittleEndian.PutUint16(out[6*x:], v)
			}
		}
	}
}
